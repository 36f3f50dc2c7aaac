//! State without a key.

use millstream::prelude::*;

#[derive(Record)]
struct Login {
    user: String,
    #[record(event_time)]
    at: Timestamp,
}

#[job]
fn logins(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new()));
    logins
        .map_with_state(|_, count: &mut Option<u64>| {
            *count = Some(count.unwrap_or(0) + 1);
            *count
        })
        .map(|count| count.unwrap_or(0))
        .sink(print());
}

fn main() {}
