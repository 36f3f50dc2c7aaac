//! A timer of a function without key.

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

#[process]
impl Inactivity {
    fn on_record(&mut self, login: LoginView<'_>, cx: &mut Context<'_, Alert>) {
        cx.event_timer(Timestamp::from_millis(login.at as i64));
        cx.emit(AlertView { user: login.user });
    }
}

#[job]
fn alerts(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new()));
    logins.process(Inactivity).map(|alert| alert.user.len() as u64).sink(print());
}

fn main() {}
