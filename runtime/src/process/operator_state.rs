//! [`OperatorState`]: what each subtask of an operator keeps for itself, and who gets it when a job goes on.

use millstream_core::record::Record;

pub use millstream_state::manifest::{Spread, ValuePart};

pub use crate::checkpoint::subtask::StateAccess;
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
    /// What is to be kept of it.
    ///
    /// # Errors
    ///
    /// If a record is too large.
    fn snapshot(&self, access: &StateAccess) -> Result<Vec<ValuePart>, Failure>;
    /// Takes what this subtask gets of what all subtasks had. What the checkpoint does not know stays as it is.
    ///
    /// # Errors
    ///
    /// If what was kept is damaged, or of another type.
    fn restore(&mut self, access: &StateAccess) -> Result<(), Failure>;
}

/// No state.
impl OperatorState for () {
    fn begin() {}

    fn describe() -> Vec<StateInfo> {
        Vec::new()
    }

    fn snapshot(&self, _: &StateAccess) -> Result<Vec<ValuePart>, Failure> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _: &StateAccess) -> Result<(), Failure> {
        Ok(())
    }
}

/// A field of operator state: what the derive calls.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    state: &'static str,
    spread: Spread,
}

impl Part {
    /// The state of this name, and who gets it.
    pub fn new(state: &'static str, spread: Spread) -> Self {
        Self { state, spread }
    }

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
    /// If one is too large.
    pub fn snapshot<T: Record>(self, access: &StateAccess, records: &[T]) -> Result<ValuePart, Failure> {
        access.encode(self.state, self.spread, records)
    }

    /// The records that this subtask gets; `None` if the checkpoint does not know the state.
    ///
    /// # Errors
    ///
    /// If what was kept is damaged, or of another type.
    pub fn restore<T: Record>(self, access: &StateAccess) -> Result<Option<Vec<T>>, Failure> {
        if !access.restored().has(self.state) {
            return Ok(None);
        }
        access.share(self.state).map(Some)
    }
}
