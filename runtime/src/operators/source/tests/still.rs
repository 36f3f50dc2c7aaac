//! An environment in which no time passes: whoever sleeps has slept.

use std::{future::ready, sync::Arc};

use millstream_core::time::Timestamp;

use crate::env::{BoxFuture, Env, Files, Instant, Network};

pub(super) struct StillEnv;

impl StillEnv {
    pub(super) fn shared() -> Arc<dyn Env> {
        Arc::new(Self)
    }
}

impl Env for StillEnv {
    fn spawn(&self, _: &str, _: BoxFuture<'static, ()>) {
        unreachable!("sources start no tasks by themselves")
    }
    fn now(&self) -> Instant {
        Instant::default()
    }
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
    fn random(&self) -> u64 {
        0
    }
    fn blocking(&self, _: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        unreachable!("numbers are not read from files")
    }
    fn wait_in_place(&self, _: BoxFuture<'_, ()>) -> bool {
        false
    }
    fn files(&self) -> &dyn Files {
        unreachable!("numbers are not read from files")
    }
    fn network(&self) -> &dyn Network {
        unreachable!("numbers are not read from connections")
    }
}
