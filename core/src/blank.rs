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
pub trait Blank: Record {
    /// Zero, empty, `false`, `None`, the epoch; a space for `char`.
    fn blank<'a>() -> Self::View<'a>;
}

macro_rules! blank {
    ($($type:ty: $blank:expr;)*) => { $(
        impl Blank for $type {
            fn blank<'a>() -> Self::View<'a> {
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

impl<T: Record> Blank for Option<T> {
    fn blank<'a>() -> Option<T::View<'a>> {
        None
    }
}

impl<T: Blank, const N: usize> Blank for [T; N] {
    fn blank<'a>() -> [T::View<'a>; N] {
        array::from_fn(|_| T::blank())
    }
}

impl<T: Record> Blank for Vec<T> {
    fn blank<'a>() -> VecView<'a, T> {
        VecView::Views(&[])
    }
}

impl<K: Key + Ord, V: Record> Blank for BTreeMap<K, V> {
    fn blank<'a>() -> MapView<'a, K, V, Self> {
        MapView::Views(&[])
    }
}

impl<K: Key + Hash + Eq, V: Record, S: BuildHasher + Default + Send + 'static> Blank for HashMap<K, V, S> {
    fn blank<'a>() -> MapView<'a, K, V, Self> {
        MapView::Views(&[])
    }
}

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<$first: Blank, $($rest: Blank),*> Blank for ($first, $($rest,)*) {
            fn blank<'a>() -> Self::View<'a> {
                ($first::blank(), $($rest::blank(),)*)
            }
        }

        tuples!($($rest)*);
    };
    () => {};
}

tuples!(A B C D E F G H I J K L);
