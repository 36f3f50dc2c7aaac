//! Departures and mean delay per airport and hour give the same at parallelism 1, 2 and 7, and what straightforward code gives: on the full
//! file that `MILLSTREAM_FLIGHTS_CSV` names, otherwise on the sample of the examples.
#![allow(
    clippy::disallowed_methods,
    reason = "a test stands outside of the engine: it reads the files that it compares"
)]
#![allow(missing_docs, reason = "the records are columns of a file")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use millstream::{env::TokioEnv, local, prelude::*, settings::Settings};
use millstream_connectors::csv::CsvFiles;

#[derive(Record)]
struct Flight {
    #[record(event_time)]
    time_hour: Timestamp,
    carrier: String,
    flight: u32,
    origin: String,
    dep_delay: Option<f64>,
}

#[derive(Record)]
struct Departures {
    origin: String,
    hour: Timestamp,
    departures: u64,
    mean_delay: Option<f64>,
}

#[key]
fn origin(flight: FlightView<'_>) -> &str {
    flight.origin
}

/// The small ranges make many splits of the full file.
fn flights(job: &mut Job, input: &Path, output: &Path) {
    let (departed, delayed) = job
        .source(CsvFiles::<Flight>::read(input).split_bytes(256 << 10))
        .event_time(out_of_order(24.hours()))
        .filter(|flight| flight.dep_delay.is_some())
        .fork();
    departed
        .key_with(origin)
        .window(tumbling(1.hours()))
        .aggregate(|of| (of.count(), of.avg(|flight| flight.dep_delay)))
        .map(|(origin, window, (departures, mean_delay))| Departures {
            origin: origin.into(),
            hour: window.start,
            departures,
            mean_delay,
        })
        .sink(CsvFiles::write(output.join("departures")));
    delayed.filter(|flight| flight.dep_delay > Some(60.0)).sink(CsvFiles::write(output.join("delayed")));
}

/// What a job gives, or should.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Departures and mean delay by airport and hour.
    departures: BTreeMap<(String, String), (u64, f64)>,
    /// How often each row is there: hour, carrier, flight, origin, delay.
    delayed: BTreeMap<[String; 5], u32>,
}

fn rows(path: &Path) -> impl Iterator<Item = csv::StringRecord> {
    let reader = csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.into_records().map(|row| row.expect("the file is whole"))
}

fn parts(directory: &Path) -> Vec<PathBuf> {
    assert!(directory.join("_SUCCESS").is_file(), "{} was not committed", directory.display());
    let paths = fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("it can be listed").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect()
}

/// The straightforward program.
fn reference(input: &Path) -> Outcome {
    let header = csv::Reader::from_path(input).expect("the input is there").headers().expect("a header").clone();
    let column = |name| header.iter().position(|column| column == name).expect("a column of the data set");
    let (hour, carrier, flight) = (column("time_hour"), column("carrier"), column("flight"));
    let (origin, delay) = (column("origin"), column("dep_delay"));
    let mut sums = BTreeMap::<_, (u64, i64)>::new();
    let mut outcome = Outcome::default();
    for row in rows(input).filter(|row| !matches!(&row[delay], "" | "NA")) {
        let minutes: i64 = row[delay].parse().expect("whole minutes");
        let (count, sum) = sums.entry((row[origin].to_owned(), row[hour].to_owned())).or_default();
        *count += 1;
        *sum += minutes;
        if minutes > 60 {
            let late = [hour, carrier, flight, origin, delay].map(|column| row[column].to_owned());
            *outcome.delayed.entry(late).or_default() += 1;
        }
    }
    outcome.departures =
        sums.into_iter().map(|(key, (count, sum))| (key, (count, sum as f64 / count as f64))).collect();
    outcome
}

fn run(input: &Path, parallelism: usize) -> Outcome {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let mut job = Job::new("flights", Settings { parallelism, ..Settings::default() });
    flights(&mut job, input, scratch.path());
    let graph = job.build().expect("the job is sound");
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio starts");
    tokio.block_on(async { local::run(graph, TokioEnv::current()).await }).expect("the job ends well");

    let mut outcome = Outcome::default();
    for row in parts(&scratch.path().join("departures")).iter().flat_map(|part| rows(part)) {
        let figures = (row[2].parse().expect("a count"), row[3].parse().expect("a mean"));
        let before = outcome.departures.insert((row[0].to_owned(), row[1].to_owned()), figures);
        assert_eq!(before, None, "{row:?} is there twice");
    }
    for row in parts(&scratch.path().join("delayed")).iter().flat_map(|part| rows(part)) {
        let late = [0, 1, 2, 3, 4].map(|column| row[column].to_owned());
        *outcome.delayed.entry(late).or_default() += 1;
    }
    outcome
}

#[test]
fn parallelism_does_not_show() {
    let sample = || Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/flights.csv");
    let input = std::env::var_os("MILLSTREAM_FLIGHTS_CSV").map_or_else(sample, PathBuf::from);
    let wanted = reference(&input);
    assert!(wanted.departures.len() > 500 && wanted.delayed.len() > 300, "the input is too small to show anything");
    for parallelism in [1, 2, 7] {
        // Not `assert_eq`: it would print all of both.
        let found = run(&input, parallelism);
        let differs = wanted.departures.iter().find(|(key, figures)| found.departures.get(key) != Some(figures));
        assert_eq!(differs, None, "first difference at parallelism {parallelism}");
        assert_eq!(found.departures.len(), wanted.departures.len(), "at parallelism {parallelism}");
        assert!(found.delayed == wanted.delayed, "the delayed flights differ at parallelism {parallelism}");
    }
}
