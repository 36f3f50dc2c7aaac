//! The flights job against a reference that is computed by straightforward code: on a small file that is made up on the spot, always, and on the full
//! one at several parallelisms if `MILLSTREAM_FLIGHTS_CSV` says where it is.
#![allow(clippy::disallowed_methods, reason = "tests stand outside of the engine")]

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    fs,
    path::Path,
};

use millstream::{env::TokioEnv, local, prelude::*, settings::Settings};
use millstream_testkit::rng::Rng;
use tempfile::TempDir;

/// Where the full file is; the only thing in the environment that a test looks at.
const VARIABLE: &str = "MILLSTREAM_FLIGHTS_CSV";
/// By how much two means of the same numbers may differ, relative to them.
const TOLERANCE: f64 = 1e-9;
const HOUR_MS: i64 = 3_600_000;

#[derive(Record)]
struct Flight {
    origin: String,
    dep_delay: Option<f64>,
    #[record(event_time)]
    time_hour: Timestamp,
}

#[derive(Record)]
struct Departures {
    origin: String,
    hour: Timestamp,
    flights: u64,
    delay: Option<f64>,
}

#[key]
fn origin(flight: FlightView<'_>) -> &str {
    flight.origin
}

/// Departed flights and their mean delay, by origin and hour.
type Result = BTreeMap<(String, Timestamp), (u64, f64)>;

fn by_job(input: &Path, parallelism: usize) -> Result {
    let results = collect();
    let mut job = Job::<BestEffort>::new("flights", Settings { parallelism, ..Settings::default() });
    job.source(CsvFiles::<Flight>::read(input))
        .filter(|flight| flight.dep_delay.is_some())
        .event_time(out_of_order(24.hours()))
        .key_with(origin)
        .window(tumbling(1.hours()))
        .aggregate(|of| (of.count(), of.avg(|flight| flight.dep_delay)))
        .map(|(origin, window, (flights, delay))| Departures {
            origin: origin.into(),
            hour: window.start,
            flights,
            delay,
        })
        .sink(results.sink());
    let graph = job.build().expect("the job is well formed");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let report = runtime.expect("tokio starts").block_on(async { local::run(graph, TokioEnv::current()).await });
    report.unwrap_or_else(|failure| panic!("{failure}"));
    let results = results.take();
    let count = results.len();
    let result: Result = results
        .into_iter()
        .map(|row| ((row.origin, row.hour), (row.flights, row.delay.expect("there was one flight at least"))))
        .collect();
    assert_eq!(result.len(), count, "each hour of each origin once");
    result
}

fn by_hand(input: &Path) -> Result {
    let mut reader = csv::Reader::from_path(input).expect("the file is there");
    let headers = reader.headers().expect("it has a header").clone();
    let column = |name| headers.iter().position(|header| header == name).expect("it has this column");
    let (origin, delay, hour) = (column("origin"), column("dep_delay"), column("time_hour"));
    let mut sums = HashMap::<(String, Timestamp), (u64, f64)>::new();
    for row in reader.records() {
        let row = row.expect("every row is well formed");
        let Ok(delay) = row[delay].parse::<f64>() else {
            assert!(matches!(&row[delay], "" | "NA"), "{row:?}");
            continue;
        };
        let at = row[hour].parse::<Timestamp>().expect("a time").millis();
        let hour = Timestamp::from_millis(at - at.rem_euclid(HOUR_MS));
        let sum = sums.entry((row[origin].to_owned(), hour)).or_default();
        *sum = (sum.0 + 1, sum.1 + delay);
    }
    sums.into_iter().map(|(key, (flights, sum))| (key, (flights, sum / flights as f64))).collect()
}

fn compare(input: &Path) -> usize {
    let expected = by_hand(input);
    for parallelism in [1, 2, 7] {
        let result = by_job(input, parallelism);
        assert!(result.keys().eq(expected.keys()), "the same hours and origins at parallelism {parallelism}");
        for (key, (flights, mean)) in &result {
            let (expected_flights, expected_mean) = expected[key];
            assert_eq!(*flights, expected_flights, "{key:?} at parallelism {parallelism}");
            let tolerated = TOLERANCE * expected_mean.abs().max(1.0);
            assert!((mean - expected_mean).abs() <= tolerated, "{key:?}: {mean} instead of {expected_mean}");
        }
    }
    expected.len()
}

#[test]
fn a_made_up_file_gives_what_straightforward_code_gives() {
    let mut rng = Rng::new(2013);
    let mut text = String::from("year,origin,dep_delay,carrier,time_hour\n");
    for i in 0..20_000_i64 {
        // Out of order by up to 22 hours, as the real file is.
        let at = Timestamp::from_millis((376_000 + i / 50 + rng.below(22) as i64) * HOUR_MS);
        let origin = ["EWR", "JFK", "LGA"][rng.index(3)];
        let delay = if rng.one_in(40) { "NA".to_owned() } else { (rng.below(900) as i64 - 60).to_string() };
        writeln!(text, "2013,{origin},{delay},UA,{at}").expect("a string takes all");
    }
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("flights.csv");
    fs::write(&file, text).expect("a file");
    assert!(compare(&file) > 1000, "there are many hours");
}

#[test]
fn the_full_file_gives_what_straightforward_code_gives() {
    let Some(file) = std::env::var_os(VARIABLE) else {
        println!("left out: {VARIABLE} does not say where the full flights.csv is");
        return;
    };
    assert!(compare(Path::new(&file)) > 10_000, "a year has many hours");
}
