//! [`Manifest`]: what a checkpoint consists of.

use std::collections::BTreeMap;

use millstream_core::{
    buffer::Columns,
    dynamic::{Damaged, StoredSchema, Value, Values},
};
use serde::{Deserialize, Serialize};

use crate::{groups::GroupRange, schema::SchemaName};

/// What a complete checkpoint consists of. It is one entry of the log; small state is inside of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The job's name.
    pub job: String,
    /// The number that a job draws when it first starts, and keeps through all restarts.
    pub run: u64,
    /// The checkpoint's number, from 1, ascending.
    pub checkpoint: u64,
    /// What it was made for.
    pub kind: CheckpointKind,
    /// When it was complete, in milliseconds since 1970.
    pub at: i64,
    /// The savepoint that the run began with, if it began with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The state of every stateful operator.
    pub operators: Vec<OperatorState>,
    /// What was on its way between tasks, if its barriers overtook anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelPart>,
}

/// A savepoint that a run began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Where it was, as it was given.
    pub location: String,
    /// The number of the run whose output goes on: [`Manifest::output_run`] of it.
    pub run: u64,
    /// The number of the checkpoint that it is a copy of.
    pub checkpoint: u64,
}

impl Manifest {
    /// The number of the run that output is of: that of the first run, where others began with savepoints of each other.
    pub fn output_run(&self) -> u64 {
        self.origin.as_ref().map_or(self.run, |origin| origin.run)
    }

    /// All segments that it names, each once, in the order of their names.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentRef> {
        let parts = self.operators.iter().flat_map(|operator| &operator.keyed);
        let by_name: BTreeMap<&str, &SegmentRef> =
            parts.flat_map(|part| &part.segments).map(|segment| (segment.name.as_str(), segment)).collect();
        by_name.into_values()
    }

    /// All objects that it names: its segments, and what was on its way between tasks.
    pub fn objects(&self) -> impl Iterator<Item = &SegmentRef> {
        self.segments().chain(self.channels.iter().map(|part| &part.object))
    }
}

/// What a checkpoint is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckpointKind {
    /// To go on from after a failure.
    Periodic,
    /// To be kept in a place of its own, by whoever asked for it.
    Savepoint,
    /// The job is being stopped, and will go on from here.
    Stop,
    /// All input has been read and everything has fired: nothing is left to do but to commit.
    Final,
}

/// The state of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorState {
    /// Its id.
    pub id: String,
    /// How many subtasks it had.
    pub parallelism: u32,
    /// Keyed state, by state and subtask.
    pub keyed: Vec<KeyedPart>,
    /// Values, by state and subtask.
    pub values: Vec<ValuePart>,
}

/// The rows that one subtask had of a keyed state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedPart {
    /// The state's name.
    pub state: String,
    /// Which rows of the segments count: those of these groups.
    pub groups: GroupRange,
    /// What was written when, the oldest first: a full segment, then deltas. (It may hold segments without a full one only if the state began empty.)
    pub segments: Vec<SegmentRef>,
}

/// A segment, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// Its object, below the directory of checkpoints.
    pub name: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// How many rows and tombstones it has.
    pub rows: u64,
    /// True if it has every row there was; otherwise what changed since the segment before.
    pub full: bool,
}

/// What was on its way over an edge of the job graph, as far as one subtask had it. See [`channels`](crate::channels) for the object that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPart {
    /// The edge: the chains at its ends, by name.
    pub edge: String,
    /// How its records are spread, as plans say it.
    pub kind: String,
    /// The type of the records, as one would write it.
    pub record: String,
    /// How many subtasks sent.
    pub senders: u32,
    /// How many subtasks received.
    pub receivers: u32,
    /// At which end of the channels it waited.
    pub end: ChannelEnd,
    /// The number of the subtask that had it.
    pub subtask: u32,
    /// The object; its rows are records.
    pub object: SegmentRef,
}

/// An end of a channel. What was at the receiver's had been sent before what was at the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChannelEnd {
    /// It had arrived, and not been read.
    Receiver,
    /// It had not left.
    Sender,
}

/// A list of records that one subtask had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValuePart {
    /// The state's name.
    pub state: String,
    /// Which subtask had it.
    pub subtask: u32,
    /// Who gets it at a restore.
    pub spread: Spread,
    /// The type of the records: the text of a [`SchemaName`].
    pub record: String,
    /// How many there are.
    pub records: u32,
    /// [`Record::HASH`](millstream_core::record::Record::HASH) of their type.
    pub schema: u64,
    /// Their archives, as a sealed buffer without columns has them (its length without the roots first, four bytes, little endian). In a stored
    /// manifest they stand behind the text.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl ValuePart {
    /// The type of the records.
    pub fn schema_name(&self) -> SchemaName {
        SchemaName { text: self.record.clone(), hash: self.schema }
    }

    /// Shows the records as values, of the schema that [`schema_name`](Self::schema_name) describes.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are damaged; `each` may have been called before.
    pub fn read_values(&self, schema: &StoredSchema, mut each: impl FnMut(Value<'_>)) -> Result<(), Damaged> {
        const LENGTH_BYTES: usize = size_of::<u32>();
        let bytes = self.bytes.get(LENGTH_BYTES..).unwrap_or_default();
        Values::new(schema, self.records, Columns::default(), bytes)?.try_for_each(|value| value.map(&mut each))
    }
}

/// Who gets a value at a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spread {
    /// Each record goes to one subtask, in turn.
    List,
    /// All records go to every subtask.
    Union,
    /// Every subtask had the same: each gets the records of one.
    Broadcast,
}
