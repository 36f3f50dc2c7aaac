//! Smoke.
#![allow(clippy::disallowed_methods)]
use millstream::prelude::*;
use millstream::{env::TokioEnv, local, settings::Settings};

#[derive(Record)]
struct Flight { origin: String, dep_delay: Option<f64>, carrier: String, #[record(event_time)] time_hour: Timestamp }

#[derive(Record)]
struct Departures { origin: String, hour: Timestamp, flights: u64, delay: Option<f64> }

#[key]
fn origin(flight: FlightView<'_>) -> &str { flight.origin }

fn flights(job: &mut Job, input: &str, output: &str) {
    job.source(CsvFiles::<Flight>::read(input))
        .filter(|flight| flight.dep_delay.is_some())
        .event_time(out_of_order(24.hours()))
        .key_with(origin)
        .window(tumbling(1.hours()))
        .aggregate(|of| (of.count(), of.avg(|flight| flight.dep_delay)))
        .map(|(origin, window, (flights, delay))| Departures { origin: origin.into(), hour: window.start, flights, delay })
        .sink(CsvFiles::write(output));
}
fn main() {
    let p: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let mut job = Job::<BestEffort>::new("flights", Settings { parallelism: p, ..Settings::default() });
        let _ = std::fs::remove_dir_all("/tmp/flights-out");
        flights(&mut job, "/work/shared/data/nycflights13/flights.csv", "/tmp/flights-out");
        let graph = job.build().unwrap();
        println!("{}", millstream::graph::render::tree(&graph));
        let handle = local::start(graph, TokioEnv::current());
        let report = handle.wait().await;
        println!("{report:?}");
        for (id, m) in handle.metrics().snapshot() { println!("{} {} {} = {}", id.operator, id.subtask, id.name, m); }
    });
}
