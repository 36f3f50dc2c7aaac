//! Files in jobs: bad rows under each policy, and directories that are watched, on a simulated clock.
#![allow(clippy::disallowed_methods, reason = "tests lay out files of their own")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use millstream_connectors::{Collect, CsvFiles, TextFiles, collect};
use millstream_core::time::Timestamp;
use millstream_macros::Record;
use millstream_runtime::{
    env::Env,
    event_time::monotonous,
    failure::Failure,
    local::{self, JobHandle},
    metrics::Metric,
    settings::Settings,
    source::BadRecord,
    stream::{Job, Stream},
    windows::tumbling,
};
use millstream_testkit::SimEnv;

/// What the derive macro names.
mod named {
    pub(crate) mod __private {
        pub(crate) use millstream_core::{self as core, __private::rkyv};
    }
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(crate = crate::named)]
struct Event {
    id: u64,
    #[record(event_time)]
    at: Timestamp,
}

/// A job in a simulated world.
struct Simulated {
    sim: Arc<SimEnv>,
    job: JobHandle,
}

impl Simulated {
    fn start(seed: u64, parallelism: usize, build: impl FnOnce(&mut Job)) -> Self {
        let mut job = Job::new("test", Settings { parallelism, ..Settings::default() });
        build(&mut job);
        let sim = SimEnv::new(seed);
        let job = local::start(job.build().unwrap(), sim.clone());
        Self { sim, job }
    }

    fn run(&self) -> Result<(), Failure> {
        self.sim.block_on(self.job.wait()).map(|_| ())
    }

    fn pass(&self, seconds: u64) {
        self.sim.block_on(self.sim.sleep(Duration::from_secs(seconds)));
    }

    fn counted(&self, name: &str) -> u64 {
        let metrics = self.job.metrics().snapshot();
        let named = metrics.into_iter().filter(|(id, _)| id.name == name);
        named.map(|(_, metric)| if let Metric::Counter(counter) = metric { counter.get() } else { 0 }).sum()
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.sim.drop_tasks(); // tasks hold their environment
    }
}

fn sorted<T: Ord>(mut records: Vec<T>) -> Vec<T> {
    records.sort();
    records
}

/// So many rows, of which those that `is_bad` says are none.
fn rows(count: u64, is_bad: impl Fn(u64) -> bool) -> String {
    let row = |id| if is_bad(id) { format!("{id},never\n") } else { format!("{id},{id}\n") };
    format!("id,at\n{}", (0..count).map(row).collect::<String>())
}

fn message(failure: &Failure, directory: &Path) -> String {
    failure.message().replace(&format!("{}/", directory.display()), "")
}

#[test]
fn a_bad_row_fails_the_job_unless_it_is_skipped_or_diverted() {
    let directory = tempfile::tempdir().unwrap();
    let is_bad = |id: u64| id % 1_000 == 77;
    fs::write(directory.path().join("rows.csv"), rows(5_000, is_bad)).unwrap();
    let source = || CsvFiles::<Event>::read(directory.path()).split_bytes(7_000);
    let good: Vec<_> = (0..5_000).filter(|id| !is_bad(*id)).collect();
    for parallelism in [1, 3] {
        let alone = Simulated::start(1, 1, |job| job.source(source()).sink(collect().sink()));
        assert_eq!(
            message(&alone.run().unwrap_err(), directory.path()),
            "rows.csv, line 79: column `at`: `never` is not a time: RFC 3339 (as \
             `2024-05-01T12:00:00Z` or `2024-05-01T14:00:00.5+02:00`) or whole milliseconds since 1970 (field type `Timestamp`)"
        );

        let ids = collect();
        let skipping = Simulated::start(1, parallelism, |job| {
            job.source(source()).skip_errors().map(|event| event.id).sink(ids.sink());
        });
        skipping.run().unwrap();
        assert_eq!(sorted(ids.take()), good);
        assert_eq!(skipping.counted("records_skipped"), 5);

        let (ids, lines) = (collect(), collect());
        let diverting = Simulated::start(1, parallelism, |job| {
            let (events, bad) = job.source(source()).divert_errors();
            events.map(|event| event.id).sink(ids.sink());
            bad.map(|bad| (bad.line, bad.text.to_owned())).sink(lines.sink());
        });
        diverting.run().unwrap();
        assert_eq!(sorted(ids.take()), good);
        let expected: Vec<_> = (0..5_u64).map(|i| (i * 1_000 + 79, format!("{},never", i * 1_000 + 77))).collect();
        assert_eq!(sorted(lines.take()), expected);
        assert_eq!(diverting.counted("records_diverted"), 5);
    }
}

