//! The processes of a cluster: what carries out the decisions of `control` with connections, storage, tasks and timers.
//!
//! ```text
//!                       control connections (wire.rs, connection.rs)
//!   jobmanager/  <--------------------------------------------------->  taskmanager/
//!     mod.rs    stands by, leads                           mod.rs      the loop around control::TaskManager
//!     lead/     the loop around control::JobManager        attempt.rs  the tasks of an attempt that are here
//!     job/      a job's graph, checkpoints, sinks, splits  placed.rs   where the others are
//!     accept.rs who connects                               peers.rs    data connections to other TaskManagers
//! ```
//!
//! Each process has one loop that owns its control machine: it takes what has happened, one thing after the other, lets the machine decide, and carries out
//! its commands before it takes the next. What takes time is done beside it, and comes back as a happening.

pub(crate) mod attendance;
pub(crate) mod connection;
pub(crate) mod jobmanager;
mod mini;
pub(crate) mod progress;
pub(crate) mod spec;
pub(crate) mod taskmanager;
pub(crate) mod wire;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, select};
use millstream_net::hello::{Hello, Purpose, Secret};

pub use self::mini::MiniCluster;
use crate::env::{BoxFuture, Env, Instant};

/// Where the parts of a process run. All may be the same.
#[derive(Clone)]
pub(crate) struct Envs {
    /// Heartbeats, messages, decisions: nothing that takes long.
    pub(crate) control: Arc<dyn Env>,
    /// Data connections.
    pub(crate) data: Arc<dyn Env>,
    /// Tasks.
    pub(crate) worker: Arc<dyn Env>,
}

/// What the processes of a cluster have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    /// What the program is made of.
    pub(crate) build: u64,
    /// What only they know.
    pub(crate) secret: Secret,
}

impl Identity {
    /// What a process says first on a connection.
    pub(crate) fn hello(&self, purpose: Purpose, process: u128, env: &dyn Env) -> Hello {
        let mut nonce = [0; 32];
        nonce.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&env.random().to_le_bytes()));
        Hello { purpose, process, build: self.build, nonce, secret: self.secret }
    }
}

/// How long whoever connects may take to say who is there.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits for something, but not for longer than this.
pub(crate) async fn within<T>(env: &dyn Env, limit: Duration, wait: impl Future<Output = T>) -> Option<T> {
    match select(pin!(wait), env.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Waits until a moment; for ever, if there is none.
pub(crate) fn wake(env: &Arc<dyn Env>, at: Option<Instant>) -> BoxFuture<'static, ()> {
    at.map_or_else(|| Box::pin(std::future::pending()) as BoxFuture<'static, ()>, |at| env.sleep_until(at))
}

/// A number that no other process draws.
pub(crate) fn draw(env: &dyn Env) -> u128 {
    u128::from(env.random()) << 64 | u128::from(env.random())
}
