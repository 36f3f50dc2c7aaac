//! [`State`]: what is kept for each key, as a struct with fields.

use millstream_core::{key::Key, schema::Schema};

use super::Opening;
use crate::{
    checkpoint::subtask::Upload,
    failure::Failure,
    graph::{StateInfo, StateKind},
    operator::Wait,
    task::head::Background,
};

/// State that is kept for each key: `#[derive(State)]` implements it for a struct.
///
/// Fields of plain record types are kept together, as one row for each key. A field that is a [`MapState`](super::MapState), a
/// [`ListState`](super::ListState) or another of that kind is a state of its own, which is stored entry by entry. What functions get is a *handle* with the same fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not state that can be kept for each key",
    label = "not keyed state",
    note = "put `#[derive(State)]` on the struct whose fields are to be kept for each key"
)]
pub trait State: 'static {
    /// Where the state of all keys is.
    type Tables<K: Key>: StateTables;
    /// What functions get: the state of one key (whose view lives for `'k`) in the tables.
    type Handle<'a, 'k, K: Key>;

    /// What it consists of, for keys of this type.
    fn describe<K: Key>() -> Vec<StateInfo>;
    /// The tables of a subtask.
    fn open<K: Key>(cx: &Opening<'_>) -> Self::Tables<K>;
    /// The state of a key.
    fn handle<'a, 'k, K: Key>(tables: &'a mut Self::Tables<K>, key: Hashed<'k, K>) -> Self::Handle<'a, 'k, K>;
}

/// The handle of a state. In the functions of a `#[process]` block it is written `&mut StateOf<Session>`; the attribute adds the lifetimes and the key.
pub type StateOf<'a, 'k, S, K> = <S as State>::Handle<'a, 'k, K>;

/// No state.
impl State for () {
    type Tables<K: Key> = ();
    type Handle<'a, 'k, K: Key> = ();

    fn describe<K: Key>() -> Vec<StateInfo> {
        Vec::new()
    }

    fn open<K: Key>(_: &Opening<'_>) {}

    fn handle<'a, 'k, K: Key>((): &'a mut (), _: Hashed<'k, K>) {}
}

/// A key with its hash.
pub struct Hashed<'k, K: Key> {
    /// The key.
    pub key: K::View<'k>,
    /// [`Key::hash`] of it.
    pub hash: u64,
}

impl<K: Key> Clone for Hashed<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Key> Copy for Hashed<'_, K> {}

/// A field that is a state of its own: [`ValueState`](super::ValueState), [`MapState`](super::MapState) and so on.
pub trait StateField: 'static {
    /// For plans and checks.
    const KIND: StateKind;
    /// The type of the entries' keys, of a map.
    const ENTRY: Option<&'static Schema>;
    /// The type of the values.
    const VALUE: &'static Schema;

    /// The values of all keys.
    type Table<K: Key>: StateTables;
    /// Those of one key.
    type Ref<'a, 'k, K: Key>: StateRef;

    /// What it is, for keys of this type.
    fn describe<K: Key>(name: &'static str) -> StateInfo {
        StateInfo { name, kind: Self::KIND, key: Some(K::SCHEMA), entry: Self::ENTRY, value: Self::VALUE }
    }
    /// The table of a subtask.
    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> Self::Table<K>;
    /// The values of a key.
    fn at<'a, 'k, K: Key>(table: &'a mut Self::Table<K>, key: Hashed<'k, K>) -> Self::Ref<'a, 'k, K>;
}

/// A field's type holds nothing: what it has is behind the handle. So a struct with such a field may derive what others do.
macro_rules! field_marker {
    ($name:ident<$($param:ident),+>) => {
        impl<$($param),+> Default for $name<$($param),+> {
            fn default() -> Self {
                Self(PhantomData)
            }
        }

        impl<$($param),+> Clone for $name<$($param),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($param),+> Copy for $name<$($param),+> {}

        impl<$($param),+> ::std::fmt::Debug for $name<$($param),+> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
pub(super) use field_marker;

/// What the handles of all fields have in common.
pub trait StateRef {
    /// True if nothing is stored for the key.
    fn is_absent(&self) -> bool;
    /// Removes what is stored for the key.
    fn clear(&mut self);
}

/// The tables of a state. Those of a struct are a list: `(first, (second, ()))`.
pub trait StateTables: Send + 'static {
    /// Asks the processor for what it has of a key, ahead of its look-up.
    fn prefetch(&self, hash: u64);
    /// Shows every table.
    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable));
}

/// A table, whatever it holds: what checkpoints and metrics ask of it.
pub trait StateTable: Send {
    /// What it takes in memory, in bytes, once it has made room if that is too much.
    fn measure(&mut self) -> usize;
    /// True if more waits to be written to files than should.
    fn is_full(&mut self) -> bool;
    /// An error if it cannot be frozen now, since the snapshot before is still being written.
    fn check_freeze(&mut self) -> Result<(), Failure>;
    /// Begins a snapshot. The upload has to be run.
    fn freeze(&mut self) -> Result<Upload, Failure>;
    /// Takes a step of copying rows for the snapshot.
    fn walk(&mut self) -> Background;
    /// Reads back the rows of the checkpoint that the job goes on from.
    fn restore(&mut self) -> Wait<'_>;
}

impl StateTables for () {
    #[inline(always)]
    fn prefetch(&self, _: u64) {}
    fn for_each<'a>(&'a mut self, _: &mut dyn FnMut(&'a mut dyn StateTable)) {}
}

impl<A: StateTables, B: StateTables> StateTables for (A, B) {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.0.prefetch(hash);
        self.1.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.0.for_each(visit);
        self.1.for_each(visit);
    }
}
