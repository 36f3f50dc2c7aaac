//! Five million keys fire at one watermark: for how long a thread of the runtime is held at a time, and what memory it takes.
//!
//! A task beside the job, on the same thread, measures by the processor time of the thread how much passes between two of its turns: what others on the machine
//! do is not in it.
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
};

use millstream::prelude::*;
use millstream_benches::{Machine, Tally, compare::status_bytes, seconds::seconds, settings, tally};
use rustix::time::{ClockId, clock_gettime};

const KEYS: u64 = 5_000_000;

fn thread_nanos() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}

/// What is measured while results come.
#[derive(Default)]
struct Measured {
    /// How many there will be, and have been.
    expected: u64,
    results: AtomicU64,
    /// What the process had in memory when the first came, in bytes.
    before: AtomicU64,
    longest_nanos: AtomicU64,
    turns: AtomicU64,
}

impl Measured {
    fn of(expected: u64) -> Self {
        Self { expected, ..Self::default() }
    }

    /// Takes note of a result.
    #[inline]
    fn result(&self) {
        if self.results.fetch_add(1, Relaxed) == 0 {
            // Makes the kernel forget the greatest extent so far.
            fs::write("/proc/self/clear_refs", "5").expect("the kernel lets a process reset its peak");
            self.before.store(status_bytes("VmRSS"), Relaxed);
        }
    }

    async fn watch(self: Arc<Self>) {
        let mut last = thread_nanos();
        loop {
            one_turn().await;
            let now = thread_nanos();
            // When all have come the job ends, and its memory goes back to the system.
            if (1..self.expected).contains(&self.results.load(Relaxed)) {
                self.longest_nanos.fetch_max(now - last, Relaxed);
                self.turns.fetch_add(1, Relaxed);
            }
            last = now;
        }
    }
}

/// Lets every other task that is ready have a turn. (Tokio's own `yield_now` comes back after many of them.)
async fn one_turn() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn main() {
    println!(
        "{:<20} {:>10} {:>16} {:>8} {:>14} {:>14}",
        "windows", "results", "longest hold ms", "turns", "memory MB", "more while MB"
    );
    macro_rules! measure {
        ($name:expr, $windows:expr, $results:expr) => {{
            let (machine, total, measured) = (Machine::new(1), Tally::default(), Arc::new(Measured::of($results)));
            let watching = machine.spawn(Arc::clone(&measured).watch());
            let job = machine.start(settings(1), |job| {
                let measured = Arc::clone(&measured);
                seconds(job, 2, KEYS)
                    .filter(|number| number <= KEYS)
                    .key_by(|number| number)
                    .window($windows)
                    .aggregate(|of| of.count())
                    .uid("counts")
                    .inspect(move |_| measured.result())
                    .sink(tally(&total, |(_, _, count)| count));
            });
            machine.wait(job.wait()).unwrap_or_else(|failure| panic!("{failure}"));
            watching.abort();
            let (before, peak) = (measured.before.load(Relaxed), status_bytes("VmHWM"));
            assert_eq!(measured.results.load(Relaxed), measured.expected);
            println!(
                "{:<20} {:>10} {:>16.2} {:>8} {:>14.1} {:>14.1}",
                $name,
                total.answer().records,
                measured.longest_nanos.load(Relaxed) as f64 / 1e6,
                measured.turns.load(Relaxed),
                before as f64 / 1e6,
                peak.saturating_sub(before) as f64 / 1e6,
            );
        }};
    }
    measure!("tumbling 1s", tumbling(1.seconds()), KEYS + 1);
    measure!("sliding 1s by 500ms", sliding(1.seconds(), 500.milliseconds()), 2 * (KEYS + 1));
    measure!("session 100ms", session(100.milliseconds()), KEYS + 1);
}
