//! Async operators: what a call costs that is answered at once, how close calls come to what their number and the service allow, what a record waits besides, and what a checkpoint
//! costs with many calls in flight. Each prints a line, `async_io <what> ..`, which the filter of the command line chooses: `-- limit`.
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use millstream::{
    connectors::{generate, generate_unbounded},
    prelude::*,
    settings::{CheckpointSettings, Settings},
};
use millstream_benches::{Machine, Tally, settings, tally, wanted};
use millstream_core::buffer::{Buffer, BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE};
use millstream_runtime::bench::drive;

/// How many records are driven through a chain, how often.
const DRIVEN: u64 = 2_000_000;
const ROUNDS: usize = 15;
/// How long a measurement of throughput takes at least.
const MEASURED: Duration = Duration::from_secs(4);

fn main() {
    ready();
    limits();
    latency();
    checkpoint();
}

#[map]
fn plus_one(number: u64) -> u64 {
    number + 1
}

#[async_map]
async fn plus_one_ordered(number: u64) -> u64 {
    number + 1
}

#[async_map(order = "unordered", timeout = "10s", retry = "exponential(3)")]
async fn plus_one_unordered(number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

/// A chain behind an exchange, with a function that is answered at once: `async_io ready/<order> <ns of #[map]> <ns of the async function>`, per record.
fn ready() {
    if !wanted("async_io ready") {
        return;
    }
    let machine = Machine::new(1);
    let buffers = sealed();
    let total = Tally::default();
    let mut job = Job::<BestEffort>::new("ready", Settings::default());
    let env = machine.env();
    let mut behind = || job.source(generate(0, 1, |_, _| 0_u64)).rebalance();
    let tally = || tally::<u64, _>(&total, |number| number);
    let map = drive(behind().then(plus_one), tally(), Arc::clone(&env));
    let ordered = drive(behind().then_async(plus_one_ordered), tally(), Arc::clone(&env));
    let unordered = drive(behind().then_async(plus_one_unordered), tally(), env);
    let best = |run: &dyn Fn()| {
        let seconds = (0..ROUNDS).map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64()
        });
        seconds.fold(f64::INFINITY, f64::min) * 1e9 / DRIVEN as f64
    };
    let map = best(&|| map(&buffers).expect("it does not fail"));
    let ordered = best(&|| ordered(&buffers).expect("it does not fail"));
    let unordered = best(&|| unordered(&buffers).expect("it does not fail"));
    assert_eq!(total.take().0, 3 * ROUNDS as u64 * DRIVEN);
    println!("async_io ready/ordered {map:.1} {ordered:.1}");
    println!("async_io ready/unordered {map:.1} {unordered:.1}");
}

/// Numbers in buffers of the size that exchanges use.
fn sealed() -> Vec<Buffer> {
    let mut builder = BufferBuilder::<u64>::new(Columns::default(), DEFAULT_MAX_RECORD_SIZE);
    let (mut buffers, full_bytes) = (Vec::new(), Settings::default().buffer_bytes);
    for number in 0..DRIVEN {
        builder.push(number, Timestamp::MIN, 0).expect("a number fits a buffer");
        if builder.len_bytes() >= full_bytes {
            buffers.push(builder.seal(0));
        }
    }
    buffers.push(builder.seal(0));
    buffers
}

/// A service that answers after a while, by a timer. Timers count whole milliseconds and go off behind their time, so it says how long it really took.
struct Timer {
    answers_after: Duration,
    took_nanos: Arc<AtomicU64>,
}

impl Timer {
    async fn answer(&self) {
        let began = Instant::now();
        tokio::time::sleep(self.answers_after).await;
        self.took_nanos.fetch_add(began.elapsed().as_nanos() as u64, Relaxed);
    }
}

#[async_map(order = "unordered")]
async fn asked(timer: &Timer, number: u64) -> u64 {
    timer.answer().await;
    number
}

#[async_map]
async fn asked_in_order(timer: &Timer, number: u64) -> u64 {
    timer.answer().await;
    number
}

