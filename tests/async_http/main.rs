//! Async functions that ask HTTP servers which are slow, hang up, talk nonsense, or go away for a while, through hyper's client and real sockets on the loopback interface.
#![allow(clippy::disallowed_methods, reason = "the servers stand outside of the jobs, and time and sockets are real")]

mod client;
mod refused;
mod server;
mod survived;

use std::future::Future;

use millstream::{env::TokioEnv, failure::Failure, local, prelude::*, settings::Settings};

/// How many numbers a job asks for.
const NUMBERS: u64 = 200;
/// How many requests it has in flight.
const CAPACITY: usize = 8;

/// Runs a job on real threads to its end.
async fn run(build: impl FnOnce(&mut Job)) -> Result<(), Failure> {
    let mut job = Job::<BestEffort>::new("test", Settings { parallelism: 1, ..Settings::default() });
    build(&mut job);
    let graph = job.build().expect("the job is well formed");
    local::run(graph, TokioEnv::current()).await.map(drop)
}

/// Runs a test, with time, threads and sockets as they are.
fn on_threads<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads").block_on(test)
}

/// What is asked for.
fn numbers(job: &mut Job) -> impl Stream<Out = u64, Time = NoTime> + use<> {
    job.source(records((0..NUMBERS).collect::<Vec<_>>()))
}

/// What a server answers that is asked for a number.
fn tenfold(number: u64) -> u64 {
    number * 10
}
