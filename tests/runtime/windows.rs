//! Windows give what a hash map over all records gives, whatever the parallelism, the splits, the watermark interval, the memory and the aggregation
//! before the exchange.

use std::{collections::BTreeMap, time::Duration};

use millstream::{Aggregate, prelude::*, settings::Settings};
use millstream_testkit::rng::Rng;

use crate::{
    script::{Script, Step},
    support::{Simulated, ms, parallel, run, seeds, sorted},
};

#[derive(Record, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) key: u64,
    pub(crate) value: u64,
    #[record(event_time)]
    pub(crate) at: Timestamp,
}

pub(crate) fn event(key: u64, value: u64, at: i64) -> Event {
    Event { key, value, at: ms(at) }
}

/// How far events are out of order, in milliseconds.
pub(crate) const DISORDER_MS: i64 = 2_000;

/// Splits of events that are out of order by at most [`DISORDER_MS`], each split over the whole time.
pub(crate) fn splits(rng: &mut Rng, keys: u64, splits: usize, events: usize) -> Vec<Vec<Event>> {
    let mut made = vec![Vec::new(); splits];
    for split in &mut made {
        for i in 0..events {
            let at = i as i64 * 40 - 10_000 + rng.below(DISORDER_MS as u64) as i64;
            split.push(event(rng.below(keys), rng.below(1000), at));
        }
    }
    made
}

/// Count, sum, least and greatest value by key and start of the window.
type Expected = BTreeMap<(u64, i64), (u64, i128, u64, u64)>;

fn expected(events: &[Vec<Event>], size_ms: i64, offset_ms: i64) -> Expected {
    let mut expected = Expected::new();
    for event in events.iter().flatten() {
        let at = event.at.millis();
        let start = at - (at - offset_ms).rem_euclid(size_ms);
        let entry = expected.entry((event.key, start)).or_insert((0, 0, u64::MAX, 0));
        *entry = (entry.0 + 1, entry.1 + i128::from(event.value), entry.2.min(event.value), entry.3.max(event.value));
    }
    expected
}

type Result = (u64, Window, (u64, i128, u64, u64));

fn compare(results: Vec<Result>, expected: &Expected, what: &str) {
    let count = results.len();
    let results: Expected = results.into_iter().map(|(key, window, all)| ((key, window.start.millis()), all)).collect();
    assert_eq!(results.len(), count, "a window fires once for each key: {what}");
    assert_eq!(&results, expected, "{what}");
}

/// Another aggregate that may not be merged: what it is given is never aggregated before the exchange.
#[derive(Clone)]
struct Unmerged<A>(A);

impl<T: Record, A: Aggregate<T>> Aggregate<T> for Unmerged<A> {
    type Acc = A::Acc;
    type Out = A::Out;
    const MERGES: bool = false;

    fn create(&self) -> A::Acc {
        self.0.create()
    }
    fn add(&self, acc: &mut A::Acc, record: T::View<'_>, at: Timestamp) {
        self.0.add(acc, record, at);
    }
    fn merge(&self, _: &mut A::Acc, _: <A::Acc as Record>::View<'_>) {
        panic!("it says that it does not merge");
    }
    fn finish(&self, acc: &A::Acc) -> A::Out {
        self.0.finish(acc)
    }
}

/// Settings that must not be seen in a result.
pub(crate) fn drawn(rng: &mut Rng) -> Settings {
    Settings {
        parallelism: 1 + rng.index(3),
        watermark_interval: Duration::from_micros([1, 300, 5_000, 200_000][rng.index(4)]),
        buffer_bytes: [1 << 10, 32 << 10][rng.index(2)],
        memory_bytes: [1 << 20, 256 << 20][rng.index(2)],
        ..Settings::default()
    }
}

fn count_all(seed: u64, rng: &mut Rng, keys: u64, events: usize, early: bool) {
    let count = 1 + rng.index(5);
    let events = splits(rng, keys, count, events);
    let (size, offset) = ([1_000, 7_000][rng.index(2)], [0, 250][rng.index(2)]);
    let expected = expected(&events, size, offset);
    let settings = drawn(rng);
    let what = format!("seed {seed}, {settings:?}, {} splits", events.len());
    let results = collect();
    let job = run(seed, settings, |job| {
        let windows = tumbling(Duration::from_millis(size as u64)).offset(Duration::from_millis(offset as u64));
        let disorder = Duration::from_millis(DISORDER_MS as u64);
        let events = job.source(Script::records(events)).event_time(out_of_order(disorder));
        let keyed = events.key_by(|event| event.key).window(windows);
        if early {
            let value = |event: EventView<'_>| event.value;
            keyed
                .aggregate(|of| (of.count(), of.sum(value), of.min(value), of.max(value)))
                .map(|(key, window, all)| (key, window, all))
                .sink(results.sink());
        } else {
            let value = |event: EventView<'_>| event.value;
            keyed
                .aggregate(|of| Unmerged((of.count(), of.sum(value), of.min(value), of.max(value))))
                .map(|(key, window, all)| (key, window, all))
                .sink(results.sink());
        }
    });
    compare(results.take(), &expected, &what);
    assert_eq!(job.counted("late_records"), 0, "{what}");
}

