//! What a user reads when input, output or settings are wrong, word by word; and that nothing is left then that looks complete.

use std::{fs, path::Path};

use millstream::{prelude::*, settings::Settings};
use tempfile::TempDir;

use crate::support::{Simulated, parallel};

#[derive(Record, Debug)]
struct Trade {
    symbol: String,
    price: f64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record, Debug)]
struct Volume {
    symbol: String,
    trades: u64,
}

const HEADER: &str = "symbol,price,at\n";
const GOOD: &str = "A,1.5,2024-01-01T00:00:00Z\n";

fn build(job: &mut Job, input: &Path, output: &Path) {
    job.source(CsvFiles::<Trade>::read(input))
        .event_time(out_of_order(1.hours()))
        .key_by(|trade| trade.symbol.to_owned())
        .window(tumbling(1.hours()))
        .aggregate(|of| of.count())
        .map(|(symbol, _, trades)| Volume { symbol: symbol.into(), trades })
        .sink(CsvFiles::write(output));
}

/// What the job says of this input. Nothing may be there that looks complete.
fn message(input: impl AsRef<[u8]>) -> String {
    let mut messages = Vec::new();
    for parallelism in 1..=3 {
        let directory = TempDir::new().expect("a temporary directory");
        let (file, output) = (directory.path().join("trades.csv"), directory.path().join("out"));
        fs::write(&file, input.as_ref()).expect("a file");
        let job = Simulated::start(1, parallel(parallelism), |job| build(job, &file, &output));
        let failure = job.wait().expect_err("the input is wrong");
        assert!(failure.operator().is_some_and(|operator| operator.starts_with("source csv")), "{failure}");
        assert_eq!(failure.location().expect("a source stands somewhere").file, file!());
        nothing_complete(&output);
        messages.push(failure.message().replace(&directory.path().display().to_string(), "DIR"));
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "the message does not depend on the parallelism: {messages:#?}");
    messages.remove(0)
}

/// True if no part and no mark of success can be seen.
fn nothing_complete(output: &Path) {
    let entries = fs::read_dir(output).into_iter().flatten();
    let visible: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| !name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(visible.is_empty(), "{visible:?}");
}

#[test]
fn a_missing_file() {
    let directory = TempDir::new().expect("a temporary directory");
    let (file, output) = (directory.path().join("trades.csv"), directory.path().join("out"));
    let job = Simulated::start(1, parallel(2), |job| build(job, &file, &output));
    let failure = job.wait().expect_err("there is no file");
    assert_eq!(failure.message(), format!("there is no file or directory {}", file.display()));
    assert!(failure.operator().is_some_and(|operator| operator.starts_with("source csv")), "{failure}");
    nothing_complete(&output);
}

#[test]
fn a_bad_number() {
    let rows = GOOD.repeat(3) + "B,cheap,2024-01-01T00:00:00Z\n" + GOOD;
    assert_eq!(
        message(HEADER.to_owned() + &rows),
        "DIR/trades.csv, line 5: column `price`: `cheap` is not a number, as `12`, `-0.5` or `1.5e-7` (field type `f64`)"
    );
}

#[test]
fn a_bad_number_far_into_the_file() {
    let rows = GOOD.repeat(50_000) + "B,,2024-01-01T00:00:00Z\n" + GOOD;
    assert_eq!(
        message(HEADER.to_owned() + &rows),
        "DIR/trades.csv, line 50002: column `price`: `` is not a number, as `12`, `-0.5` or `1.5e-7` (field type `f64`)"
    );
}

#[test]
fn a_missing_column() {
    assert_eq!(
        message("symbol,cost,at\n".to_owned() + GOOD),
        "DIR/trades.csv has no column `price`; its columns are `symbol`, `cost`, `at`. A field is named after its column with `#[record(rename = \"..\")]`, and may be absent with `#[record(default)]`"
    );
}

#[test]
fn an_empty_file() {
    assert_eq!(message(""), "DIR/trades.csv is empty: its first line must name the columns");
}

#[test]
fn invalid_utf8() {
    let mut text = (HEADER.to_owned() + GOOD).into_bytes();
    text.extend(b"\xff\xfe,1.5,2024-01-01T00:00:00Z\n");
    assert_eq!(
        message(text),
        "DIR/trades.csv, line 3: column `symbol`: `\u{fffd}\u{fffd}` is not valid UTF-8 (field type `String`)"
    );
}

#[test]
fn too_few_fields() {
    assert_eq!(
        message(HEADER.to_owned() + GOOD + "A,1.5\n"),
        "DIR/trades.csv, line 3: the row has 2 fields, the header has 3"
    );
}

#[test]
fn an_output_directory_that_cannot_be_written() {
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("trades.csv");
    fs::write(&file, HEADER.to_owned() + GOOD).expect("a file");
    let output = file.join("out");
    let job = Simulated::start(1, parallel(2), |job| build(job, &file, &output));
    let failure = job.wait().expect_err("a directory below a file");
    assert_eq!(
        failure.message(),
        format!(
            "cannot write {}: Not a directory (os error 20); a file is where a directory should be: remove it, or write elsewhere",
            output.display()
        )
    );
    assert!(failure.operator().is_some_and(|operator| operator.starts_with("sink csv")), "{failure}");
}

#[test]
fn a_parallelism_out_of_bounds() {
    let mistakes = |settings: Settings| {
        let mut job = Job::<BestEffort>::new("volume", settings);
        build(&mut job, Path::new("in"), Path::new("out"));
        job.build().map(|_| ()).expect_err("the parallelism is out of bounds").mistakes
    };
    assert_eq!(
        mistakes(parallel(0)),
        ["parallelism 0 is not from 1 to 128: choose one in between, or raise max_parallelism (at most 32768)"]
    );
    assert_eq!(
        mistakes(parallel(129)),
        ["parallelism 129 is not from 1 to 128: choose one in between, or raise max_parallelism (at most 32768)"]
    );
    assert_eq!(mistakes(Settings { max_parallelism: 0, ..parallel(1) }), ["max_parallelism 0 is not from 1 to 32768"]);
    assert_eq!(
        mistakes(Settings { max_parallelism: 40_000, ..parallel(1) }),
        ["max_parallelism 40000 is not from 1 to 32768"]
    );
}

#[test]
fn output_of_an_earlier_run_is_kept() {
    let directory = TempDir::new().expect("a temporary directory");
    let (file, output) = (directory.path().join("trades.csv"), directory.path().join("out"));
    fs::write(&file, HEADER.to_owned() + GOOD).expect("a file");
    let run = || Simulated::start(1, parallel(2), |job| build(job, &file, &output)).wait();
    run().expect("the first run ends well");
    let listed = || {
        let entries = fs::read_dir(&output).expect("there is output").map(|entry| entry.expect("an entry").file_name());
        crate::support::sorted(entries.collect::<Vec<_>>())
    };
    let before = listed();
    assert!(before.iter().any(|name| name == "_SUCCESS"), "{before:?}");
    assert!(run().is_err());
    assert_eq!(listed(), before);
}
