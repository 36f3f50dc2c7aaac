//! Async functions beside a sequential run, with delays, failures, capacities, time limits and numbers of subtasks that are drawn.

use std::time::Duration;

use millstream::{
    async_io::{AsyncFunction, Asynchronous, Retry},
    prelude::*,
    stream::Sealed,
};
use millstream_testkit::{budget, rng::Rng};

use super::{Refused, Service, Watched};
use crate::{
    script::Script,
    support::{ms, parallel, run, sorted},
};

#[derive(Record, Clone, Debug, PartialEq)]
struct Event {
    number: u64,
    key: u64,
    #[record(event_time)]
    at: Timestamp,
}

/// What was put out: a number, and how far event time had come.
type Out = (u64, i64);

/// How often a call may fail or say nothing. So many further attempts are made.
const FAILURES_LIMIT: u32 = 4;
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(40);

impl Service {
    /// Answers in up to 30 ms; before that it fails, or says nothing, up to as often as it may.
    async fn drawn(&self, number: u64) -> Result<u64, Refused> {
        let (calls, _in_flight) = self.begin(&[number]);
        let failures = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as u32 % (2 * FAILURES_LIMIT);
        self.sleep(self.env.random() % 30).await;
        match calls <= failures.saturating_sub(FAILURES_LIMIT) {
            true if number.is_multiple_of(2) => Err(Refused(number)),
            true => std::future::pending().await,
            false => Ok(number),
        }
    }
}

#[async_map]
async fn ordered(service: &Service, event: Event) -> Result<Event, Refused> {
    service.drawn(event.number).await?;
    Ok(event)
}

#[async_flat_map(order = "unordered")]
async fn unordered(service: &Service, event: &Event) -> Result<[Event; 1], Refused> {
    service.drawn(event.number).await?;
    Ok([event.clone()])
}

#[async_filter(order = "key")]
async fn by_key(service: &Service, event: EventView<'_>) -> Result<bool, Refused> {
    service.drawn(event.number).await.map(|_| true)
}

#[async_map(max_batch = 5, linger = "3ms")]
async fn in_batches(service: &Service, events: Vec<Event>) -> Vec<Result<Event, Refused>> {
    let mut answers = Vec::new();
    for event in events {
        let fails = event.number.is_multiple_of(7) && service.begin(&[event.number]).0 == 1;
        answers.push(if fails { Err(Refused(event.number)) } else { Ok(event) });
    }
    service.sleep(service.env.random() % 20).await;
    answers
}

/// Notes how far event time has come when a record passes.
#[derive(Clone)]
struct Noted;

#[process]
impl Noted {
    fn on_record(&mut self, event: EventView<'_>, cx: &mut Context<'_, Out>) {
        cx.emit((event.number, cx.watermark().millis()));
    }
}

type Events = Sealed<Event, EventTime, BestEffort>;

/// How the calls of a life are made.
fn as_drawn<F: AsyncFunction>(function: Asynchronous<F>, capacity: usize) -> Asynchronous<F> {
    let retry = Retry::exponential(FAILURES_LIMIT, Duration::from_millis(1), Duration::from_millis(8));
    function.capacity(capacity).attempt_timeout(ATTEMPT_TIMEOUT).retry(retry)
}

/// Runs a function on events drawn from a seed. Gives these, and the numbers that were put out.
fn live(seed: u64, subtasks: usize, put_in: impl FnOnce(Events, &Watched, usize) -> Events) -> (Vec<Event>, Vec<u64>) {
    let mut rng = Rng::new(seed);
    let count = 50 + rng.below(150);
    let events: Vec<_> = (0..count).map(|number| Event { number, key: rng.below(5), at: ms(number as i64) }).collect();
    let every = 1 + rng.below(20);
    let capacity = 1 + rng.index(12);
    let (results, watched) = (collect(), Watched::default());
    run(seed, parallel(subtasks), |job| {
        let source = Script::records(vec![events.clone()]);
        let says = move |event: EventView<'_>, at| event.number.is_multiple_of(every).then_some(at);
        let events = job.source(source).event_time(punctuated(says)).rebalance();
        put_in(events, &watched, capacity).process(Noted).sink(results.sink());
    });
    let put_out: Vec<Out> = results.take();
    for (number, watermark) in put_out.iter().filter(|_| subtasks == 1) {
        // That of the last event in front of it that moved event time on.
        let before = number.checked_sub(1).map(|last| last - last % every);
        let wanted = before.map_or(Timestamp::MIN, |before| ms(before as i64));
        assert_eq!(*watermark, wanted.millis(), "number {number} from seed {seed}");
    }
    let seen = watched.seen();
    assert!(seen.now == 0 && seen.most <= capacity * subtasks, "{seen:?} from seed {seed}");
    (events, put_out.into_iter().map(|(number, _)| number).collect())
}

fn seeds() -> std::ops::Range<u64> {
    0..budget::choose(25, 2_000)
}

#[test]
fn ordered_functions_put_out_what_a_sequential_run_does() {
    for seed in seeds() {
        let (events, numbers) = live(seed, 1, |events, watched, capacity| {
            events.then_async(as_drawn(ordered(watched.open()), capacity)).sealed()
        });
        assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn unordered_functions_put_out_the_same_between_watermarks() {
    for seed in seeds() {
        for subtasks in [1, 3] {
            let (events, numbers) = live(seed, subtasks, |events, watched, capacity| {
                events.then_async(as_drawn(unordered(watched.open()), capacity)).sealed()
            });
            assert_eq!(sorted(numbers), (0..events.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}

#[test]
fn functions_in_order_for_each_key_keep_it() {
    for seed in seeds() {
        for subtasks in [1, 2] {
            let (events, numbers) = live(seed, subtasks, |events, watched, capacity| {
                let function = as_drawn(by_key(watched.open()), capacity);
                events.forward().key_by(|event| event.key).then_async(function).sealed()
            });
            for key in 0..5 {
                let of_key = |number: &&u64| events[**number as usize].key == key;
                assert!(subtasks > 1 || numbers.iter().filter(of_key).is_sorted(), "key {key} from seed {seed}");
            }
            assert_eq!(sorted(numbers), (0..events.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}

#[test]
fn functions_on_batches_put_out_what_a_sequential_run_does() {
    for seed in seeds() {
        let (events, numbers) = live(seed, 1, |events, watched, capacity| {
            events.then_async(as_drawn(in_batches(watched.open()), capacity)).sealed()
        });
        assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>(), "seed {seed}");
    }
}
