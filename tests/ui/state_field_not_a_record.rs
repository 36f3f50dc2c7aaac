//! A field of state that is no record.

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

#[derive(State, Default)]
struct Session {
    logins: u64,
    began: Option<std::time::Instant>,
    pages: MapState<String, std::time::Instant>,
}

#[derive(Clone)]
struct Inactivity;

#[process]
impl Inactivity {
    fn on_record(
        &mut self,
        login: LoginView<'_>,
        session: &mut StateOf<Session>,
        cx: &mut KeyedContext<'_, String, Alert>,
    ) {
        session.logins += 1;
        cx.emit(AlertView { user: login.user });
    }
}

#[job]
fn alerts(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new()));
    logins.key_by(|login| login.user.to_owned()).process(Inactivity).map(|alert| alert.user.len() as u64).sink(print());
}

fn main() {}
