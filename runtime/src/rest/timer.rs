//! [`EnvTimer`]: hyper's timers, by the clock of the environment.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::{Sleep, Timer};

use crate::env::{BoxFuture, Env, Instant};

/// The clock of an environment, for hyper.
pub(super) struct EnvTimer {
    env: Arc<dyn Env>,
    /// A point on each of the two clocks that stand for one another. hyper only ever takes differences.
    began: (Instant, std::time::Instant),
}

impl EnvTimer {
    pub(super) fn new(env: Arc<dyn Env>) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "hyper wants this type; how long anything takes is measured by the environment's clock alone"
        )]
        let origin = std::time::Instant::now();
        Self { began: (env.now(), origin), env }
    }
}

impl Timer for EnvTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Sleeping(Mutex::new(self.env.sleep(duration))))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> std::time::Instant {
        self.began.1 + self.env.now().since(self.began.0)
    }
}

/// hyper wants to share what it only ever polls alone.
struct Sleeping(Mutex<BoxFuture<'static, ()>>);

impl Sleep for Sleeping {}

impl Future for Sleeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}
