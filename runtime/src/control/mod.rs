//! The control plane of a cluster: who leads, who has which slots, what becomes of each job. All of it decides and does nothing itself.
//!
//! ```text
//!        JobManager process                                            TaskManager process
//! +--------------------------------------+                      +--------------------------------+
//! | driver: connections, timers, the log,|                      | driver: connections, timers,   |
//! |   sinks, enumerators, REST           |                      |   tasks, the data plane        |
//! |        Input |        ^ Command      |       message        |     Input |        ^ Command   |
//! |              v        |              |  ToTaskManager --->  |           v        |           |
//! | JobManager ------------------------  |  <--- ToJobManager   | TaskManager -----------------  |
//! |   Heartbeats, Slots                  |                      |   Lease, Tasks, Outbox         |
//! |   JobMaster, one a job               |                      |                                |
//! |     Topology, Executions, Exceptions |                      +--------------------------------+
//! |     Coordinator (checkpoints)        |
//! +--------------------------------------+
//! ```
//!
//! [`JobManager::step`](jobmanager::JobManager::step) and [`TaskManager::step`](taskmanager::TaskManager::step) take the time, an input and, where restarts are
//! jittered, a random number; they give commands, which the driver carries out in their order. There is no clock, randomness or I/O in here, and no `await`:
//! so whole clusters can be run from one seed (`simulation/`), faults and all.
//!
//! What it rests on:
//!
//! - **The log decides who leads.** The number of a leader's claim is its [`Epoch`]. It stands in every message; a TaskManager obeys the highest that it
//!   has seen, and a leader stops when it hears of a higher one, or when the log does not take its entry. No clock is needed for this to be safe.
//! - **Clocks only have to run at one rate** for a second guarantee: by the time a leader gives a silent TaskManager up, that has cancelled the leader's
//!   tasks itself ([`heartbeats`]). Even where this fails, what such tasks acknowledge counts for nothing.
//! - **One attempt of a subtask counts.** A new one is deployed when the one before has reported its end, or its TaskManager is lost
//!   ([`job::attempt`]); whatever comes from an old one is ignored, or answered by an order to cancel.
//! - **Everything that matters is said until it is answered** ([`message`]).
//! - **Everything has a bound**: [`JOBS_LIMIT`](jobmanager::JOBS_LIMIT), [`TASKMANAGERS_LIMIT`](jobmanager::TASKMANAGERS_LIMIT),
//!   [`NOTED_LIMIT`](jobmanager::NOTED_LIMIT), [`SLOTS_PER_TASKMANAGER_LIMIT`](slots::SLOTS_PER_TASKMANAGER_LIMIT), [`SUBTASKS_LIMIT`](topology::SUBTASKS_LIMIT),
//!   [`EXCEPTIONS_LIMIT`](job::failure::EXCEPTIONS_LIMIT), [`TOMBSTONES_LIMIT`](taskmanager::tasks::TOMBSTONES_LIMIT), and the pauses between repetitions.

pub(crate) mod heartbeats;
pub(crate) mod ids;
pub(crate) mod job;
pub(crate) mod jobmanager;
pub(crate) mod message;
pub(crate) mod provision;
#[cfg(test)]
mod simulation;
pub(crate) mod slots;
pub(crate) mod taskmanager;
pub(crate) mod timers;
pub(crate) mod topology;

#[allow(unused_imports, reason = "the names by which the rest of the crate will know them")]
pub(crate) use self::ids::{
    AttemptId, ConnectionId, Epoch, JobId, RegionId, RequestId, SlotId, SlotIndex, SubtaskId, TaskIndex, TaskManagerId,
    Vertex,
};
