//! [`Begun`]: what a head goes on with before all else that is to be put out.

use millstream_core::{key::Key, time::Window};
use millstream_state::{
    groups::GroupRange,
    manifest::{Spread, ValuePart},
};

use super::pairing::Step;
use crate::{checkpoint::subtask::StateAccess, failure::Failure};

/// The state that says what has been begun.
const BEGUN_STATE: &str = "begun";

/// So many late records come in while a barrier waits; then what they make due comes first.
const BEGUN_LIMIT: usize = 256;

/// A window and a key, whose records are in the table, and the step that is next.
type Entry<K> = (Window, K, u64, u64);

/// Keys and windows some pairs of which are still to be put out, the next one last: what others were put in front of, or a barrier has come in between; and what late
/// records have come for.
///
/// Behind a restore it has those of all subtasks of the checkpoint whose keys are here now.
pub(super) struct Begun<K>(Vec<Entry<K>>);

impl<K: Key> Begun<K> {
    /// What has these key groups, of the checkpoint that the job goes on from.
    pub(super) fn restored(state: &StateAccess, groups: GroupRange) -> Result<Self, Failure> {
        let mut entries = state.restored().all::<Entry<K>>(BEGUN_STATE)?;
        entries.retain(|(_, key, ..)| groups.holds(K::hash(key.view())));
        Ok(Self(entries))
    }

    /// As a checkpoint has it.
    pub(super) fn encode(&self, state: &StateAccess) -> Result<ValuePart, Failure> {
        state.encode(BEGUN_STATE, Spread::Union, &self.0)
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if late records have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= BEGUN_LIMIT
    }

    /// True if there is something of this key.
    pub(super) fn has(&self, key: K::View<'_>) -> bool {
        self.0.iter().any(|(_, begun, ..)| K::same(begun.view(), key))
    }

    /// Puts in what is next.
    pub(super) fn push(&mut self, window: Window, key: K, (outer, inner): Step) {
        self.0.push((window, key, outer as u64, inner as u64));
    }

    /// Takes what is next.
    pub(super) fn pop(&mut self) -> Option<(Window, K, Step)> {
        let (window, key, outer, inner) = self.0.pop()?;
        Some((window, key, (outer as usize, inner as usize)))
    }

    /// Takes something of this key, of a window that is wanted.
    pub(super) fn take(&mut self, key: K::View<'_>, wanted: impl Fn(Window) -> bool) -> Option<(Window, Step)> {
        let found = self.0.iter().rposition(|(window, begun, ..)| wanted(*window) && K::same(begun.view(), key))?;
        let (window, _, outer, inner) = self.0.remove(found);
        Some((window, (outer as usize, inner as usize)))
    }
}
