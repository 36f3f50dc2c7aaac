//! A running job is watched and steered by other processes, through a socket beside its checkpoints ([`place`]). The job's process is the [`Server`], the commands
//! `status`, `checkpoint`, `stop` and `set` [`ask`]; [`protocol`] is what they say to each other.

#[cfg_attr(not(unix), allow(dead_code, reason = "nobody asks there"))]
mod job;
pub(super) mod place;
#[cfg_attr(not(unix), allow(dead_code, reason = "nobody asks there"))]
mod protocol;
mod shown;
pub(super) mod verbs;

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod socket;

#[cfg(not(unix))]
mod elsewhere;

#[cfg(all(test, unix))]
mod tests;

#[cfg(not(unix))]
pub(super) use self::elsewhere::{Server, ask};
#[cfg(unix)]
pub(super) use self::{client::ask, server::Server};
