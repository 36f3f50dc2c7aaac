//! The roles of a process in a cluster: `jobmanager`, `taskmanager`, and (with no command at all) both on this machine.

mod jobs;
mod local_processes;
mod options;
mod run;
mod shown;

pub(super) use self::{
    options::{NodeOptions, commands, option, read},
    run::run,
};
