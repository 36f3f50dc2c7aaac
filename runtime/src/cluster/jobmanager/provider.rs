//! [`Provider`]: who starts and stops TaskManagers on demand. Without one they come and go by themselves (`standalone`).

use crate::control::TaskManagerId;

/// Starts and stops TaskManagers: processes on this machine, or pods of an orchestrator. Called by the leader's loop, so it must not wait: what takes time it begins.
pub(crate) trait Provider: Send + Sync {
    /// Begins to start a TaskManager with so many slots, which registers under this id at the JobManagers at these addresses.
    ///
    /// # Errors
    ///
    /// Why it cannot. It is tried again later, under another id.
    fn start(&mut self, id: TaskManagerId, slots: u32, jobmanagers: &[String]) -> Result<(), String>;

    /// Lets a TaskManager end that this one has started. One that has ended already is no mistake.
    fn stop(&mut self, id: TaskManagerId);

    /// Those that have ended by themselves since this was asked last.
    fn ended(&mut self) -> Vec<TaskManagerId>;
}
