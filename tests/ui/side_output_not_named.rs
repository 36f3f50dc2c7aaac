//! A side output that the context does not name.

use millstream::prelude::*;

#[derive(Record)]
struct Login {
    user: String,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record)]
struct Alert {
    user: String,
}

struct Alerts;

impl SideOutput for Alerts {
    type Record = Alert;
}

struct TooLate;

impl SideOutput for TooLate {
    type Record = Login;
}

#[derive(Clone)]
struct Inactivity;

#[process]
impl Inactivity {
    fn on_record(&mut self, login: LoginView<'_>, cx: &mut KeyedContext<'_, String, Login, Alerts>) {
        cx.emit_to(TooLate, login);
    }
}

#[job]
fn logins(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new()));
    let (logins, alerts) = logins.key_by(|login| login.user.to_owned()).process(Inactivity).side_output(Alerts);
    logins.map(|login| login.user.len() as u64).sink(print());
    alerts.map(|alert| alert.user.len() as u64).sink(print());
}

fn main() {}
