//! [`Key`]: what may key a stream, and the hash that decides where a key lives.
//!
//! The hash is part of the format of state and savepoints and is fixed for ever. It is a function of the view:
//!
//! | type | hash |
//! |---|---|
//! | integers up to 64 bits, `bool`, `char`, `Timestamp` | [`mix`] of the value, sign-extended to 64 bits |
//! | 128-bit integers | [`combine`]`(mix(low), mix(high))` |
//! | `Window` | as a tuple of its start and end |
//! | `String`, `ByteString` | XXH3, 64 bits, seed 0, of the bytes |
//! | `Option` | `mix(0)` for `None`, [`combine`]`(mix(1), hash)` for `Some` |
//! | tuples, structs, arrays | [`combine`] of the parts, from the left, beginning with [`mix`] of their number |
//! | enums | as a struct whose first part is the variant's position |
//! | lists | as arrays |

use std::cmp::Ordering;

use crate::record::Record;

/// What may key a stream: equality, order and hash are functions of the view, so a `&str` finds its entry in a table of
/// `String` keys without an allocation.
///
/// Implemented for integers, strings, options, tuples and so on, and by `#[derive(Record)]` with `#[record(key)]`.
/// Floats are no keys: `NaN` is not equal to itself, so its records would never meet.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot key a stream",
    label = "not a key",
    note = "keys are integers, strings, bool, char, times, and options, tuples or arrays of them; put `#[record(key)]` on a struct or enum of yours to make it one",
    note = "to key by a part of the record without copying it, write a function with `#[key]` and use `.key_with(my_key)`; a closure returns an owned key, as `|trade| trade.symbol.to_owned()`",
    note = "a float is not equal to itself when it is NaN: key by a rounded integer or by its `to_bits()` instead"
)]
pub trait Key: Record {
    /// `()`; see [`When`](crate::proof::When).
    #[doc(hidden)]
    type KeyProof;
    /// True if the two are the same key.
    fn same(a: Self::View<'_>, b: Self::View<'_>) -> bool;
    /// A total order that agrees with `same`; state is sorted by it.
    fn compare(a: Self::View<'_>, b: Self::View<'_>) -> Ordering;
    /// The hash, as the [module](self) describes it.
    fn hash(view: Self::View<'_>) -> u64;
    /// True where the hash costs enough that sending it along beats computing it again: for strings, byte strings, lists, and what has two
    /// parts or more; not for numbers, `bool`, `char` and times, nor for an option or a single part of such.
    const CARRY_HASH: bool;
}

/// Spreads the bits of a 64-bit value (the finaliser of MurmurHash3): a bijection.
#[inline(always)]
pub const fn mix(value: u64) -> u64 {
    let mut h = value ^ (value >> 33);
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// Joins the hash of what came before with the hash of the next part.
#[inline(always)]
pub const fn combine(hash: u64, next: u64) -> u64 {
    mix(hash.rotate_left(23) ^ next)
}

/// The number of key groups that a job has unless it says otherwise.
pub const DEFAULT_MAX_PARALLELISM: u32 = 128;
/// The largest number of key groups.
pub const LIMIT_MAX_PARALLELISM: u32 = 32_768;

/// The key group of a hash: the unit in which keyed state is stored and moved when a job is rescaled. It takes the high
/// bits, so that tables may take the low ones.
#[inline(always)]
pub const fn key_group(hash: u64, max_parallelism: u32) -> u32 {
    (((hash >> 32) * max_parallelism as u64) >> 32) as u32
}

/// The subtask that owns a key group; subtasks own ranges of groups (as in Flink: `group * parallelism / max_parallelism`).
#[inline(always)]
pub const fn owner_of(group: u32, max_parallelism: u32, parallelism: u32) -> u32 {
    (group as u64 * parallelism as u64 / max_parallelism as u64) as u32
}