/// `async_io limit/<order>/<subtasks>/<capacity>x<service ms> <calls a second> <share of what was asked for> <share of what the timers allowed>`: the capacity of all subtasks by the time of
/// the service, as it should be and as it was.
fn limits() {
    let cases = [(1, 100, 10), (1, 1_000, 100), (1, 1_000, 10), (1, 10_000, 100), (2, 5_000, 100), (2, 500, 10)];
    for (subtasks, capacity, millis) in cases {
        for ordered in [false, true] {
            let order = if ordered { "ordered" } else { "unordered" };
            let name = format!("async_io limit/{order}/{subtasks}/{capacity}x{millis}");
            if !wanted(&name) {
                continue;
            }
            let service = Duration::from_millis(millis);
            let limit = (subtasks * capacity) as f64 / service.as_secs_f64();
            let records = (limit * MEASURED.as_secs_f64()) as u64;
            let machine = Machine::new(2);
            let (total, took_nanos) = (Tally::default(), Arc::new(AtomicU64::new(0)));
            let began = Instant::now();
            machine.run(subtasks, |job| {
                let numbers = job.source(generate(records, 1, |_, number| number)).rebalance();
                let took_nanos = Arc::clone(&took_nanos);
                let open = move |_: &OpenContext<'_>| {
                    Ok::<_, String>(Timer { answers_after: service, took_nanos: Arc::clone(&took_nanos) })
                };
                let sink = tally(&total, |number| number);
                match ordered {
                    false => numbers.then_async(asked(open).capacity(capacity)).sink(sink),
                    true => numbers.then_async(asked_in_order(open).capacity(capacity)).sink(sink),
                }
            });
            let rate = records as f64 / began.elapsed().as_secs_f64();
            assert_eq!(total.take().0, records);
            let took = took_nanos.load(Relaxed) as f64 / 1e9 / records as f64;
            let allowed = (subtasks * capacity) as f64 / took;
            println!("{name} {rate:.0} {:.2} {:.2}", rate / limit, rate / allowed);
        }
    }
}

/// When a record was made, and how long its call took.
type Timed = (u64, u64);

/// `async_io latency <p50 us> <p99 us>`: what a record takes from the source to behind the call, less what the call takes itself, at 1,000 records a second.
fn latency() {
    if !wanted("async_io latency") {
        return;
    }
    const RECORDS: u64 = 5_000;
    let machine = Machine::new(2);
    let epoch = Instant::now();
    let results = collect();

    struct Clock(Instant);
    #[async_map(order = "unordered", rate = 1_000)]
    async fn paced(number: u64) -> u64 {
        number
    }
    #[map]
    fn stamped(clock: &Clock, _: u64) -> u64 {
        clock.0.elapsed().as_nanos() as u64
    }
    #[async_map(order = "unordered")]
    async fn timed(clock: &Clock, made: u64) -> Timed {
        let began = clock.0.elapsed();
        tokio::time::sleep(Duration::from_millis(5)).await;
        (made, (clock.0.elapsed() - began).as_nanos() as u64)
    }
    #[map]
    fn waited(clock: &Clock, (made, call): Timed) -> u64 {
        (clock.0.elapsed().as_nanos() as u64).saturating_sub(made + call)
    }

    let clock = move |_: &OpenContext<'_>| Ok::<_, String>(Clock(epoch));
    machine.run(1, |job| {
        job.source(generate(RECORDS, 1, |_, number| number))
            .rebalance()
            .then_async(paced)
            .then(stamped(clock))
            .then_async(timed(clock))
            .then(waited(clock))
            .sink(results.sink());
    });
    let mut waits: Vec<u64> = results.take();
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    println!("async_io latency {:.0} {:.0}", at(0.5), at(0.99));
}

/// `async_io checkpoint/<in flight> <ms> <ms at the barrier> <bytes>`: the fastest of some. Barriers overtake what waits in front of the operator, which is always full.
fn checkpoint() {
    const IN_FLIGHT: usize = 10_000;
    let name = format!("async_io checkpoint/{IN_FLIGHT}");
    if !wanted(&name) {
        return;
    }
    let machine = Machine::new(2);
    let dir = tempfile::tempdir().expect("there is room for files");
    let checkpoints = CheckpointSettings {
        dir: Some(dir.path().into()),
        interval: Duration::from_secs(3_600),
        alignment_timeout: Duration::from_millis(1),
        ..CheckpointSettings::default()
    };
    let total = Tally::default();
    let job = machine.start(Settings { checkpoints, ..settings(1) }, |job| {
        let open = |_: &OpenContext<'_>| {
            Ok::<_, String>(Timer { answers_after: Duration::from_secs(1), took_nanos: Arc::default() })
        };
        job.source(generate_unbounded(1, |_, number| number))
            .rebalance()
            .then_async(asked(open).capacity(IN_FLIGHT))
            .sink(tally(&total, |number| number));
    });
    machine.wait(async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let (mut best, mut bytes) = ((f64::INFINITY, f64::INFINITY), 0);
        for _ in 0..10 {
            let number = job.checkpoint().await.unwrap_or_else(|why| panic!("there is no checkpoint: {why}"));
            let history = job.status().checkpoints;
            let stats = history.last.iter().find(|stats| stats.checkpoint == number).expect("it is among the last");
            let (whole, sync) = (stats.duration(stats.started), stats.longest().sync);
            best = (best.0.min(whole.as_secs_f64()), best.1.min(sync.as_secs_f64()));
            bytes = stats.bytes();
        }
        println!("{name} {:.2} {:.2} {bytes}", best.0 * 1e3, best.1 * 1e3);
        job.cancel();
        let _ = job.wait().await; // it was cancelled
    });
}
