//! The jobs: two inputs put together, and all that keeps something across records, with a sink behind each; and one with much state.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millstream::{connectors::csv::CsvSource, prelude::*};

use crate::slow::{Slow, slow};

/// Makes the job wrong, so that the tests can show that they would notice: `closure` keeps counts in a closure, where no checkpoint sees them.
const WRONG: &str = "KILL_WRONG";

/// How large the parts of files and the ranges of input are: so small that each process has many.
const PART_BYTES: u64 = 10_000;
const SPLIT_BYTES: u64 = 4_000;

#[derive(clap::Args)]
pub(crate) struct Paths {
    /// A directory with the directories `left` and `right`, of CSV files.
    #[arg(long)]
    input: PathBuf,
    /// The directory for all output.
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// How long a subtask of the inputs rests before it reads on, in microseconds: a job that is over at once cannot be killed.
    #[arg(long, default_value_t = 0)]
    rest: u64,
}

#[derive(Record, Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) user: String,
    pub(crate) amount: i64,
    #[record(event_time)]
    at: Timestamp,
}

/// Of a user and ten seconds.
#[derive(Record)]
struct Spent {
    user: String,
    start: Timestamp,
    events: u64,
    amount: i128,
    largest: i64,
}

/// That a user has had so many events.
#[derive(Record)]
struct Nth {
    user: String,
    nth: u64,
}

/// What of each user is not told yet: how many events there were in each ten seconds.
#[derive(State, Default)]
struct Counts {
    by_start: MapState<Timestamp, u64>,
}

/// Counts the events of each user in ten seconds, as the windows do, by state and timers.
#[derive(Clone)]
struct ByTimers;

const TEN_SECONDS: Duration = Duration::from_secs(10);

#[process]
impl ByTimers {
    fn on_record(
        &mut self,
        event: EventView<'_>,
        counts: &mut StateOf<Counts>,
        cx: &mut KeyedContext<'_, String, String>,
    ) {
        let millis = event.at.millis();
        let start = Timestamp::from_millis(millis - millis.rem_euclid(TEN_SECONDS.as_millis() as i64));
        *counts.by_start.entry(start, || 0) += 1;
        cx.event_timer(start + TEN_SECONDS);
    }

    fn on_timer(&mut self, timer: Timer, counts: &mut StateOf<Counts>, cx: &mut KeyedContext<'_, String, String>) {
        let start = timer.at - TEN_SECONDS;
        if let Some(count) = counts.by_start.remove(start) {
            cx.emit(&format!("{} {start} {count}", cx.key()));
        }
    }
}

/// Of a user, in the end.
#[derive(Record)]
struct Total {
    user: String,
    events: u64,
    amount: i128,
}

/// The events of a side.
pub(crate) fn read(paths: &Paths, side: &str) -> Slow<CsvSource<Event>> {
    let files = CsvFiles::read(paths.input.join(side)).split_bytes(SPLIT_BYTES);
    slow(files, Duration::from_micros(paths.rest))
}

/// Writes every event as a line, counts each user's as they come, adds them up by user and ten seconds (by windows, and by timers), and in the end by user.
#[job]
pub(crate) fn events(job: &mut Job<ExactlyOnce>, paths: Paths) {
    let side = |job: &mut Job<ExactlyOnce>, side: &str| {
        // Directly behind the source, where watermarks are made by split.
        job.source(read(&paths, side)).event_time(out_of_order(5.seconds()))
    };
    let (left, right) = (side(job, "left"), side(job, "right"));
    let (lines, counted) = left.union(right).fork();
    let (windows, counted) = counted.fork();
    let (running, counted) = counted.fork();
    let (timers, totals) = counted.fork();

    lines
        .map(|event| format!("{} {} {}", event.id, event.user, event.amount))
        .sink(TextFiles::write(paths.output.join("lines")).part_bytes(PART_BYTES));

    windows
        .key_by(|event| event.user.to_owned())
        .window(tumbling(10.seconds()))
        .aggregate(|of| (of.count(), of.sum(|event| event.amount), of.max(|event| event.amount)))
        .uid("windows")
        .map(|(user, window, (events, amount, largest))| Spent {
            user: user.to_owned(),
            start: window.start,
            events,
            amount,
            largest,
        })
        .sink(CsvFiles::write(paths.output.join("windows")).part_bytes(PART_BYTES).gzip());

    let by_user =
        JsonLines::write(paths.output.join("running")).partition_by(|nth: NthView<'_>| nth.user[..1].to_owned());
    let by_user = by_user.part_bytes(PART_BYTES);
    if std::env::var(WRONG).is_ok_and(|wrong| wrong == "closure") {
        let counts = Arc::<Mutex<HashMap<String, u64>>>::default();
        running
            .key_by(|event| event.user.to_owned())
            .map(move |event| {
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                let nth = counts.entry(event.user.to_owned()).or_default();
                *nth += 1;
                Nth { user: event.user.to_owned(), nth: *nth }
            })
            .sink(by_user);
    } else {
        running
            .key_by(|event| event.user.to_owned())
            .rolling(|of| of.count())
            .uid("running")
            .map(|(user, Rolling(nth))| Nth { user: user.to_owned(), nth })
            .sink(by_user);
    }

    timers
        .key_by(|event| event.user.to_owned())
        .process(ByTimers)
        .sink(TextFiles::write(paths.output.join("timers")).part_bytes(PART_BYTES));

    totals
        .key_by(|event| event.user.to_owned())
        .at_end(|of| (of.count(), of.sum(|event| event.amount)))
        .uid("totals")
        .map(|(user, (events, amount))| Total { user: user.to_owned(), events, amount })
        .sink(CsvFiles::write(paths.output.join("totals")));
}

/// Counts the events of each key of a large number of them, which have long names: large state.
#[job]
pub(crate) fn large(job: &mut Job<ExactlyOnce>, paths: Paths) {
    job.source(read(&paths, "left"))
        .key_by(|event| long_name(event.id / 4))
        .rolling(|of| of.count())
        .uid("large")
        .map(|(key, Rolling(nth))| format!("{key} {nth}"))
        .sink(TextFiles::write(paths.output.join("large")).part_bytes(PART_BYTES));
}

/// A name of 128 letters that packs badly.
fn long_name(number: u64) -> String {
    (0..8)
        .map(|i| format!("{:016x}", (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(2 * i + 1))))
        .collect()
}
