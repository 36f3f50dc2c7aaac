//! Asynchronous barrier snapshotting, as in "Lightweight Asynchronous Snapshots for Distributed Dataflows" (Carbone et al., 2015): barriers flow with the
//! records; where they have arrived on all inputs, an operator snapshots its state and passes them on.

pub(crate) mod align;
pub(crate) mod channels;
pub(crate) mod coordinator;
pub(crate) mod inbox;
pub(crate) mod keyed;
pub(crate) mod restored;
pub(crate) mod stats;
pub(crate) mod subtask;
pub(crate) mod values;

use std::time::Duration;

pub use self::stats::{CheckpointHistory, CheckpointProgress, CheckpointStats, HISTORY_LIMIT, SubtaskReport};
pub use millstream_state::manifest::CheckpointKind;

/// What separates the records that a checkpoint covers from those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    /// The checkpoint's number.
    pub checkpoint: u64,
    /// What it is made for.
    pub kind: CheckpointKind,
    /// How long it may still wait for what is in front of it; then it overtakes that. `None` if it never does.
    pub patience: Option<Duration>,
}

impl Barrier {
    /// The barrier of a checkpoint, which overtakes nothing.
    pub fn new(checkpoint: u64, kind: CheckpointKind) -> Self {
        Self { checkpoint, kind, patience: None }
    }

    /// The same, that overtakes what is in front of it once it has waited for so long, if the checkpoint is one that may. What a job is stopped, ended or begun
    /// with is not: it has to be read by other versions of the job, too.
    pub(crate) fn with_patience(self, patience: Option<Duration>) -> Self {
        Self { patience: patience.filter(|_| self.kind == CheckpointKind::Periodic), ..self }
    }

    /// True if it may pass while windows fire, as what is put out later counts, too.
    pub(crate) fn may_interrupt(self) -> bool {
        self.kind != CheckpointKind::Final
    }
}
