//! [`Hurried`]: an environment whose clock runs a hundred times as fast, so that nobody waits for what takes half a minute.

use std::{sync::Arc, time::Duration};

use millstream_core::time::Timestamp;

use crate::env::{BoxFuture, Env, Files, Instant, Network};

/// How much faster its clock runs.
const FACTOR: u32 = 100;

/// An environment in a hurry.
pub(super) struct Hurried(pub(super) Arc<dyn Env>);

impl Env for Hurried {
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) {
        self.0.spawn(name, future);
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.now().nanos().saturating_mul(FACTOR.into()))
    }

    fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.0.sleep(at.since(self.now()) / FACTOR)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration / FACTOR)
    }

    fn random(&self) -> u64 {
        self.0.random()
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.0.blocking(work)
    }

    fn wait_in_place(&self, future: BoxFuture<'_, ()>) -> bool {
        self.0.wait_in_place(future)
    }

    fn files(&self) -> &dyn Files {
        self.0.files()
    }

    fn network(&self) -> &dyn Network {
        self.0.network()
    }
}
