//! [`CheckpointSettings`]: whether, where and how often checkpoints are made.

use std::time::Duration;

use millstream_state::{location::Location, remote::ObjectStoreSettings};

/// Whether, where and how often checkpoints are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointSettings {
    /// Where the job's checkpoints are, which is for it alone: a directory, or the URL of a place in an object store. Without it there are none. A job finds its
    /// last checkpoint there when it starts, and goes on from it.
    pub dir: Option<Location>,
    /// How object stores are reached, where checkpoints and savepoints are in one.
    pub object_store: ObjectStoreSettings,
    /// The time from the start of one checkpoint to that of the next. Default 10 s.
    pub interval: Duration,
    /// The least time from the end of one checkpoint to the start of the next. Default 0.
    pub min_pause: Duration,
    /// A checkpoint that takes longer than this has failed. Default 10 min.
    pub timeout: Duration,
    /// How long the barriers of a checkpoint wait for what is in front of them; then they overtake it, and it becomes part of the checkpoint. Zero, the default,
    /// for ever: a checkpoint then takes as long as the records in front of its barriers, and can be gone on from by a job whose edges are others.
    /// Fixed while a job runs.
    pub alignment_timeout: Duration,
    /// So many checkpoints in a row may fail; one more fails the job. Default 3, so that a disk that is full for a moment ends nothing.
    pub tolerated_failures: u32,
    /// How many checkpoints are kept; older ones are removed. Default 3. Fixed while a job runs.
    pub retained: u32,
    /// Start anew though there is a checkpoint. What is there already is left until it falls out of those that are kept.
    pub fresh: bool,
    /// The savepoint that the job begins with, unless it has made checkpoints since it began with this one: it goes on from those then. Also a directory of checkpoints that no
    /// job uses any more.
    pub from: Option<Location>,
    /// The job may begin with a savepoint that has state of operators that it does not have: that state is dropped.
    pub allow_dropped_state: bool,
    /// Where the job begins with a savepoint, its sinks take back what it has put out since that was made.
    pub rewind: bool,
    /// Where savepoints go unless whoever asks for one says so: each gets a directory of its own in there.
    pub savepoints: Option<Location>,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self {
            dir: None,
            object_store: ObjectStoreSettings::default(),
            interval: Duration::from_secs(10),
            min_pause: Duration::ZERO,
            timeout: Duration::from_secs(600),
            alignment_timeout: Duration::ZERO,
            tolerated_failures: 3,
            retained: 3,
            fresh: false,
            from: None,
            allow_dropped_state: false,
            rewind: false,
            savepoints: None,
        }
    }
}
