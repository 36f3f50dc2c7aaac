//! The commands on a cluster: `submit`, `list`, `info`, `cancel` and `rescale`, and `checkpoint` and `stop` of a job there. They ask over HTTP, and need nothing but the
//! address.

pub(super) mod args;
pub(super) mod command;
mod follow;
mod shown;
#[cfg(test)]
mod tests;
pub(super) mod verbs;
mod words;
