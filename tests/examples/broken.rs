//! Examples on broken input: one message that names the place and the repair, a code that is not zero, and nothing that looks complete.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, chown},
    path::PathBuf,
    process::Command,
};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use crate::program::{ROOT, binary, holds_nothing_complete, run, start};

/// Room for a broken input and for what must not become of it.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for a file"))
    }

    /// A file with this content.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("there is room for a file");
        path.display().to_string()
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    /// Runs an example that reads `input` and writes to [`Scratch::out`]; it has to fail.
    #[track_caller]
    fn fails(&self, name: &str, input: &str, words: &[&str]) {
        let out = self.out();
        run(name, &["--input", input, "--output", &out.display().to_string()]).failed_saying(words);
        holds_nothing_complete(&out);
    }
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(format!("{ROOT}/examples/data/{name}")).expect("the sample data are there")
}

/// The sample with one of its lines changed; lines are numbered from 1.
fn with_line(name: &str, number: usize, change: impl Fn(&str) -> String) -> String {
    let text = String::from_utf8(sample(name)).expect("the sample is UTF-8");
    let lines = text.lines().enumerate();
    let lines = lines.map(|(i, line)| if i + 1 == number { change(line) } else { line.to_owned() });
    lines.map(|line| line + "\n").collect()
}

#[test]
fn a_bad_number() {
    let scratch = Scratch::new();
    let text = with_line("flights.csv", 4321, |line| {
        let mut fields: Vec<_> = line.split(',').collect();
        fields[5] = "late";
        fields.join(",")
    });
    let input = scratch.file("flights.csv", text);
    let place = ["examples/flights.rs:", "flights.csv, line 4321", "column `dep_delay`", "`late`"];
    scratch.fails("flights", &input, &[&["job `flights` failed", "source csv("][..], &place].concat());
}

#[test]
fn a_missing_column() {
    let scratch = Scratch::new();
    let input = scratch.file("trades.csv", with_line("trades.csv", 1, |header| header.replace("price", "cost")));
    let words = ["trades.csv has no column `price`", "`cost`", "#[record(rename = \"..\")]"];
    scratch.fails("stock_trades", &input, &words);
}

#[test]
fn a_truncated_archive() {
    let scratch = Scratch::new();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&sample("service.log")).expect("memory can be written to");
    let packed = packed.finish().expect("memory can be written to");
    let input = scratch.file("service.log.gz", &packed[..packed.len() / 2]);
    scratch.fails("log_errors", &input, &["job `log_errors` failed", "source text(", "service.log.gz", "ends"]);
}

#[test]
fn a_wrong_encoding() {
    let scratch = Scratch::new();
    let mut text = sample("river.txt");
    let line = 1 + text.iter().take(100).filter(|byte| **byte == b'\n').count();
    text.insert(100, 0xe9); // `é` as Latin-1 has it
    let input = scratch.file("river.txt", text);
    let place = format!("river.txt, line {line}");
    scratch.fails("word_count", &input, &["job `word_count` failed", "source text(", &place, "UTF-8"]);
}

#[test]
fn a_missing_permission() {
    let scratch = Scratch::new();
    let weather = scratch.file("weather.csv", sample("weather.csv"));
    let input = scratch.file("flights.csv", sample("flights-day.csv"));
    fs::set_permissions(&weather, fs::Permissions::from_mode(0o000)).expect("permissions can be taken away");
    let (directory, out) = (scratch.0.path(), scratch.out());
    // Permissions mean nothing to root: what root starts is started as nobody.
    let program = directory.join("flights_weather");
    fs::copy(binary("flights_weather"), &program).expect("there is room for a copy");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).expect("the directory is ours");
    let mut command = if chown(&weather, Some(0), None).is_ok() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(["run", "--quiet", "--input", &input, "--weather", &weather, "--output"]).arg(&out);
    let place = "operator `map with_weather` (examples/flights_weather.rs:";
    let words = ["job `flights_weather` failed", place, "weather.csv", "ermission denied"];
    start(&mut command).failed_saying(&words);
    holds_nothing_complete(&out);
}

#[test]
fn a_full_disk() {
    let scratch = Scratch::new();
    let out = scratch.out();
    // No file may grow beyond a few blocks. The signal that says so is ignored, and the write fails as it does on a full disk.
    let run = format!("exec {} run --quiet --output {}", binary("flights").display(), out.display());
    let limited = format!("trap '' XFSZ; ulimit -f 2; {run}");
    let words = ["job `flights` failed", "sink csv(", "examples/flights.rs:", "cannot write"];
    start(Command::new("sh").args(["-c", &limited])).failed_saying(&words);
    holds_nothing_complete(&out);
}
