//! A stream is sorted without a key.

use millstream::prelude::*;

#[derive(Record)]
struct Login {
    user: String,
    #[record(event_time)]
    at: Timestamp,
}

#[job]
fn logins(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new())).event_time(monotonous());
    logins.sort_by_time().map(|login| login.at).sink(print());
}

fn main() {}