#[test]
fn results_depend_on_nothing_but_the_records() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for early in [true, false] {
            count_all(seed, rng, 7, 500, early);
        }
    }
}

/// So many keys that a sender's table is too small for them: it is sent early, then records pass by.
#[test]
fn results_are_the_same_where_memory_is_short() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed ^ 0xfeed);
        for early in [true, false] {
            count_all(seed, rng, 5_000, 8_000, early);
        }
    }
}

#[test]
fn windows_begin_at_their_offset_before_the_epoch_too() {
    let results = collect();
    run(1, parallel(1), |job| {
        let at = [-3_600_000, -2_700_001, -2_700_000, -1, 0, 899_999, 900_000];
        let events = Script::records(vec![at.map(|at| event(1, 1, at)).to_vec()]);
        job.source(events)
            .event_time(monotonous())
            .key_by(|event| event.key)
            .window(tumbling(1.hours()).offset(15.minutes()))
            .aggregate(|of| of.count())
            .map(|(_, window, count)| (window.start.millis(), window.end.millis(), count))
            .sink(results.sink());
    });
    assert_eq!(results.take(), [(-6_300_000, -2_700_000, 2), (-2_700_000, 900_000, 4), (900_000, 4_500_000, 1)]);
}

/// Midnight in Berlin around the days on which the clocks were put forward and back, in milliseconds.
fn midnights() -> [i64; 8] {
    let days = ["03-30T00:00:00+01:00", "03-31T00:00:00+01:00", "04-01T00:00:00+02:00", "04-02T00:00:00+02:00"];
    let later = ["10-26T00:00:00+02:00", "10-27T00:00:00+02:00", "10-28T00:00:00+01:00", "10-29T00:00:00+01:00"];
    let mut all =
        days.into_iter().chain(later).map(|day| format!("2024-{day}").parse::<Timestamp>().expect("a time").millis());
    std::array::from_fn(|_| all.next().expect("there are eight"))
}

#[test]
fn days_of_a_zone_follow_its_clocks() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed ^ 0xda75);
        let days = midnights();
        let days: Vec<_> = days.windows(2).filter(|day| day[1] - day[0] < 30 * 3_600_000).collect();
        let mut made = vec![Vec::new(); 3];
        for split in &mut made {
            for day in &days {
                // At its beginning and its end, too, and in the order of their times within a day.
                let mut times: Vec<_> = (0..80).map(|_| rng.below((day[1] - day[0]) as u64) as i64).collect();
                times.extend([0, day[1] - day[0] - 1]);
                times.sort_unstable();
                split.extend(times.into_iter().map(|at| event(rng.below(7), rng.below(1000), day[0] + at)));
            }
        }
        let mut counted = BTreeMap::new();
        for event in made.iter().flatten() {
            let day = days.iter().find(|day| (day[0]..day[1]).contains(&event.at.millis())).expect("a day");
            *counted.entry((event.key, day[0], day[1])).or_insert(0) += 1_u64;
        }
        let counted: Vec<_> = counted.into_iter().collect();
        // By slices, and by panes, as with a trigger.
        let (slices, panes) = (collect(), collect());
        run(seed, parallel(1 + seed as usize % 3), |job| {
            let (a, b) = job.source(Script::records(made)).event_time(monotonous()).fork();
            a.key_by(|event| event.key)
                .window(calendar::days("Europe/Berlin"))
                .aggregate(|of| of.count())
                .map(|(key, day, count)| ((key, day.start.millis(), day.end.millis()), count))
                .sink(slices.sink());
            b.key_by(|event| event.key)
                .window(calendar::days("Europe/Berlin"))
                .apply(|key, day, events| vec![(key, day.start, day.end, events.iter().count() as u64)])
                .map(|(key, start, end, count)| ((key, start.millis(), end.millis()), count))
                .sink(panes.sink());
        });
        assert_eq!(sorted(slices.take()), counted, "seed {seed}");
        assert_eq!(sorted(panes.take()), counted, "seed {seed}");
    }
}

