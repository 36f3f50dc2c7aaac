//! Connections between processes: one carries any number of channels in both directions, each with credit in bytes, so that a channel whose receiver is slow
//! never holds up its neighbours, and what is in flight has a bound.
//!
//! ```text
//!  task -> Sender -> Outbound -> writer ==== bytes ====> reader -> Inbound -> Inlet -> task
//!                       ^                                             |
//!                       +------- grants, on the same connection ------+
//! ```
//!
//! Nothing here has a clock, opens a socket or starts a task: whoever has a connection drives its two halves with [`link::Writer::run`] and
//! [`link::Reader::run`]. `docs/internals/exchange.md` is the specification of what is on the wire.

pub mod credit;
pub mod frame;
pub mod hello;
pub mod inbound;
pub mod link;
pub mod outbound;
pub mod reader;
pub mod window;
pub mod wire;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nothing that can panic runs under the locks of this crate, except by a broken invariant of it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
