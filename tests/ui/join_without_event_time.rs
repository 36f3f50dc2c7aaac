//! A join of a stream with event time and one without.

use millstream::prelude::*;

#[derive(Record)]
struct Order {
    id: u64,
    #[record(event_time)]
    at: Timestamp,
}

#[job]
fn orders(job: &mut Job) {
    let left = job.source(records(Vec::<Order>::new())).event_time(monotonous()).key_by(|order| order.id);
    let right = job.source(records(Vec::<Order>::new())).key_by(|order| order.id);
    left.join(right).window(tumbling(1.minutes())).inner(|left, _| left.id).map(|id| id + 1).sink(print());
}

fn main() {}
