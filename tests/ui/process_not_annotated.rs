//! A type with functions, but not the attribute.

use millstream::prelude::*;

#[derive(Record)]
struct Login {
    user: String,
    at: u64,
}

#[derive(Record)]
struct Alert {
    user: String,
}

#[derive(Clone)]
struct Inactivity;

impl Inactivity {
    fn on_record(&mut self, login: LoginView<'_>) -> Alert {
        Alert { user: login.user.to_owned() }
    }
}

#[job]
fn alerts(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new()));
    logins.key_by(|login| login.user.to_owned()).process(Inactivity).map(|alert| alert.user.len() as u64).sink(print());
}

fn main() {}