#[test]
fn very_many_bad_rows_have_their_lines() {
    let directory = tempfile::tempdir().unwrap();
    let is_bad = |id: u64| id % 10 != 3;
    fs::write(directory.path().join("rows.csv"), rows(60_000, is_bad)).unwrap();
    for parallelism in [1, 2] {
        let (ids, lines) = (collect(), collect());
        let job = Simulated::start(parallelism as u64, parallelism, |job| {
            let source = CsvFiles::<Event>::read(directory.path()).split_bytes(20_000);
            let (events, bad) = job.source(source).divert_errors();
            events.map(|event| event.id).sink(ids.sink());
            bad.map(|bad| bad.line).sink(lines.sink());
        });
        job.run().unwrap();
        assert!(sorted(ids.take()).into_iter().eq((0..60_000).filter(|id| !is_bad(*id))));
        assert!(sorted(lines.take()).into_iter().eq((0..60_000).filter(|id| is_bad(*id)).map(|id| id + 2)));
    }
}

#[test]
fn bad_rows_are_kept_as_a_table_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("in.csv"), directory.path().join("bad"));
    fs::write(&input, "id,at\n1,2\nx,\"y\n3,4\n").unwrap();
    let ids = collect();
    let job = Simulated::start(1, 2, |job| {
        let (events, bad) = job.source(CsvFiles::<Event>::read(&input)).divert_errors();
        events.map(|event| event.id).sink(ids.sink());
        bad.sink(CsvFiles::write(&output));
    });
    job.run().unwrap();
    assert_eq!(sorted(ids.take()), [1, 3]);
    let kept: Collect<BadRecord> = collect();
    let job = Simulated::start(1, 1, |job| job.source(CsvFiles::<BadRecord>::read(&output)).sink(kept.sink()));
    job.run().unwrap();
    let kept = kept.take();
    assert_eq!(kept.len(), 1);
    assert_eq!((&*kept[0].origin, kept[0].line, &*kept[0].text), (&*input.display().to_string(), 3, "x,\"y"));
    assert!(kept[0].reason.starts_with("a quote is still open"), "{}", kept[0].reason);
}

#[test]
fn a_slow_end_of_the_bad_holds_up_the_source_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("lines.txt"), b"\xff and a text behind it\n".repeat(20_000)).unwrap();
    let lines = collect();
    let settings = Settings { parallelism: 1, memory_bytes: 1 << 20, ..Settings::default() };
    let mut job: Job = Job::new("test", settings);
    let (texts, bad) = job.source(TextFiles::read(directory.path())).divert_errors();
    texts.sink(collect().sink());
    bad.map(|bad| bad.line).rebalance().map(|line| line).sink(lines.sink());
    let sim = SimEnv::new(3);
    sim.block_on(local::run(job.build().unwrap(), sim.clone())).unwrap();
    assert!(sorted(lines.take()).into_iter().eq(1..=20_000));
}

/// Puts a file into place as a whole.
fn put(directory: &Path, name: &str, text: &str) {
    let hidden = directory.join(format!(".{name}"));
    fs::write(&hidden, text).unwrap();
    fs::rename(hidden, directory.join(name)).unwrap();
}

