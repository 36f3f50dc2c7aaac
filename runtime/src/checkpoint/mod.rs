//! Checkpoints: when they are made, what becomes of them, and what is told of them.

#[allow(dead_code, reason = "it is for the driver of checkpoints")]
pub(crate) mod coordinator;
mod stats;

pub use millstream_state::manifest::CheckpointKind;

pub use self::stats::{CheckpointHistory, CheckpointProgress, CheckpointStats, HISTORY_LIMIT, SubtaskReport};
