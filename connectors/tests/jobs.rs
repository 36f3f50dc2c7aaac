//! The connectors in jobs, at several parallelisms.
#![allow(clippy::disallowed_methods, reason = "tests lay out files of their own")]

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use millstream_connectors::{CsvFiles, collect, generate, generate_unbounded, print_to, records};
use millstream_core::record::Record;
use millstream_macros::Record;
use millstream_runtime::{
    env::{Env, TokioEnv},
    failure::Failure,
    local,
    settings::Settings,
    source::Source,
    stream::{Job, Stream},
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
struct Trade {
    id: u64,
    symbol: String,
    price: Option<f64>,
}

fn trades(count: u64) -> impl Source<Out = Trade> {
    generate(count, 42, |random, id| Trade {
        id,
        symbol: (*random.pick(&["ACME", "a,b", "\"q\"", "é"])).to_owned(),
        price: random.chance(0.9).then(|| random.range(1..10_000) as f64 / 100.0),
    })
}

fn job(parallelism: usize) -> Job {
    Job::new("test", Settings { parallelism, ..Settings::default() })
}

fn run(job: Job) -> Result<(), Failure> {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    tokio.block_on(async { local::run(job.build().unwrap(), TokioEnv::current()).await.map(|_| ()) })
}

/// The records of a source at a parallelism.
fn collected<T: Record>(source: impl Source<Out = T>, parallelism: usize) -> Vec<T> {
    let results = collect();
    let mut job = job(parallelism);
    job.source(source).sink(results.sink());
    run(job).unwrap();
    results.take()
}

fn sorted(mut trades: Vec<Trade>) -> Vec<Trade> {
    trades.sort_by_key(|trade| trade.id);
    trades
}

#[test]
fn records_come_once_each_and_alone_in_order() {
    let numbers: Vec<u64> = (0..100_000).collect();
    assert!(collected(records(numbers.clone()), 1) == numbers);
    for parallelism in [2, 3] {
        let mut read = collected(records(numbers.clone()), parallelism);
        read.sort_unstable();
        assert!(read == numbers, "parallelism {parallelism}");
    }
    assert_eq!(collected(records(Vec::<u64>::new()), 2), [0_u64; 0]);
}

#[test]
fn generated_records_do_not_depend_on_parallelism() {
    let alone = collected(trades(200_000), 1);
    assert_eq!(alone.len(), 200_000);
    assert!(sorted(alone.clone()) == alone);
    assert!(sorted(collected(trades(200_000), 3)) == alone);
}

#[test]
fn files_written_and_read_hold_the_same_records() {
    let expected = collected(trades(50_000), 1);
    for parallelism in [1, 2, 3] {
        let directory = tempfile::tempdir().unwrap();
        let mut job = job(parallelism);
        job.source(trades(50_000)).sink(CsvFiles::write(directory.path()).part_bytes(200_000));
        run(job).unwrap();
        assert!(directory.path().join("_SUCCESS").is_file());
        let source = CsvFiles::<Trade>::read(directory.path()).split_bytes(10_000);
        assert!(sorted(collected(source, parallelism)) == expected, "parallelism {parallelism}");
    }
}

#[test]
fn a_bad_row_fails_the_job_and_leaves_no_output() {
    let directory = tempfile::tempdir().unwrap();
    let (input, output) = (directory.path().join("in.csv"), directory.path().join("out"));
    let rows: String =
        (0..100_000).map(|id| format!("{id},ACME,{}\n", if id == 70_000 { "1.2.3" } else { "1.5" })).collect();
    fs::write(&input, format!("id,symbol,price\n{rows}")).unwrap();
    for parallelism in [1, 2] {
        let mut job = job(parallelism);
        job.source(CsvFiles::<Trade>::read(&input).split_bytes(100_000)).sink(CsvFiles::write(&output));
        let failure = run(job).unwrap_err();
        assert_eq!(
            failure.message().replace(&format!("{}/", directory.path().display()), ""),
            "in.csv, line 70002: column `price`: `1.2.3` is not a number, as `12`, `-0.5` or `1.5e-7` (field type `Option<f64>`)"
        );
        assert!(!output.exists());
    }
}

#[test]
fn a_missing_file_is_told_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut job = job(2);
    job.source(CsvFiles::<Trade>::read("no/such/trades.csv")).sink(CsvFiles::write(directory.path()));
    assert_eq!(run(job).unwrap_err().message(), "there is no file or directory no/such/trades.csv");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn collect_is_bounded() {
    let results = collect().limit(5_000);
    let mut job = job(2);
    job.source(trades(100_000)).sink(results.sink());
    assert_eq!(
        run(job).unwrap_err().message(),
        "`collect` keeps at most 5000 records in memory; it is meant for tests: write larger results to files, or raise it with \
         `.limit(records)`"
    );
    assert!(results.take().len() <= 5_000);
}

/// A writer that many may hold; each call adds a few bytes only, as a slow terminal might.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = bytes.len().min(7);
        self.0.lock().unwrap().extend_from_slice(&bytes[..some]);
        Ok(some)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

#[test]
fn printed_lines_are_whole() {
    let screen = Screen::default();
    let mut job = job(3);
    job.source(generate(50_000, 1, |_, index| (index, "text".to_owned()))).sink(print_to(screen.clone()));
    run(job).unwrap();
    let mut lines = screen.lines();
    lines.sort();
    let mut expected: Vec<_> = (0..50_000).map(|index| format!("({index}, \"text\")")).collect();
    expected.sort();
    assert!(lines == expected);
}

#[test]
fn printing_stops_at_the_limit() {
    let screen = Screen::default();
    let mut job = job(2);
    job.source(generate(10_000, 1, |_, index| index)).sink(print_to(screen.clone()).limit(5));
    run(job).unwrap();
    assert_eq!(screen.lines().len(), 5);
}

#[test]
fn a_closed_pipe_is_told() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut job = job(1);
    job.source(generate(10, 1, |_, index| index)).sink(print_to(Closed));
    let failure = run(job).unwrap_err();
    assert_eq!(failure.message(), "whoever read the printed lines has closed the pipe");
    assert_eq!(failure.hint(), Some("`.limit(records)` behind `print()` prints only the first ones"));
}

