//! Asynchronous barrier snapshotting, as in "Lightweight Asynchronous Snapshots for Distributed Dataflows" (Carbone et al., 2015): barriers flow with the
//! records; where they have arrived on all inputs, an operator snapshots its state and passes them on.

pub(crate) mod align;
pub(crate) mod coordinator;
pub(crate) mod inbox;
pub(crate) mod keyed;
pub(crate) mod restored;
pub(crate) mod stats;
pub(crate) mod subtask;
pub(crate) mod values;

pub use self::stats::{CheckpointHistory, CheckpointProgress, CheckpointStats, HISTORY_LIMIT, SubtaskReport};
pub use millstream_state::manifest::CheckpointKind;

/// What separates the records that a checkpoint covers from those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    /// The checkpoint's number.
    pub checkpoint: u64,
    /// What it is made for.
    pub kind: CheckpointKind,
}

impl Barrier {
    /// True if it may pass while windows fire, as what is put out later counts, too.
    pub(crate) fn may_interrupt(self) -> bool {
        self.kind != CheckpointKind::Final
    }
}
