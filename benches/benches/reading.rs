//! Reading CSV and JSON Lines: a job with one subtask that reads a file and adds up three of its columns, beside the parsing library alone (the csv crate
//! and serde_json, each filling the same fields of a struct that borrows). `MILLSTREAM_FLIGHTS_CSV` names the file of all flights of 2013.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use criterion::{Criterion, criterion_group, criterion_main};
use csv::ByteRecord;
use millstream::prelude::*;
use millstream_benches::{Machine, Ratio, Tally, print_ratio, tally};
use serde::Deserialize;

const ROUNDS: usize = 15;

#[derive(Record)]
struct Flight {
    carrier: String,
    flight: u32,
    origin: String,
    dest: String,
    dep_delay: Option<f64>,
    distance: u32,
}

/// The same fields for the libraries.
#[derive(Deserialize)]
struct Row<'t> {
    carrier: &'t str,
    flight: u32,
    origin: &'t str,
    dest: &'t str,
    #[serde(deserialize_with = "delay")]
    dep_delay: Option<f64>,
    distance: u32,
}

/// A delay as the file has it: a number, `NA`, or in JSON a number or null.
fn delay<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    struct Delay;
    impl serde::de::Visitor<'_> for Delay {
        type Value = Option<f64>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a delay")
        }
        fn visit_unit<E>(self) -> Result<Option<f64>, E> {
            Ok(None)
        }
        fn visit_f64<E>(self, number: f64) -> Result<Option<f64>, E> {
            Ok(Some(number))
        }
        fn visit_i64<E>(self, number: i64) -> Result<Option<f64>, E> {
            Ok(Some(number as f64))
        }
        fn visit_u64<E>(self, number: u64) -> Result<Option<f64>, E> {
            Ok(Some(number as f64))
        }
        fn visit_str<E>(self, _: &str) -> Result<Option<f64>, E> {
            Ok(None)
        }
    }
    from.deserialize_any(Delay)
}

/// What identifies what was read.
fn digest(flight: FlightView<'_>) -> u64 {
    let texts = flight.carrier.len() + flight.origin.len() + flight.dest.len();
    let delay = flight.dep_delay.unwrap_or_default() as i64 as u64;
    (texts as u64).wrapping_add(u64::from(flight.flight)).wrapping_add(u64::from(flight.distance)).wrapping_add(delay)
}

fn digest_row(row: &Row<'_>) -> u64 {
    let Row { carrier, flight, origin, dest, dep_delay, distance } = *row;
    digest(FlightView { carrier, flight, origin, dest, dep_delay, distance })
}

fn csv_alone(path: &Path) -> (u64, u64) {
    let mut reader = csv::Reader::from_path(path).expect("the file is there");
    let headers = reader.byte_headers().expect("the file has a header").clone();
    let (mut row, mut total) = (ByteRecord::new(), (0, 0_u64));
    while reader.read_byte_record(&mut row).expect("the file is CSV") {
        let row: Row<'_> = row.deserialize(Some(&headers)).expect("the columns have their types");
        total = (total.0 + 1, total.1.wrapping_add(digest_row(&row)));
    }
    total
}

fn json_alone(path: &Path) -> (u64, u64) {
    let mut reader = BufReader::with_capacity(256 << 10, File::open(path).expect("the file is there"));
    let (mut line, mut total) = (Vec::new(), (0, 0_u64));
    while reader.read_until(b'\n', &mut line).expect("the file can be read") > 0 {
        let row: Row<'_> = serde_json::from_slice(&line).expect("the line is JSON");
        total = (total.0 + 1, total.1.wrapping_add(digest_row(&row)));
        line.clear();
    }
    total
}

/// Writes the flights as JSON Lines, all columns of them, and counts them.
fn to_json(csv: &Path, json: &Path) -> io::Result<usize> {
    let mut reader = csv::Reader::from_path(csv)?;
    let headers = reader.headers()?.clone();
    let mut out = BufWriter::new(File::create(json)?);
    let mut records = 0;
    for row in reader.records() {
        let row = row?;
        let fields = headers.iter().zip(&row).map(|(name, text)| {
            let value = match text {
                "NA" | "" => "null".to_owned(),
                text if text.parse::<f64>().is_ok() => text.to_owned(),
                text => format!("{text:?}"),
            };
            format!("\"{name}\":{value}")
        });
        writeln!(out, "{{{}}}", fields.collect::<Vec<_>>().join(","))?;
        records += 1;
    }
    out.flush()?;
    Ok(records)
}

fn reading(_: &mut Criterion) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/flights.csv");
    let csv = std::env::var_os("MILLSTREAM_FLIGHTS_CSV").map_or(sample, PathBuf::from);
    let scratch = tempfile::tempdir().expect("there is room for a file");
    let json = scratch.path().join("flights.jsonl");
    let records = to_json(&csv, &json).expect("the flights are CSV");
    let (machine, total) = (Machine::new(1), Tally::default());
    let csv_job = || {
        machine.run(1, |job| job.source(CsvFiles::<Flight>::read(&csv)).sink(tally(&total, digest)));
        total.take()
    };
    let json_job = || {
        machine.run(1, |job| job.source(JsonLines::<Flight>::read(&json)).sink(tally(&total, digest)));
        total.take()
    };
    print_ratio(Ratio { name: "reading/csv/1", records, rounds: ROUNDS }, || csv_alone(&csv), csv_job);
    print_ratio(Ratio { name: "reading/json/1", records, rounds: ROUNDS }, || json_alone(&json), json_job);
}

criterion_group!(benches, reading);
criterion_main!(benches);
