//! Sorting remembers no keys that could be forgotten.

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
    logins.key_by(|login| login.user.to_owned()).sort_by_time().forget_after(1.hours()).map(|login| login.at).sink(print());
}

fn main() {}
