//! One job: its life ([`lifecycle`]), its subtasks ([`attempt`]), what went wrong ([`failure`]), and the [`JobMaster`](machine::JobMaster) that decides.
//!
//! The machine is one type; what it does is told in files by purpose: `deploy.rs` (from the newest checkpoint to tasks that run), `checkpoints.rs`
//! (the coordinator's commands become messages and work), `restart.rs` (what is done about a failure), `ending.rs` (cancel, stop, rescale, the end, and who waits for it),
//! `savepoints.rs` (who wants a checkpoint copied).

pub(crate) mod attempt;
mod checkpoints;
mod deploy;
mod ending;
pub(crate) mod failure;
pub(crate) mod lifecycle;
pub(crate) mod machine;
mod restart;
mod savepoints;
#[cfg(test)]
mod tests;
