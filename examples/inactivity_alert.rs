//! Users who have gone silent: an alert for everyone of whom nothing is heard for a while after a login, with a timer for each user.
//!
//! `cargo run --release --example inactivity_alert -- run` reads `examples/data/activity.csv` and writes CSV files to `target/inactivity_alert`.

use std::time::Duration;

use millstream::prelude::*;

/// Something that a user did.
#[derive(Record)]
struct Activity {
    user: String,
    action: String,
    #[record(event_time)]
    at: Timestamp,
}

#[key]
fn user(activity: ActivityView<'_>) -> &str {
    activity.user
}

/// What is kept of a user while the session lasts.
#[derive(State, Default)]
struct Session {
    began: Option<Timestamp>,
    actions: u64,
    /// How many actions there were at each time that is not so long ago that silence has been waited for.
    recent: MapState<Timestamp, u64>,
}

/// A user has gone silent.
#[derive(Record)]
struct Alert {
    user: String,
    began: Timestamp,
    last: Timestamp,
    actions: u64,
}

/// Ends a session when nothing has happened for so long.
#[derive(Clone)]
struct Inactivity {
    after: Duration,
}

#[process]
impl Inactivity {
    fn on_record(
        &mut self,
        activity: ActivityView<'_>,
        session: &mut StateOf<Session>,
        cx: &mut KeyedContext<'_, String, Alert>,
    ) {
        *session.recent.entry(activity.at, || 0) += 1;
        cx.event_timer(activity.at + self.after);
    }

    /// By now everything up to the timer's time is here, in whatever order it came.
    fn on_timer(&mut self, timer: Timer, session: &mut StateOf<Session>, cx: &mut KeyedContext<'_, String, Alert>) {
        let last = timer.at - self.after;
        let began = *session.began.get_or_insert(last);
        session.actions += session.recent.remove(last).unwrap_or(0);
        if session.recent.range(..=timer.at).next().is_none() {
            cx.emit(AlertView { user: cx.key(), began, last, actions: session.actions });
            session.clear_fields();
        }
    }
}

#[derive(Args)]
struct InactivityArgs {
    /// What users did: a CSV file, a directory or a pattern.
    #[arg(long, default_value = "examples/data/activity.csv")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/inactivity_alert")]
    output: String,
    /// After how many minutes without activity a session is over.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

/// An alert for every user who has gone silent.
#[job]
fn inactivity_alert(job: &mut Job<ExactlyOnce>, args: InactivityArgs) {
    job.source(CsvFiles::<Activity>::read(args.input))
        .event_time(out_of_order(5.seconds()))
        .key_with(user)
        .process(Inactivity { after: args.minutes.minutes() })
        .sink(CsvFiles::write(args.output).overwrite());
}

millstream::main!();
