//! Departures and mean delay by origin and hour from a CSV file, beside a program on one thread with the csv crate. `MILLSTREAM_FLIGHTS_CSV`
//! names the file of all flights of 2013; without it the example's sample is read, which is too small to say much.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use csv::ByteRecord;
use hashbrown::{Equivalent, HashMap};
use millstream::prelude::*;
use millstream_benches::{Machine, Ratio, Tally, print_ratio, tally};

const ROUNDS: usize = 15;
const HOUR_MS: i64 = 3_600_000;

#[derive(Record)]
struct Flight {
    origin: String,
    dep_delay: Option<f64>,
    carrier: String,
    #[record(event_time)]
    time_hour: Timestamp,
}

#[derive(Debug, Record)]
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

/// What identifies a result without regard to the order of sums: microseconds of delay.
fn digest(departures: DeparturesView<'_>) -> u64 {
    let delay = departures.delay.map_or(0.0, |delay| delay * 60e6).round() as i64;
    (departures.origin.len() as u64) ^ departures.hour.millis() as u64 ^ departures.flights ^ delay as u64
}

fn departures(job: &mut Job, input: &Path) -> impl Stream<Out = Departures> + use<> {
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
}

/// The program by hand.
mod hand {
    use super::*;

    #[derive(Hash, PartialEq, Eq)]
    pub(super) struct Key {
        pub(super) origin: String,
        pub(super) hour_ms: i64,
    }

    /// A key that borrows, so that only the first flight of an hour allocates.
    #[derive(Hash)]
    struct KeyRef<'a> {
        origin: &'a str,
        hour_ms: i64,
    }

    impl Equivalent<Key> for KeyRef<'_> {
        fn equivalent(&self, key: &Key) -> bool {
            self.origin == key.origin && self.hour_ms == key.hour_ms
        }
    }

    impl KeyRef<'_> {
        fn to_owned(&self) -> Key {
            Key { origin: self.origin.to_owned(), hour_ms: self.hour_ms }
        }
    }

    #[derive(Default)]
    pub(super) struct Sum {
        pub(super) flights: u64,
        pub(super) delay: f64,
    }

    pub(super) type Sums = HashMap<Key, Sum, foldhash::fast::RandomState>;

    pub(super) fn aggregate(input: &Path) -> Result<Sums, Box<dyn std::error::Error>> {
        let mut reader = csv::Reader::from_path(input)?;
        let headers = reader.byte_headers()?.clone();
        let column = |name: &str| {
            headers.iter().position(|header| header == name.as_bytes()).ok_or_else(|| format!("no column {name}"))
        };
        let (origin, dep_delay, time_hour) = (column("origin")?, column("dep_delay")?, column("time_hour")?);
        let mut sums = Sums::default();
        let mut row = ByteRecord::new();
        while reader.read_byte_record(&mut row)? {
            let delay = &row[dep_delay];
            if delay.is_empty() || delay == b"NA" {
                continue;
            }
            let delay: f64 = std::str::from_utf8(delay)?.parse()?;
            let at = Timestamp::parse(&row[time_hour])?.millis();
            let key = KeyRef { origin: std::str::from_utf8(&row[origin])?, hour_ms: at - at.rem_euclid(HOUR_MS) };
            let sum = match sums.get_mut(&key) {
                Some(sum) => sum,
                None => sums.entry(key.to_owned()).or_default(),
            };
            sum.flights += 1;
            sum.delay += delay;
        }
        Ok(sums)
    }

    pub(super) fn count(sums: &Sums) -> (u64, u64) {
        let digests = sums.iter().map(|(key, sum)| {
            digest(DeparturesView {
                origin: &key.origin,
                hour: Timestamp::from_millis(key.hour_ms),
                flights: sum.flights,
                delay: Some(sum.delay / sum.flights as f64),
            })
        });
        (sums.len() as u64, digests.fold(0, u64::wrapping_add))
    }

    /// Writes the results to a file that survives a crash of the machine, as the job does.
    pub(super) fn write(sums: &Sums, output: &Path) -> io::Result<()> {
        let mut writer = csv::Writer::from_path(output)?;
        writer.write_record(["origin", "hour", "flights", "delay"])?;
        for (key, sum) in sums {
            let mut hour = Vec::new();
            Timestamp::from_millis(key.hour_ms).append_to(&mut hour);
            let delay = (sum.delay / sum.flights as f64).to_string();
            let flights = sum.flights.to_string();
            writer.write_record([key.origin.as_bytes(), &hour, flights.as_bytes(), delay.as_bytes()])?;
        }
        let file: File = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

/// The file that is read, and how many records it has.
fn input() -> io::Result<Option<(PathBuf, usize)>> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/flights.csv");
    let path = std::env::var_os("MILLSTREAM_FLIGHTS_CSV").map_or(sample, PathBuf::from);
    if !path.exists() {
        println!("flights: left out, since there is no {}; name the file by MILLSTREAM_FLIGHTS_CSV", path.display());
        return Ok(None);
    }
    let lines = std::fs::read(&path)?.iter().filter(|byte| **byte == b'\n').count();
    Ok(Some((path, lines.saturating_sub(1))))
}

/// How many rows the part files of a directory have together, without their headers.
fn rows(output: &Path) -> usize {
    let files = std::fs::read_dir(output).expect("the job made its directory");
    let paths = files.map(|file| file.expect("a directory can be listed").path());
    let parts = paths.filter(|path| path.extension().is_some_and(|extension| extension == "csv"));
    parts.map(|part| std::fs::read_to_string(part).expect("a part is text").lines().count() - 1).sum()
}

fn flights(criterion: &mut Criterion) {
    let Some((input, records)) = input().expect("the input can be read") else { return };
    let scratch = tempfile::tempdir().expect("there is room for output");
    let (parts, file) = (scratch.path().join("parts"), scratch.path().join("flights.csv"));
    let machine = Machine::new(2);
    let total = Tally::default();

    let hand_counted = || hand::count(&hand::aggregate(&input).expect("the input is sound"));
    let job_counted = || {
        machine.run(2, |job| departures(job, &input).sink(tally(&total, digest)));
        total.take()
    };
    let hand_csv = || {
        let sums = hand::aggregate(&input).expect("the input is sound");
        hand::write(&sums, &file).expect("the output can be written");
    };
    let job_csv = || machine.run(2, |job| departures(job, &input).sink(CsvFiles::write(&parts).overwrite()));

    print_ratio(Ratio { name: "flights/counted/2", records, rounds: ROUNDS }, hand_counted, job_counted);
    print_ratio(Ratio { name: "flights/csv/2", records, rounds: ROUNDS }, hand_csv, job_csv);
    assert_eq!(rows(&parts) as u64, hand_counted().0, "the parts hold every result once");

    let mut group = criterion.benchmark_group("flights");
    group.throughput(Throughput::Elements(records as u64)).sample_size(10);
    group.bench_function("counted/hand", |bencher| bencher.iter(hand_counted));
    group.bench_function("counted/job/2", |bencher| bencher.iter(job_counted));
    group.bench_function("csv/hand", |bencher| bencher.iter(hand_csv));
    group.bench_function("csv/job/2", |bencher| bencher.iter(job_csv));
    group.finish();
}

criterion_group!(benches, flights);
criterion_main!(benches);