#[test]
fn a_global_window_fires_once_at_the_end_with_and_without_event_time() {
    for seed in seeds() {
        let events = splits(&mut Rng::new(seed), 3, 4, 200);
        let expected = events.iter().flatten().fold([0; 3], |mut counts, event| {
            counts[event.key as usize] += 1;
            counts
        });
        let (timed, untimed) = (collect(), collect());
        run(seed, parallel(2), |job| {
            let (a, b) = job.source(Script::records(events)).fork();
            let a = a.event_time(out_of_order(2.seconds())).key_by(|event| event.key);
            a.window(global()).aggregate(|of| of.count()).map(|(key, _, count)| (key, count)).sink(timed.sink());
            let b = b.key_by(|event| event.key).window(global()).aggregate(|of| of.count());
            b.map(|(key, _, count)| (key, count)).sink(untimed.sink());
        });
        let expected: Vec<_> = (0..).zip(expected).collect();
        assert_eq!((sorted(timed.take()), sorted(untimed.take())), (expected.clone(), expected));
    }
}

/// An aggregate of a user's own: the values themselves, so that its accumulator grows.
#[derive(Clone)]
struct Values;

impl Aggregate<Event> for Values {
    type Acc = Vec<u64>;
    type Out = Vec<u64>;
    const MERGES: bool = true;

    fn create(&self) -> Vec<u64> {
        Vec::new()
    }
    fn add(&self, acc: &mut Vec<u64>, event: EventView<'_>, _: Timestamp) {
        acc.push(event.value);
    }
    fn merge(&self, acc: &mut Vec<u64>, other: <Vec<u64> as Record>::View<'_>) {
        acc.extend(Vec::<u64>::from_view(other));
    }
    fn finish(&self, acc: &Vec<u64>) -> Vec<u64> {
        sorted(acc.clone())
    }
}

#[test]
fn reduce_and_aggregates_of_ones_own_see_every_record_once() {
    for seed in seeds() {
        let events = splits(&mut Rng::new(seed), 5, 3, 400);
        let mut values = BTreeMap::<(u64, i64), Vec<u64>>::new();
        for event in events.iter().flatten() {
            values.entry((event.key, event.at.millis().div_euclid(5000) * 5000)).or_default().push(event.value);
        }
        let values: Vec<_> = values.into_iter().map(|(at, values)| (at, sorted(values))).collect();
        let sums: Vec<_> = values.iter().map(|(at, values)| (*at, values.iter().sum::<u64>())).collect();
        let (lists, reduced) = (collect(), collect());
        run(seed, parallel(1 + seed as usize % 3), |job| {
            let (a, b) = job.source(Script::records(events)).event_time(out_of_order(2.seconds())).fork();
            a.key_by(|event| event.key)
                .window(tumbling(5.seconds()))
                .aggregate(|of| of.with(Values))
                .map(|(key, window, values)| ((key, window.start.millis()), Vec::<u64>::from_view(values)))
                .sink(lists.sink());
            b.key_by(|event| event.key)
                .window(tumbling(5.seconds()))
                .reduce(|a, b| Event { key: a.key, value: a.value + b.value, at: a.at.max(b.at) })
                .map(|(key, window, event)| ((key, window.start.millis()), event.value))
                .sink(reduced.sink());
        });
        assert_eq!(sorted(lists.take()), values, "seed {seed}");
        assert_eq!(sorted(reduced.take()), sums, "seed {seed}");
    }
}

/// A record every 100 ms of virtual time.
fn paced(records: u64) -> Vec<Step<u64>> {
    (0..records).flat_map(|number| [Step::Wait(Duration::from_millis(100)), Step::Record(number)]).collect()
}

#[test]
fn processing_time_windows_fire_while_the_input_goes_on() {
    for seed in seeds() {
        let results = collect();
        let job = Simulated::start(seed, parallel(2), |job| {
            let steps = paced(25).into_iter().chain([Step::Never]).collect();
            job.source(Script::steps(vec![steps]).unbounded())
                .key_by(|_| 0_u64)
                .window(tumbling(1.seconds()).processing_time())
                .aggregate(|of| of.count())
                .map(|(_, window, count)| (window.start, count))
                .sink(results.sink());
        });
        // 2.5 s of records and the end of the third window; the input stays open.
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_millis(3_100)));
        let fired = results.take();
        assert_eq!(fired.iter().map(|(_, count)| count).sum::<u64>(), 25, "seed {seed}: {fired:?}");
        assert!((3..=4).contains(&fired.len()), "seed {seed}: {fired:?}");
        assert!(fired.is_sorted_by(|(a, _), (b, _)| a < b), "seed {seed}: {fired:?}");
        job.job.cancel();
        assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    }
}

#[test]
fn processing_time_windows_that_are_pending_fire_at_the_end_of_bounded_input() {
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(3), |job| {
            job.source(Script::steps(vec![paced(12), paced(12)]))
                .key_by(|number| number % 2)
                .window(tumbling(1.days()).processing_time())
                .aggregate(|of| of.count())
                .map(|(key, _, count)| (key, count))
                .sink(results.sink());
        });
        assert_eq!(sorted(results.take()), [(0, 12), (1, 12)], "seed {seed}");
    }
}
