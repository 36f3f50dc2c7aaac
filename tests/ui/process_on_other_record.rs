//! A function on another record type.

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

#[derive(Record)]
struct Logout {
    user: String,
}

#[derive(Clone)]
struct Inactivity;

#[process]
impl Inactivity {
    fn on_record(&mut self, login: LoginView<'_>, cx: &mut KeyedContext<'_, String, Alert>) {
        cx.emit(AlertView { user: login.user });
    }
}

#[job]
fn alerts(job: &mut Job) {
    let logouts = job.source(records(Vec::<Logout>::new()));
    logouts
        .key_by(|logout| logout.user.to_owned())
        .process(Inactivity)
        .map(|alert| alert.user.len() as u64)
        .sink(print());
}

fn main() {}
