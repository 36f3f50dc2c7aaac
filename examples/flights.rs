//! Departures and their mean delay per New York airport and hour, and the flights that left more than an hour late.
//!
//! `cargo run --release --example flights -- run` reads ten days of `examples/data/flights.csv` and writes CSV files below `target/flights`.

use millstream::prelude::*;

/// A scheduled flight: of the file's 19 columns, those that this job reads.
#[derive(Record)]
struct Flight {
    #[record(event_time)]
    time_hour: Timestamp,
    carrier: String,
    flight: u32,
    origin: String,
    dest: String,
    /// In minutes; absent if the flight was cancelled.
    dep_delay: Option<f64>,
}

/// What an airport did in an hour.
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

#[derive(Args)]
struct FlightsArgs {
    /// The CSV file to read.
    #[arg(long, default_value = "examples/data/flights.csv")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/flights")]
    output: String,
}

/// Departures and mean delay per airport and hour; flights over an hour late.
#[job]
fn flights(job: &mut Job, args: FlightsArgs) {
    let (departed, delayed) = job
        .source(CsvFiles::<Flight>::read(args.input))
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
        .sink(CsvFiles::write(format!("{}/departures", args.output)).overwrite());

    delayed
        .filter(|flight| flight.dep_delay > Some(60.0))
        .sink(CsvFiles::write(format!("{}/delayed", args.output)).overwrite());
}

millstream::main!();
