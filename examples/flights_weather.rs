//! Each flight with the weather at its airport in that hour, from a table that is loaded when the operator opens.
//!
//! `cargo run --release --example flights_weather -- run` reads `examples/data/flights-day.csv` and `weather.csv` and writes CSV files to
//! `target/flights_weather`.

use std::collections::HashMap;

use millstream::{failure::Failure, prelude::*};

#[derive(Record)]
struct Flight {
    time_hour: Timestamp,
    carrier: String,
    flight: u32,
    origin: String,
    dest: String,
    dep_delay: Option<f64>,
}

/// A row of the weather table.
#[derive(Record)]
struct Weather {
    origin: String,
    time_hour: Timestamp,
    /// In degrees Fahrenheit.
    temp: Option<f64>,
    /// In miles per hour.
    wind_speed: Option<f64>,
    /// In miles.
    visib: Option<f64>,
}

#[derive(Record)]
struct FlightWeather {
    time_hour: Timestamp,
    carrier: String,
    flight: u32,
    origin: String,
    dest: String,
    dep_delay: Option<f64>,
    temp: Option<f64>,
    wind_speed: Option<f64>,
    visib: Option<f64>,
}

/// The weather by hour and airport.
struct WeatherTable(HashMap<Timestamp, HashMap<String, Weather>>);

impl WeatherTable {
    fn load(path: &str) -> Result<Self, Failure> {
        let mut table = HashMap::<_, HashMap<_, _>>::new();
        for weather in CsvFiles::<Weather>::read(path).load()? {
            table.entry(weather.time_hour).or_default().insert(weather.origin.clone(), weather);
        }
        Ok(Self(table))
    }
}

#[map]
fn with_weather<'a>(table: &WeatherTable, flight: FlightView<'a>) -> FlightWeatherView<'a> {
    let weather = table.0.get(&flight.time_hour).and_then(|airports| airports.get(flight.origin));
    let FlightView { time_hour, carrier, flight, origin, dest, dep_delay } = flight;
    FlightWeatherView {
        time_hour,
        carrier,
        flight,
        origin,
        dest,
        dep_delay,
        temp: weather.and_then(|weather| weather.temp),
        wind_speed: weather.and_then(|weather| weather.wind_speed),
        visib: weather.and_then(|weather| weather.visib),
    }
}

#[derive(Args)]
struct FlightsWeatherArgs {
    /// The flights, a CSV file.
    #[arg(long, default_value = "examples/data/flights-day.csv")]
    input: String,
    /// The weather, a CSV file.
    #[arg(long, default_value = "examples/data/weather.csv")]
    weather: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/flights_weather")]
    output: String,
}

/// Flights with the weather at their departure.
#[job]
fn flights_weather(job: &mut Job, args: FlightsWeatherArgs) {
    job.source(CsvFiles::<Flight>::read(args.input))
        .then(with_weather(move |_| WeatherTable::load(&args.weather)))
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
