//! [`Pairing`]: the records of a key and window that are being put out, in bounded steps.

use millstream_core::{
    key::Key,
    packed::{Packed, PackedReader},
    record::Record,
    time::Window,
};

use super::{Grouped, matching::Group};
use crate::{operator::Push, task::head::Progress};

/// How many keys and pairs of windows that have closed are gone through before the task looks around.
pub(super) const FIRE_STEPS_LIMIT: usize = 1024;

/// Why a record that was received can be kept.
pub(super) const FITS: &str = "a record that was in a buffer is smaller than what a list takes";

/// The records of a key and a window, by side.
pub(super) type Sides<L, R> = (Packed<L>, Packed<R>);

/// A key and a window of which the pairs are being put out, and which is next.
pub(super) struct Pairing<K, L: Record, R: Record> {
    key: K,
    window: Window,
    lefts: PackedReader<L>,
    rights: PackedReader<R>,
    at: Step,
    extent: Step,
}

/// An outer and an inner step of a key.
pub(super) type Step = (usize, usize);

impl<K: Key, L: Record, R: Record> Pairing<K, L, R> {
    pub(super) fn new<T: Record, G: Grouped<K, L, T, Kept = R>>(
        key: K,
        window: Window,
        (lefts, rights): Sides<L, R>,
    ) -> Self {
        let extent = G::extent(lefts.len(), rights.len());
        Self { key, window, lefts: lefts.reader(), rights: rights.reader(), at: (0, 0), extent }
    }

    /// Puts pairs out, and counts them. `None` once all are; otherwise why the task has to look around before.
    pub(super) fn put_out<T: Record, G: Grouped<K, L, T, Kept = R>>(
        &mut self,
        grouped: &G,
        next: &mut impl Push<G::Out>,
        steps: &mut usize,
    ) -> Option<Progress> {
        let Self { key, window, lefts, rights, at, extent } = self;
        let mut group = Group { key, window: *window, lefts, rights };
        put_out::<_, _, T, G>(grouped, &mut group, at, *extent, next, steps)
    }
}

/// Puts out pairs of a key from a step on, and counts them. `None` once all are; otherwise why the task has to look around before.
pub(super) fn put_out<K: Key, L: Record, R: Record, G: Grouped<K, L, R>>(
    grouped: &G,
    group: &mut Group<'_, K, L, G::Kept>,
    at: &mut Step,
    extent: Step,
    next: &mut impl Push<G::Out>,
    steps: &mut usize,
) -> Option<Progress> {
    while at.0 < extent.0 {
        while at.1 < extent.1 {
            grouped.step(group, *at, next);
            at.1 += 1;
            *steps += 1;
            if next.is_full() {
                return Some(Progress::NeedsOutput);
            }
            if *steps >= FIRE_STEPS_LIMIT {
                return Some(Progress::MoreWork);
            }
        }
        *at = (at.0 + 1, 0);
    }
    // Keys without pairs count, too.
    *steps += 1;
    None
}
