//! [`forward_env!`](crate::forward_env): an environment that wraps another, and does little otherwise.

/// Passes methods of [`Env`](crate::env::Env) on to the environment in a field, for one that wraps another: it implements by hand what it does otherwise.
///
/// ```
/// use std::sync::Arc;
/// use millstream_runtime::{env::{Env, Instant}, forward_env};
///
/// /// In which an hour more has passed.
/// struct Later {
///     inner: Arc<dyn Env>,
/// }
///
/// impl Env for Later {
///     fn now(&self) -> Instant {
///         self.inner.now() + std::time::Duration::from_secs(3600)
///     }
///
///     forward_env!(inner: spawn, wall, sleep_until, random, blocking, wait_in_place, files, network, step);
/// }
/// ```
#[macro_export]
macro_rules! forward_env {
    ($inner:ident: $($method:ident),+ $(,)?) => {
        $($crate::forward_env!(@$method $inner);)+
    };
    (@spawn $inner:ident) => {
        fn spawn(&self, name: &str, future: $crate::env::BoxFuture<'static, ()>) {
            self.$inner.spawn(name, future);
        }
    };
    (@now $inner:ident) => {
        fn now(&self) -> $crate::env::Instant {
            self.$inner.now()
        }
    };
    (@wall $inner:ident) => {
        fn wall(&self) -> $crate::env::Timestamp {
            self.$inner.wall()
        }
    };
    (@sleep_until $inner:ident) => {
        fn sleep_until(&self, at: $crate::env::Instant) -> $crate::env::BoxFuture<'static, ()> {
            self.$inner.sleep_until(at)
        }
    };
    (@random $inner:ident) => {
        fn random(&self) -> u64 {
            self.$inner.random()
        }
    };
    (@blocking $inner:ident) => {
        fn blocking(&self, work: ::std::boxed::Box<dyn FnOnce() + Send>) -> $crate::env::BoxFuture<'static, ()> {
            self.$inner.blocking(work)
        }
    };
    (@wait_in_place $inner:ident) => {
        fn wait_in_place(&self, future: $crate::env::BoxFuture<'_, ()>) -> bool {
            self.$inner.wait_in_place(future)
        }
    };
    (@files $inner:ident) => {
        fn files(&self) -> &dyn $crate::env::Files {
            self.$inner.files()
        }
    };
    (@network $inner:ident) => {
        fn network(&self) -> &dyn $crate::env::Network {
            self.$inner.network()
        }
    };
    (@step $inner:ident) => {
        fn step(&self, name: &'static str) {
            self.$inner.step(name);
        }
    };
}
