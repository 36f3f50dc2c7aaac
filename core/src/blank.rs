//! [`Blank`]: the value that stands for one which a file may leave out.

use std::{
    array,
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hash},
};

use crate::{
    impls::{ByteString, MapView, VecView},
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

/// A type with a blank: what a field marked `#[record(default)]` is when a CSV file has no such column, or a JSON object no such field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no blank value that could stand for a missing field",
    label = "no blank value",
    note = "say which value is meant: `#[record(default = view)]`, as in `#[record(default = SideView::Buy)]`"
)]
pub trait Blank<'t>: Record {
    /// Zero, empty, `false`, `None`, the epoch; a space for `char`.
    fn blank() -> Self::View<'t>;
}

macro_rules! blank {
    ($($type:ty: $blank:expr;)*) => { $(
        impl<'t> Blank<'t> for $type {
            fn blank() -> Self::View<'t> {
                $blank
            }
        }
    )* };
}

blank! {
    u8: 0;
    u16: 0;
    u32: 0;
    u64: 0;
    u128: 0;
    i8: 0;
    i16: 0;
    i32: 0;
    i64: 0;
    i128: 0;
    f32: 0.0;
    f64: 0.0;
    bool: false;
    char: ' ';
    String: "";
    ByteString: b"";
    Timestamp: Timestamp::default();
    Window: Window::new(Timestamp::default(), Timestamp::default());
    (): ();
}

impl<'t, T: Record> Blank<'t> for Option<T> {
    fn blank() -> Option<T::View<'t>> {
        None
    }
}

impl<'t, T: Blank<'t>, const N: usize> Blank<'t> for [T; N] {
    fn blank() -> [T::View<'t>; N] {
        array::from_fn(|_| T::blank())
    }
}

impl<'t, T: Record> Blank<'t> for Vec<T> {
    fn blank() -> VecView<'t, T> {
        VecView::Views(&[])
    }
}

impl<'t, K: Key + Ord, V: Record> Blank<'t> for BTreeMap<K, V> {
    fn blank() -> MapView<'t, K, V, Self> {
        MapView::Views(&[])
    }
}

impl<'t, K: Key + Hash + Eq, V: Record, S: BuildHasher + Default + Send + 'static> Blank<'t> for HashMap<K, V, S> {
    fn blank() -> MapView<'t, K, V, Self> {
        MapView::Views(&[])
    }
}

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<'t, $first: Blank<'t>, $($rest: Blank<'t>),*> Blank<'t> for ($first, $($rest,)*) {
            fn blank() -> Self::View<'t> {
                ($first::blank(), $($rest::blank(),)*)
            }
        }

        tuples!($($rest)*);
    };
    () => {};
}

tuples!(A B C D E F G H I J K L);
