//! The control plane of a cluster.
#![allow(dead_code, reason = "the drivers that turn connections, timers and storage into inputs come separately")]

pub(crate) mod heartbeats;
pub(crate) mod ids;
pub(crate) mod job;
pub(crate) mod jobmanager;
pub(crate) mod message;
#[cfg(test)]
mod simulation;
pub(crate) mod slots;
pub(crate) mod taskmanager;
pub(crate) mod timers;
pub(crate) mod topology;
