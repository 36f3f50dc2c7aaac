//! A join in sessions of which the gap is taken from the records of one side.

use std::time::Duration;

use millstream::prelude::*;

#[derive(Record)]
struct Visit {
    user: u64,
    seconds: u64,
}

#[derive(Record)]
struct Order {
    user: u64,
}

#[job]
fn pairs(job: &mut Job) {
    let visits = job.source(records(Vec::<Visit>::new())).key_by(|visit| visit.user);
    let orders = job.source(records(Vec::<Order>::new())).key_by(|order| order.user);
    let pause = |visit: VisitView<'_>| Duration::from_secs(visit.seconds);
    visits
        .join(orders)
        .window(session_with(pause).processing_time())
        .inner(|visit, _| visit.user)
        .map(|user| user + 1)
        .sink(print());
}

fn main() {}