#[test]
fn a_rate_is_kept() {
    let env = SimEnv::new(1);
    let results = collect();
    let mut job = job(2);
    job.source(generate(200, 1, |_, index| index).rate(1_000.0)).sink(results.sink());
    let report = env.block_on(local::run(job.build().unwrap(), env.clone())).unwrap();
    let mut numbers = results.take();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..200));
    let seconds = report.elapsed.as_secs_f64();
    assert!((0.2..0.3).contains(&seconds), "{seconds}");
}

#[test]
fn files_are_the_same_whatever_the_order_of_events() {
    let expected = collected(trades(2_000), 1);
    for seed in 0..20 {
        let env = SimEnv::new(seed);
        let directory = tempfile::tempdir().unwrap();
        let mut write = job(2);
        write.source(trades(2_000)).rebalance().sink(CsvFiles::write(directory.path()).part_bytes(10_000));
        env.block_on(local::run(write.build().unwrap(), env.clone())).unwrap();
        let results = collect();
        let mut read = job(3);
        read.source(CsvFiles::<Trade>::read(directory.path()).split_bytes(3_000)).sink(results.sink());
        env.block_on(local::run(read.build().unwrap(), env.clone())).unwrap();
        assert!(sorted(results.take()) == expected, "seed {seed}");
    }
}

#[test]
fn an_unbounded_generator_runs_until_it_is_drained() {
    let results = collect();
    let mut job = job(2);
    job.source(generate_unbounded(1, |_, index| index).rate(20_000.0)).sink(results.sink());
    let sim = SimEnv::new(1);
    let handle = local::start(job.build().unwrap(), sim.clone());
    sim.block_on(sim.sleep(Duration::from_millis(200)));
    handle.drain();
    sim.block_on(handle.wait()).unwrap();
    let mut numbers = results.take();
    numbers.sort_unstable();
    let (even, odd): (Vec<u64>, Vec<u64>) = numbers.iter().partition(|number| *number % 2 == 0);
    assert!(even.iter().copied().eq((0..).step_by(2).take(even.len())), "no gaps");
    assert!(odd.iter().copied().eq((1..).step_by(2).take(odd.len())), "no gaps");
    assert!(even.len() > 100 && odd.len() > 100);
}
