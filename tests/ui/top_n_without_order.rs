//! Records are ranked by what has no order.

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
    logins.key_by(|login| login.user.to_owned()).top_n(3, |login| Login::from_view(login)).map(|(_, rank, _)| rank).sink(print());
}

fn main() {}