#[test]
fn a_watched_directory_gives_each_file_once_as_it_appears() {
    for (seed, parallelism) in [(1, 1), (2, 2), (3, 3)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        put(path, "1.txt", "a\nb\n");
        fs::write(path.join("_2.txt"), "hidden\n").unwrap();
        fs::write(path.join(".3.txt"), "hidden\n").unwrap();
        fs::write(path.join("4.txt"), "").unwrap();
        let lines = collect();
        let job = Simulated::start(seed, parallelism, |job| {
            job.source(TextFiles::read(path).watch(Duration::from_secs(1))).sink(lines.sink());
        });
        job.pass(5);
        assert_eq!(sorted(lines.take()), ["a", "b"], "each once, however often it was looked for");
        put(path, "5.txt", "c\n");
        put(path, "4.txt", "d\n");
        job.pass(5);
        assert_eq!(sorted(lines.take()), ["c", "d"], "what was empty has content now");
        fs::remove_file(path.join("1.txt")).unwrap();
        job.pass(5);
        put(path, "1.txt", "e\n");
        job.pass(5);
        assert_eq!(sorted(lines.take()), ["e"], "a path that went away is new again");
        put(path, "6.txt", "f\n");
        job.pass(5);
        job.job.drain();
        job.run().unwrap();
        assert_eq!(sorted(lines.take()), ["f"]);
    }
}

#[test]
fn a_watched_pattern_may_match_nothing_at_first() {
    let directory = tempfile::tempdir().unwrap();
    let lines = collect();
    let job = Simulated::start(1, 2, |job| {
        let pattern = directory.path().join("day-*/*.txt");
        job.source(TextFiles::read(pattern).watch(Duration::from_secs(1))).sink(lines.sink());
    });
    job.pass(3);
    fs::create_dir(directory.path().join("day-1")).unwrap();
    put(&directory.path().join("day-1"), "a.txt", "a\n");
    job.pass(3);
    assert_eq!(lines.take(), ["a"]);
    job.job.drain();
    job.run().unwrap();
}

#[test]
fn a_directory_that_goes_away_while_it_is_watched_fails_the_job() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("watched");
    fs::create_dir(&path).unwrap();
    let job = Simulated::start(1, 1, |job| {
        job.source(TextFiles::read(&path).watch(Duration::from_secs(1))).sink(collect().sink());
    });
    job.pass(3);
    fs::remove_dir(&path).unwrap();
    let failure = job.run().unwrap_err();
    assert_eq!(message(&failure, directory.path()), "there is no file or directory watched");
}

/// Rows of a table with these times, in seconds.
fn seconds(seconds: impl Iterator<Item = u64>) -> String {
    let rows: String = seconds.map(|second| format!("{second},{}\n", second * 1_000)).collect();
    format!("id,at\n{rows}")
}

#[test]
fn no_watermark_overtakes_a_file_that_waits_to_be_read() {
    for (seed, parallelism) in (0..10).flat_map(|seed| [1, 2, 3].map(|parallelism| (seed, parallelism))) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        // The first in the order of names is the last in time.
        for file in 0..4 {
            put(path, &format!("{file}.csv"), &seconds((3 - file) * 10..(4 - file) * 10));
        }
        let windows = collect();
        let job = Simulated::start(seed, parallelism, |job| {
            job.source(CsvFiles::<Event>::read(path).watch(Duration::from_secs(1)))
                .event_time(monotonous())
                .key_by(|event| event.id % 2)
                .window(tumbling(Duration::from_secs(10)))
                .aggregate(|of| of.count())
                .map(|(key, window, count)| (window.start.millis() / 1_000, key, count))
                .sink(windows.sink());
        });
        job.pass(5);
        assert_eq!(job.counted("late_records"), 0, "seed {seed} x{parallelism}");
        windows.take();
        // Whoever has no file to read holds nothing back.
        put(path, "later.csv", &seconds(60..70));
        job.pass(5);
        put(path, "much-later.csv", &seconds(100..110));
        job.pass(5);
        assert_eq!(sorted(windows.take()).last(), Some(&(60, 1, 5)), "seed {seed} x{parallelism}");
        job.job.drain();
        job.run().unwrap();
        assert_eq!(sorted(windows.take()), [(100, 0, 5), (100, 1, 5)], "seed {seed} x{parallelism}");
        assert_eq!(job.counted("late_records"), 0, "seed {seed} x{parallelism}");
    }
}
