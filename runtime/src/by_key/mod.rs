//! Operators with state for each key that need no code of the user's, or only a closure: sorted, deduplicated, ranked, mapped with state. Each is a process
//! function for whatever key its stream has.

mod deduplicate;
mod late;
mod sort;
mod top_n;
mod with_state;

use std::{fmt::Display, marker::PhantomData};

pub use deduplicate::{DeduplicateArrived, DeduplicateFirst, DeduplicateLast, Forgets};
pub use late::{DropsLate, Late, LateOnly};
use millstream_core::{key::Key, record::Record};
pub use sort::SortByTime;
pub use top_n::TopN;
pub use with_state::{FilterWithState, FlatMapWithState, MapWithState};

use crate::{
    failure::Failure,
    graph::StateInfo,
    operator::{OpenContext, Push},
    process::{Hashed, KeyedContext, KeyedProcessFunction, Opening, Sides, State, StateField, StateOf, Timer},
};

/// A process function for records of type `T` that does not depend on their key.
pub trait KeyedLogic<T: Record>: Clone + Send + 'static {
    /// What plans and messages call it.
    const KIND: &'static str;
    /// True if it sets timers.
    const HAS_ON_TIMER: bool = false;

    /// What it keeps for each key.
    type State: State;
    /// What it puts out.
    type Out<K: Key>: Record;
    /// Its side outputs.
    type Sides: Sides + Default + Clone;
    /// Why it may reject a record.
    type Error: Display + Send + 'static;

    /// What is wrong with its arguments, if anything is; the job is then not started.
    fn mistake(&self) -> Option<String> {
        None
    }

    /// Called once before the first record, in each subtask.
    fn open(&mut self, cx: &OpenContext<'_>) {
        let _ = cx;
    }

    /// Takes a record, with the state of its key.
    ///
    /// # Errors
    ///
    /// An error rejects the record.
    fn on_record<K: Key, N: Push<Self::Out<K>>>(
        &mut self,
        record: T::View<'_>,
        state: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, Self::Out<K>, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// A timer of the context's key has fired.
    fn on_timer<K: Key, N: Push<Self::Out<K>>>(
        &mut self,
        state: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, Self::Out<K>, N, Self::Sides>,
    ) {
        let _ = (state, cx);
    }
}

/// A [`KeyedLogic`] for keys of one type, as a process function.
pub struct ForKey<L, T, K> {
    logic: L,
    of: PhantomData<fn(T) -> K>,
}

impl<L, T, K> ForKey<L, T, K> {
    pub(crate) fn new(logic: L) -> Self {
        Self { logic, of: PhantomData }
    }
}

impl<L: Clone, T, K> Clone for ForKey<L, T, K> {
    fn clone(&self) -> Self {
        Self::new(self.logic.clone())
    }
}

impl<L: KeyedLogic<T>, T: Record, K: Key> KeyedProcessFunction for ForKey<L, T, K> {
    type In = T;
    type Key = K;
    type State = L::State;
    type Out = L::Out<K>;
    type Sides = L::Sides;
    type Error = L::Error;

    const HAS_ON_TIMER: bool = L::HAS_ON_TIMER;

    fn name(&self) -> &'static str {
        L::KIND
    }

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.logic.open(cx);
        Ok(())
    }

    #[inline(always)]
    fn on_record<N: Push<L::Out<K>>>(
        &mut self,
        record: T::View<'_>,
        state: &mut StateOf<'_, '_, L::State, K>,
        cx: &mut KeyedContext<'_, '_, K, L::Out<K>, N, L::Sides>,
    ) -> Result<(), L::Error> {
        self.logic.on_record(record, state, cx)
    }

    fn on_timer<N: Push<L::Out<K>>>(
        &mut self,
        _: Timer,
        state: &mut StateOf<'_, '_, L::State, K>,
        cx: &mut KeyedContext<'_, '_, K, L::Out<K>, N, L::Sides>,
    ) -> Result<(), Failure> {
        self.logic.on_timer(state, cx);
        Ok(())
    }
}

/// The name of the state of such an operator.
const STATE: &str = "by-key";

/// State of one field.
pub struct Single<F>(PhantomData<F>);

#[diagnostic::do_not_recommend]
impl<F: StateField> State for Single<F> {
    type Tables<K: Key> = F::Table<K>;
    type Handle<'a, 'k, K: Key> = F::Ref<'a, 'k, K>;

    fn describe<K: Key>() -> Vec<StateInfo> {
        vec![F::describe::<K>(STATE)]
    }

    fn open<K: Key>(cx: &Opening<'_>) -> F::Table<K> {
        F::open(STATE, cx)
    }

    #[inline(always)]
    fn handle<'a, 'k, K: Key>(table: &'a mut F::Table<K>, key: Hashed<'k, K>) -> F::Ref<'a, 'k, K> {
        F::at(table, key)
    }
}
