//! An ordered set of keys, in sorted chunks of a bounded length: as compact as a sorted list, and inserting moves one chunk only.

use std::{cmp::Ordering, ops::Bound};

use millstream_core::key::Key;

/// A chunk with this many keys is split in two.
const CHUNK_KEYS: usize = 256;
/// A chunk with fewer keys is joined with the next, if both together have no more than half of `CHUNK_KEYS`.
const SMALL_CHUNK_KEYS: usize = CHUNK_KEYS / 8;

/// The chunks: each ascending, none empty, and all keys of one before those of the next.
pub(super) type Sorted<E> = Vec<Vec<E>>;

/// Where a key is, or where it would be: the chunk, and the place in it.
fn place<E: Key>(sorted: &Sorted<E>, key: E::View<'_>) -> Result<(usize, usize), (usize, usize)> {
    let behind = sorted.partition_point(|chunk| E::compare(chunk[0].view(), key) != Ordering::Greater);
    let chunk = behind.saturating_sub(1);
    let Some(keys) = sorted.get(chunk) else { return Err((0, 0)) };
    match keys.binary_search_by(|found| E::compare(found.view(), key)) {
        Ok(at) => Ok((chunk, at)),
        Err(at) => Err((chunk, at)),
    }
}

/// Puts a key in, unless it is there.
pub(super) fn insert<E: Key>(sorted: &mut Sorted<E>, key: E) {
    let Err((chunk, at)) = place(sorted, key.view()) else { return };
    let Some(keys) = sorted.get_mut(chunk) else { return sorted.push(vec![key]) };
    keys.insert(at, key);
    if keys.len() >= CHUNK_KEYS {
        let upper = keys.split_off(CHUNK_KEYS / 2);
        keys.shrink_to(CHUNK_KEYS / 2);
        sorted.insert(chunk + 1, upper);
    }
}

/// Removes a key, if it is there.
pub(super) fn remove<E: Key>(sorted: &mut Sorted<E>, key: E::View<'_>) {
    let Ok((chunk, at)) = place(sorted, key) else { return };
    let keys = &mut sorted[chunk];
    keys.remove(at);
    let left = keys.len();
    if left == 0 {
        sorted.remove(chunk);
    } else if left < SMALL_CHUNK_KEYS && sorted.get(chunk + 1).is_some_and(|next| left + next.len() <= CHUNK_KEYS / 2) {
        let next = sorted.remove(chunk + 1);
        sorted[chunk].extend(next);
    }
}

/// The keys between two bounds, ascending. Bounds the wrong way round have nothing between them.
pub(super) fn range<'s, E: Key>(
    sorted: &'s Sorted<E>,
    lower: Bound<E::View<'_>>,
    upper: Bound<E::View<'_>>,
) -> impl DoubleEndedIterator<Item = &'s E> + use<'s, E> {
    let (first, start) = match lower {
        Bound::Unbounded => (0, 0),
        Bound::Included(key) => place(sorted, key).unwrap_or_else(|at| at),
        Bound::Excluded(key) => place(sorted, key).map_or_else(|at| at, |(chunk, at)| (chunk, at + 1)),
    };
    let (last, end) = match upper {
        Bound::Unbounded => (sorted.len().saturating_sub(1), usize::MAX),
        Bound::Included(key) => place(sorted, key).map_or_else(|at| at, |(chunk, at)| (chunk, at + 1)),
        Bound::Excluded(key) => place(sorted, key).unwrap_or_else(|at| at),
    };
    let chunks = sorted.get(first..(last + 1).min(sorted.len())).unwrap_or(&[]);
    let count = chunks.len();
    chunks.iter().enumerate().flat_map(move |(chunk, keys)| {
        let end = if chunk + 1 == count { end.min(keys.len()) } else { keys.len() };
        let start = if chunk == 0 { start } else { 0 };
        keys.get(start..end).unwrap_or(&[])
    })
}
