//! Exchanges carry sealed buffers from task to task, limited by credit in bytes, in order per channel.

pub(crate) mod arrivals;
pub(crate) mod channel;
pub(crate) mod gate;
pub(crate) mod in_flight;
pub(crate) mod lane;
mod note;
pub(crate) mod output;
pub(crate) mod partition;
pub(crate) mod partitioned;
#[cfg(test)]
pub(crate) mod pipe;
