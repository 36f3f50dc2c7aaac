//! Each flight with the weather at its airport in that hour, asked of an HTTP service, many requests at a time.
//!
//! `cargo run --release --example enrich -- run` starts the service itself, on a free port of the loopback interface, reads `examples/data/flights-day.csv`, and writes CSV files below
//! `target/enrich`: the flights with their weather, and those whose weather nobody knows. (`flights_weather` does the same with a table.)

mod client;
mod server;

use std::time::Duration;

use client::{NoWeather, WeatherService};
use millstream::{async_io::AsyncError, clap, failure::Failure, prelude::*};

#[derive(Record, Clone)]
struct Flight {
    time_hour: Timestamp,
    carrier: String,
    flight: u32,
    origin: String,
    dest: String,
}

#[derive(Record)]
struct FlightWeather {
    time_hour: Timestamp,
    carrier: String,
    flight: u32,
    origin: String,
    dest: String,
    temp: Option<f64>,
    wind_speed: Option<f64>,
    visib: Option<f64>,
}

/// A flight whose weather nobody knows.
#[derive(Record)]
struct NotEnriched {
    time_hour: Timestamp,
    carrier: String,
    flight: u32,
    origin: String,
    why: String,
}

/// What the weather was where a flight departed.
#[async_map(attempt_timeout = "5s", retry = "exponential(8, 20ms, 1s)", retry_if = NoWeather::may_pass)]
async fn with_weather(service: &WeatherService, flight: Flight) -> Result<FlightWeather, NoWeather> {
    let weather = service.ask(&flight.origin, flight.time_hour).await?;
    let Flight { time_hour, carrier, flight, origin, dest } = flight;
    let client::Weather { temp, wind_speed, visib } = weather;
    Ok(FlightWeather { time_hour, carrier, flight, origin, dest, temp, wind_speed, visib })
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Order {
    Ordered,
    Unordered,
}

#[derive(Args)]
struct EnrichArgs {
    /// The flights, a CSV file.
    #[arg(long, default_value = "examples/data/flights-day.csv")]
    input: String,
    /// The weather that the service knows, a CSV file.
    #[arg(long, default_value = "examples/data/weather.csv")]
    weather: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/enrich")]
    output: String,
    /// How many flights are asked for, from the first again after the last; without it, each once.
    #[arg(long)]
    records: Option<u64>,
    /// How many requests of each subtask may be in flight.
    #[arg(long, default_value_t = 10)]
    capacity: usize,
    /// In which order flights come out of the operator.
    #[arg(long, value_enum, default_value_t = Order::Ordered)]
    order: Order,
    /// How long the service takes for an answer, in milliseconds.
    #[arg(long, default_value_t = 10)]
    delay_ms: u64,
    /// Which share of the requests the service refuses, from 0 to 1; they are made again.
    #[arg(long, default_value_t = 0.05)]
    failures: f64,
}

/// Flights with the weather at their departure, asked of an HTTP service.
#[job]
fn enrich(job: &mut Job, args: EnrichArgs) -> Result<(), Failure> {
    let service = server::start(&args.weather, Duration::from_millis(args.delay_ms), args.failures)?;
    let open = move |_: &OpenContext<'_>| WeatherService::at(service);

    let flights = CsvFiles::<Flight>::read(&args.input).load()?;
    if flights.is_empty() {
        return Err(Failure::new(format!("there are no flights in {}", args.input)));
    }
    let records = args.records.unwrap_or(flights.len() as u64);
    let flights = generate(records, 0, move |_, index| flights[index as usize % flights.len()].clone());
    let flights = job.source(flights).rebalance();

    let function = with_weather(open).capacity(args.capacity);
    let function = match args.order {
        Order::Ordered => function.ordered(),
        Order::Unordered => function.unordered(),
    };
    let (enriched, others) = flights.then_async(function).divert_errors_with(|flight, error| NotEnriched {
        time_hour: flight.time_hour,
        carrier: flight.carrier.into(),
        flight: flight.flight,
        origin: flight.origin.into(),
        why: match error {
            AsyncError::Failed { error, .. } => error.to_string(),
            error => error.to_string(),
        },
    });
    enriched.sink(CsvFiles::write(format!("{}/enriched", args.output)).overwrite());
    others.sink(CsvFiles::write(format!("{}/others", args.output)).overwrite());
    Ok(())
}

millstream::main!();
