//! What is in a directory of checkpoints, for people and for programs.

mod read;
mod show;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::manifest::{CheckpointKind, Spread};

/// What a log of checkpoints and its newest checkpoints consist of. Its text is made of tables; its serialised form is that of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The job's name, and the number of its run, if the log says.
    pub job: Option<String>,
    /// The number of its run.
    pub run: Option<u64>,
    /// When this was looked at, in milliseconds since 1970.
    pub at: i64,
    /// The entry that a job would go on from if it started now.
    pub newest: Option<u64>,
    /// The entries of the log that count, the oldest first.
    pub entries: Vec<EntrySeen>,
    /// Entries that do not count: they stand before a gap.
    pub left_over: Vec<u64>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntrySeen {
    /// Its number.
    pub entry: u64,
    /// What it says.
    #[serde(flatten)]
    pub what: Seen,
}

/// What an entry of the log says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Seen {
    /// A process began to write the log.
    Claim {
        /// When, in milliseconds since 1970.
        at: i64,
    },
    /// A checkpoint.
    Checkpoint(CheckpointSeen),
    /// Nobody knows.
    Damaged {
        /// Why it cannot be read.
        problem: String,
    },
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointSeen {
    /// Its number.
    pub checkpoint: u64,
    /// The number of the run that it is of.
    pub run: u64,
    /// What it was made for.
    pub kind: CheckpointKind,
    /// When it was complete, in milliseconds since 1970.
    pub at: i64,
    /// What it takes, with segments that other checkpoints name, too, in bytes.
    pub bytes: u64,
    /// Why it cannot be used, if it cannot.
    pub problem: Option<String>,
    /// The state of every stateful operator.
    pub operators: Vec<OperatorSeen>,
    /// What its barriers overtook on its way between tasks, by edge.
    pub channels: Vec<ChannelsSeen>,
}

/// What was on its way over an edge of the job graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelsSeen {
    /// The chains at its ends, by name.
    pub edge: String,
    /// How its records are spread.
    pub kind: String,
    /// How many subtasks sent.
    pub senders: u32,
    /// How many subtasks received.
    pub receivers: u32,
    /// How many records were on their way, those included that were in a batch with some that had not been read yet.
    pub records: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// The type of the records.
    pub schema: String,
}

/// The state of an operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatorSeen {
    /// Its id.
    pub id: String,
    /// How many subtasks it had.
    pub parallelism: u32,
    /// Its states, keyed ones first.
    pub states: Vec<StateSeen>,
}

/// A state of an operator, that of all subtasks together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateSeen {
    /// Its name.
    pub state: String,
    /// How it is kept.
    pub kept: KeptAs,
    /// How many rows are stored, with tombstones and with rows that newer ones replace; or how many values.
    pub rows: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// The segments of keyed state: their names.
    pub segments: Vec<String>,
    /// The type of the rows, `Key -> Value`, or of the values; none if nothing is stored that says.
    pub schema: Option<String>,
}

/// How a state is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptAs {
    /// By key.
    Keyed,
    /// As values that are spread over the subtasks.
    List,
    /// As values that all subtasks get.
    Union,
    /// As values that are the same in all subtasks.
    Broadcast,
}

impl From<Spread> for KeptAs {
    fn from(spread: Spread) -> Self {
        match spread {
            Spread::List => Self::List,
            Spread::Union => Self::Union,
            Spread::Broadcast => Self::Broadcast,
        }
    }
}

pub use read::inspect;
