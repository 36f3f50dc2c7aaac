//! [`OperatorState`]: what each subtask of an operator keeps for itself, and who gets it when a job goes on.

use millstream_core::{
    buffer::{BufferBuilder, Columns, Header, LIMIT_BUFFER_RECORDS, LIMIT_MAX_RECORD_SIZE, Received},
    record::Record,
    time::Timestamp,
};
use millstream_state::manifest::ValuePart;

pub use millstream_state::manifest::Spread;

use crate::{
    failure::Failure,
    graph::{StateInfo, StateKind},
};

/// What each subtask of a function without key keeps: `#[derive(OperatorState)]` implements it for a struct, each field of which is a state.
///
/// A field says who gets what it held when a job goes on from a checkpoint, perhaps with another parallelism:
///
/// | attribute | type | |
/// |---|---|---|
/// | `#[state(list)]` | `Vec<T>` | each element goes to one subtask |
/// | `#[state(union)]` | `Vec<T>` | all elements go to every subtask |
/// | `#[state(broadcast)]` | any record | every subtask has the same, and gets it again |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not state that an operator without key can keep",
    label = "not operator state",
    note = "put `#[derive(OperatorState)]` on the struct, and say of each field who gets it when a job goes on: `#[state(list)]`, `#[state(union)]` or `#[state(broadcast)]`",
    note = "state that is kept for each key (`#[derive(State)]`) needs a `KeyedContext`"
)]
pub trait OperatorState: Send + Sized + 'static {
    /// The state before the first record.
    fn begin() -> Self;
    /// What it consists of.
    fn describe() -> Vec<StateInfo>;
    /// What subtask number `subtask` has, to be kept.
    ///
    /// # Errors
    ///
    /// If it is too large.
    fn snapshot(&self, subtask: u32) -> Result<Vec<ValuePart>, Failure>;
    /// What one of `parallelism` subtasks gets of what all subtasks had.
    ///
    /// # Errors
    ///
    /// If a part is damaged, or of another type.
    fn restore(parts: &[ValuePart], subtask: u32, parallelism: u32) -> Result<Self, Failure>;
}

/// No state.
impl OperatorState for () {
    fn begin() {}

    fn describe() -> Vec<StateInfo> {
        Vec::new()
    }

    fn snapshot(&self, _: u32) -> Result<Vec<ValuePart>, Failure> {
        Ok(Vec::new())
    }

    fn restore(_: &[ValuePart], _: u32, _: u32) -> Result<(), Failure> {
        Ok(())
    }
}

/// A field of operator state, as its records: what the derive calls.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The state's name.
    pub state: &'static str,
    /// Who gets it.
    pub spread: Spread,
}

impl Part {
    /// What it is, of records of this type.
    pub fn describe<T: Record>(self) -> StateInfo {
        let kind = match self.spread {
            Spread::List => StateKind::OperatorList,
            Spread::Union => StateKind::OperatorUnion,
            Spread::Broadcast => StateKind::Broadcast,
        };
        StateInfo { name: self.state, kind, key: None, entry: None, value: T::SCHEMA }
    }

    /// Its records, as they are kept.
    ///
    /// # Errors
    ///
    /// If there are too many, or one is too large.
    pub fn snapshot<T: Record>(self, records: &[T], subtask: u32) -> Result<ValuePart, Failure> {
        let failed = |why: String| Failure::new(format!("the state `{}` cannot be kept: {why}", self.state));
        if records.len() > LIMIT_BUFFER_RECORDS as usize {
            let hint = "state per key, behind `.key_by(..)`, may be larger";
            let why = format!("it has {} records, {LIMIT_BUFFER_RECORDS} at most are possible", records.len());
            return Err(failed(why).with_hint(hint));
        }
        let mut builder = BufferBuilder::<T>::new(Columns::default(), LIMIT_MAX_RECORD_SIZE);
        for record in records {
            builder.push(record.view(), Timestamp::MIN, 0).map_err(|error| failed(error.to_string()))?;
            if builder.len_bytes() > LIMIT_PART_BYTES {
                return Err(failed(format!("it takes more than {LIMIT_PART_BYTES} bytes")));
            }
        }
        let buffer = builder.seal(0);
        let mut bytes = buffer.header().data_bytes.to_le_bytes().to_vec();
        bytes.extend_from_slice(buffer.bytes());
        Ok(ValuePart {
            state: self.state.to_owned(),
            subtask,
            spread: self.spread,
            record: T::SCHEMA.to_string(),
            records: buffer.header().records,
            schema: T::HASH,
            bytes,
        })
    }

    /// The records that a subtask gets of those of all subtasks. None if the state is new.
    ///
    /// # Errors
    ///
    /// If a part is damaged, or of another type.
    pub fn restore<T: Record>(self, parts: &[ValuePart], subtask: u32, parallelism: u32) -> Result<Vec<T>, Failure> {
        let mut own: Vec<_> = parts.iter().filter(|part| part.state == self.state).collect();
        own.sort_by_key(|part| part.subtask);
        if self.spread == Spread::Broadcast {
            own.truncate(1);
        }
        let (mut restored, mut number) = (Vec::new(), 0);
        for part in own {
            let buffer = self.received::<T>(part)?.validate::<T>().map_err(|error| self.unreadable(part, &error))?;
            for (record, _) in buffer.records::<T>(0) {
                if self.spread != Spread::List || number % parallelism == subtask {
                    restored.push(T::from_view(record));
                }
                number += 1;
            }
        }
        Ok(restored)
    }

    fn received<T: Record>(self, part: &ValuePart) -> Result<Received, Failure> {
        if part.schema != T::HASH {
            let (state, was, is) = (self.state, &part.record, T::SCHEMA);
            let what = if *was == is.to_string() { "other fields" } else { "another type" };
            return Err(Failure::new(format!("the state `{state}` was kept as `{was}`, which had {what}: it is `{is}` now"))
                .with_hint("give the state another name by `#[state(name = \"..\")]`, and it begins anew"));
        }
        let Some((length, bytes)) = part.bytes.split_first_chunk() else {
            return Err(self.unreadable(part, &"it has no length"));
        };
        let header = Header {
            records: part.records,
            data_bytes: u32::from_le_bytes(*length),
            columns: Columns::default(),
            port: 0,
            schema: part.schema,
        };
        Ok(Received { header, bytes: bytes.to_vec() })
    }

    fn unreadable(self, part: &ValuePart, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(format!("what subtask {} kept of the state `{}` cannot be read: {error}", part.subtask, self.state))
    }
}

/// The most that a subtask may keep of one state, in bytes: lengths have 32 bits.
const LIMIT_PART_BYTES: usize = 2 << 30;
