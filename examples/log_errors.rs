//! The services with the most errors in each minute of a log: text lines, a regular expression, two windows behind each other.
//!
//! `cargo run --release --example log_errors -- run` reads `examples/data/service.log` and writes CSV files to `target/log_errors`.

use millstream::prelude::*;
use regex::Regex;

/// An error in the log.
#[derive(Record)]
struct Error {
    service: String,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record, Clone)]
struct Errors {
    minute: Timestamp,
    service: String,
    errors: u64,
}

/// Lines that are no errors, such as the stack trace below one, are left out.
#[filter_map]
fn errors<'a>(pattern: &Regex, line: &'a str) -> Option<ErrorView<'a>> {
    let found = pattern.captures(line)?;
    Some(ErrorView { at: found[1].parse().ok()?, service: found.get(2)?.as_str() })
}

#[key]
fn service(error: ErrorView<'_>) -> &str {
    error.service
}

#[derive(Args)]
struct LogErrorsArgs {
    /// The log: a file, a directory or a pattern; `.gz` and `.zst` are unpacked.
    #[arg(long, default_value = "examples/data/service.log")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/log_errors")]
    output: String,
    /// How many services to list per minute.
    #[arg(long, default_value_t = 3)]
    top: usize,
}

/// The services with the most errors, minute by minute.
#[job]
fn log_errors(job: &mut Job, args: LogErrorsArgs) {
    job.source(TextFiles::read(args.input))
        .then(errors(|_| Regex::new(r"^(\S+) ERROR (\S+): ")))
        .event_time(out_of_order(2.seconds()))
        .key_with(service)
        .window(tumbling(1.minutes()))
        .aggregate(|of| of.count())
        .map(|(service, window, errors)| Errors { minute: window.start, service: service.into(), errors })
        .key_by(|errors| errors.minute)
        .window(tumbling(1.minutes()))
        .aggregate(move |of| of.top_k(args.top, |errors| (errors.errors, errors.service.to_owned())))
        .flat_map(|(_, _, top)| Vec::from_view(top))
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
