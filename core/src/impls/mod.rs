//! [`Record`](crate::record::Record), [`View`](crate::view::View) and [`Key`](crate::key::Key) for the types of the standard library and
//! of this crate: a file for each family.
//!
//! | record | view | archive | key |
//! |---|---|---|---|
//! | `u8` to `u128`, `i8` to `i128`, `bool`, `char` | the value | little endian, unaligned | yes |
//! | `f32`, `f64` | the value | little endian, unaligned | no |
//! | `Timestamp`, `Window` | the value | milliseconds | yes |
//! | `String` | `&str` | rkyv's, up to 8 bytes in line | yes |
//! | [`ByteString`] | `&[u8]` | pointer and length | yes |
//! | `Option<T>` | `Option<view>` | tag byte, then the value | if `T` is |
//! | `[T; N]` and tuples | arrays and tuples of views | one part after the other | if all parts are |
//! | `Vec<T>` | [`VecView`] | pointer and length | if `T` is |
//! | `BTreeMap<K, V>`, `HashMap<K, V>` | [`MapView`] | pointer and length of entries sorted by key | no |
//!
//! `usize` and `isize` are no records: their width differs between machines.

mod array;
mod bytes;
mod list;
mod map;
mod option;
mod scalar;
mod text;
mod time;
mod tuple;

pub use bytes::ByteString;
pub use list::{VecIter, VecView};
pub use map::{HashMapView, MapIter, MapView, OwnedMap};

use crate::record::EncodeError;

/// The most bytes that the elements of one list may take: as far as a relative pointer is sure to reach.
const LIST_BYTES_LIMIT: usize = 1 << 30;

/// Refuses a list whose elements, of `size` bytes each, no pointer could lead to.
pub(crate) fn check_list_size(len: usize, size: usize) -> Result<(), EncodeError> {
    // Elements without bytes still have to be counted in 32 bits.
    if len.saturating_mul(size.max(1)) > LIST_BYTES_LIMIT { Err(too_long()) } else { Ok(()) }
}

#[cold]
fn too_long() -> EncodeError {
    #[derive(Debug)]
    struct ListTooLong;

    impl std::fmt::Display for ListTooLong {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list or map holds more than 1 GiB: split the record")
        }
    }

    impl std::error::Error for ListTooLong {}

    <EncodeError as rkyv::rancor::Source>::new(ListTooLong)
}
