//! State that is no record.

use millstream::prelude::*;

#[derive(Record)]
struct Login {
    user: String,
    #[record(event_time)]
    at: Timestamp,
}

struct Seen {
    count: u64,
}

#[job]
fn logins(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new()));
    logins
        .key_by(|login| login.user.to_owned())
        .map_with_state(|_, seen: &mut Option<Seen>| seen.get_or_insert(Seen { count: 0 }).count)
        .map(|count| count + 1)
        .sink(print());
}

fn main() {}
