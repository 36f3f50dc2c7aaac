//! Subtasks: the loop that feeds a chain from its inputs, and what it runs in.

pub(crate) mod clock;
pub(crate) mod contain;
pub(crate) mod context;
pub(crate) mod flag;
pub(crate) mod forward;
pub(crate) mod head;
mod held;
pub(crate) mod run;
pub(crate) mod state_memory;
