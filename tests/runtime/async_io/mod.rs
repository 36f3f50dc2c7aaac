//! Async functions in streams: order, capacity, timeouts, further attempts, batches, caches and rates, by the clock of the simulation.

mod batches;
mod blocking;
mod caches;
mod calls;
mod drawn;
mod errors;
mod lookups;
mod orders;
mod sinks;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use millstream::{env::Env, operator::OpenContext};

/// What a service saw.
#[derive(Default, Debug, Clone)]
pub(super) struct Seen {
    /// By number, how many calls there were for it.
    pub(super) calls: BTreeMap<u64, u32>,
    /// How many calls are in flight, and how many there were at most.
    pub(super) now: usize,
    pub(super) most: usize,
    /// How many records each call was for, in their order.
    pub(super) sizes: Vec<usize>,
    /// How many clients were opened, and closed.
    pub(super) opened: u32,
    pub(super) closed: u32,
}

/// A service that takes its time; what it does depends on the number that it is asked about.
#[derive(Clone)]
pub(super) struct Service {
    env: Arc<dyn Env>,
    seen: Arc<Mutex<Seen>>,
}

/// What a call of it fails with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused(pub(super) u64);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused", self.0)
    }
}

/// Counts down when a call is over, however it ends.
struct InFlight<'a>(&'a Service);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.seen().now -= 1;
    }
}

impl Service {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, and says how many there have been for the first of the numbers.
    fn begin(&self, numbers: &[u64]) -> (u32, InFlight<'_>) {
        let mut seen = self.seen();
        seen.now += 1;
        seen.most = seen.most.max(seen.now);
        seen.sizes.push(numbers.len());
        for number in numbers {
            *seen.calls.entry(*number).or_default() += 1;
        }
        let calls = numbers.first().map_or(0, |number| seen.calls[number]);
        (calls, InFlight(self))
    }

    async fn sleep(&self, millis: u64) {
        self.env.sleep(Duration::from_millis(millis)).await;
    }

    /// Takes as many milliseconds as a hash of the number says.
    async fn answer(&self, number: u64) -> u64 {
        let (_, _in_flight) = self.begin(&[number]);
        self.sleep(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 59).await;
        number * 10
    }
}

/// What tests know of the services of a job.
#[derive(Clone, Default)]
pub(super) struct Watched(Arc<Mutex<Seen>>);

impl Watched {
    pub(super) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What opens a client.
    pub(super) fn open(&self) -> impl Fn(&OpenContext<'_>) -> Result<Service, Infallible> + Send + Sync + use<> {
        let seen = Arc::clone(&self.0);
        move |cx| {
            let service = Service { env: Arc::clone(cx.env()), seen: Arc::clone(&seen) };
            service.seen().opened += 1;
            Ok(service)
        }
    }
}
