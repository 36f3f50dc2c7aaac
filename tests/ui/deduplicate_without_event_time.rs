//! The latest of records that have no time.

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
    logins.key_by(|login| login.user.to_owned()).deduplicate_last().map(|Rolling(login)| login.at).sink(print());
}

fn main() {}
