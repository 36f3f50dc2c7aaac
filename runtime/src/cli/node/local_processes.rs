//! [`LocalProcesses`]: starts TaskManagers as processes of this binary on this machine, and ends them.
#![allow(
    clippy::disallowed_methods,
    reason = "processes are started and watched here alone, for the leader's loop, which waits for none"
)]

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
};

use crate::{cluster::jobmanager::provider::Provider, control::TaskManagerId};

/// Processes on this machine. Dropped, they are told to end.
pub(super) struct LocalProcesses {
    /// The options that all of them get.
    options: Vec<String>,
    running: BTreeMap<TaskManagerId, Child>,
    /// Told to end, and not gone yet.
    ending: Vec<Child>,
}

impl LocalProcesses {
    /// Starts processes with these options.
    pub(super) fn with(options: Vec<String>) -> Self {
        Self { options, running: BTreeMap::new(), ending: Vec::new() }
    }
}

impl Provider for LocalProcesses {
    fn start(&mut self, id: TaskManagerId, slots: u32, jobmanagers: &[String]) -> Result<(), String> {
        let binary = std::env::current_exe().map_err(|error| format!("this binary is not to be found: {error}"))?;
        let mut command = Command::new(binary);
        command.args(["taskmanager", "--slots", &slots.to_string(), "--jobmanager", &jobmanagers.join(",")]);
        command.args(&self.options).args(["--id", &id.to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| format!("no process could be started: {error}"))?;
        self.running.insert(id, child);
        Ok(())
    }

    fn stop(&mut self, id: TaskManagerId) {
        if let Some(child) = self.running.remove(&id) {
            terminate(&child);
            self.ending.push(child);
        }
    }

    fn ended(&mut self) -> Vec<TaskManagerId> {
        // To wait for one that has ended lets the system forget it.
        self.ending.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let gone = self.running.extract_if(.., |_, child| !matches!(child.try_wait(), Ok(None)));
        gone.map(|(id, _)| id).collect()
    }
}

impl Drop for LocalProcesses {
    fn drop(&mut self) {
        self.running.values().for_each(terminate);
    }
}

/// Tells a process to end.
#[cfg(unix)]
fn terminate(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // it may have ended
    }
}

/// Tells a process to end. There is no gentle way here: it ends when its JobManager does not answer any more.
#[cfg(not(unix))]
fn terminate(_: &Child) {}

/// Has this process told to end when the one that has started it ends.
pub(super) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)); // it ends without a leader, too
}
