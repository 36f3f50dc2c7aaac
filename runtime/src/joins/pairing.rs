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
    /// Of a key and window of which the pairs before `at` have been put out.
    #[inline(always)]
    pub(super) fn new<T: Record, G: Grouped<K, L, T, Kept = R>>(
        key: K,
        window: Window,
        (lefts, rights): Sides<L, R>,
        at: Step,
    ) -> Self {
        let extent = G::extent(lefts.len(), rights.len());
        Self { key, window, lefts: lefts.reader(), rights: rights.reader(), at, extent }
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// True if it is of this key.
    pub(super) fn is_of(&self, key: K::View<'_>) -> bool {
        K::same(self.key.view(), key)
    }

    /// Key, window and records, and the step that is next.
    pub(super) fn into_parts(self) -> (K, Window, Sides<L, R>, Step) {
        (self.key, self.window, (self.lefts.into_list(), self.rights.into_list()), self.at)
    }

    /// Puts pairs out, and counts them. `None` once all are; otherwise why the task has to look around before.
    #[inline(always)]
    pub(super) fn put_out<T: Record, G: Grouped<K, L, T, Kept = R>>(
        &mut self,
        grouped: &G,
        next: &mut impl Push<G::Out>,
        steps: &mut usize,
    ) -> Option<Progress> {
        let Self { key, window, lefts, rights, at, extent } = self;
        let mut group = Group { key, window: *window, lefts, rights };
        while at.0 < extent.0 {
            while at.1 < extent.1 {
                grouped.step(&mut group, *at, next);
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
}
