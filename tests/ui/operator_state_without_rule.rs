//! Operator state that does not say who gets it.

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

#[derive(OperatorState, Default)]
struct Waiting {
    alerts: Vec<Alert>,
}

#[derive(Clone)]
struct Inactivity;

#[process]
impl Inactivity {
    fn on_record(&mut self, login: LoginView<'_>, waiting: &mut Waiting, cx: &mut Context<'_, Alert>) {
        waiting.alerts.push(Alert { user: login.user.to_owned() });
        waiting.alerts.drain(..).for_each(|alert| cx.emit(alert.view()));
    }
}

#[job]
fn alerts(job: &mut Job) {
    let logins = job.source(records(Vec::<Login>::new()));
    logins.process(Inactivity).map(|alert| alert.user.len() as u64).sink(print());
}

fn main() {}
