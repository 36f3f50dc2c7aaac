//! A stream is sorted by times that it does not have.

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
    logins.key_by(|login| login.user.to_owned()).sort_by_time().map(|login| login.at).sink(print());
}

fn main() {}
