//! The sessions of a key: mostly one.

use millstream_core::time::{Timestamp, Window};

use super::{join, touch};

/// A session and its accumulator.
pub(crate) type Open<V> = (Window, V);

/// The sessions of a key, as a record: for when the key stands in the queue, one session, and all others. None touches another.
pub(crate) type Row<V> = (Timestamp, Open<V>, Vec<Open<V>>);

/// The sessions of a row.
pub(super) fn sessions<V>((_, one, others): &Row<V>) -> impl Iterator<Item = &Open<V>> {
    std::iter::once(one).chain(others)
}

/// The same, to be changed.
pub(super) fn sessions_mut<V>((_, one, others): &mut Row<V>) -> impl Iterator<Item = &mut Open<V>> {
    std::iter::once(one).chain(others)
}

/// The session of a record that would have this one if it were alone: the one that it touches, with all others that it touches merged into it; or a new one.
#[inline(always)]
pub(super) fn place<V>(
    row: &mut Row<V>,
    alone: Window,
    create: impl FnOnce() -> V,
    merge: impl FnMut(&mut V, V),
) -> &mut Open<V> {
    if row.2.is_empty() && touch(row.1.0, alone) {
        row.1.0 = join(row.1.0, alone);
        return &mut row.1;
    }
    place_among(row, alone, create, merge)
}

#[cold]
fn place_among<V>(
    (_, one, others): &mut Row<V>,
    alone: Window,
    create: impl FnOnce() -> V,
    mut merge: impl FnMut(&mut V, V),
) -> &mut Open<V> {
    let touched: Vec<_> = others.extract_if(.., |(session, _)| touch(*session, alone)).collect();
    let is_one = touch(one.0, alone);
    let mut touched = touched.into_iter();
    let into = if is_one {
        one
    } else {
        let first = touched.next().unwrap_or_else(|| (alone, create()));
        others.push(first);
        others.last_mut().expect("it has just been put there")
    };
    into.0 = join(into.0, alone);
    for (session, accumulator) in touched {
        into.0 = join(into.0, session);
        merge(&mut into.1, accumulator);
    }
    into
}

/// Keeps the sessions that are wanted; false if none is.
pub(super) fn retain<V>((_, one, others): &mut Row<V>, wanted: impl Fn(Window) -> bool) -> bool {
    others.retain(|(session, _)| wanted(*session));
    if wanted(one.0) {
        return true;
    }
    let Some(other) = others.pop() else { return false };
    *one = other;
    true
}
