//! Follows a job of a cluster to its end: its states as lines, and where it is below them on a terminal.

use std::time::Duration;

use futures::{
    Stream, StreamExt,
    future::{Either, select},
};

use super::{
    super::{Console, EXIT_DONE, EXIT_FAILED, screen::terminal_size, table::shortened},
    shown,
    verbs::put_line,
};
use crate::{
    env::{Env, Instant},
    rest::{
        client::Client,
        views::{JobDetail, JobState},
    },
};

/// How often it is looked where the job is.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A cluster that does not answer for so long is not waited for. It is longer than it takes until another leads.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows where a job is until it has ended, and gives the exit code of its end. An interrupt ends this, and not the job.
///
/// # Errors
///
/// The cluster does not answer any more, or does not know the job.
pub(super) async fn follow(
    id: &str,
    client: &Client,
    env: &dyn Env,
    mut interrupts: impl Stream<Item = ()> + Unpin,
    json: bool,
    console: &mut Console<'_>,
) -> Result<u8, String> {
    let mut shown = Shown { live: console.world.is_live() && !json, ..Shown::default() };
    let mut answered = env.now();
    loop {
        let look = Box::pin(async {
            let looked = client.job(id).await;
            if looked.as_ref().is_ok_and(|job| job.summary.state.has_ended()) {
                return looked;
            }
            env.sleep(LOOK_INTERVAL).await;
            looked
        });
        let looked = match select(look, interrupts.next()).await {
            Either::Left((looked, _)) => looked,
            Either::Right(_) => {
                console.err.clear();
                console.note(&format!(
                    "interrupted: the job goes on; `cancel {id}` ends it, `stop {id}` stops it with a checkpoint, `info {id}` shows it\n"
                ));
                return Ok(EXIT_FAILED);
            }
        };
        match looked {
            Ok(job) => {
                answered = env.now();
                shown.show(&job, console);
                if job.summary.state.has_ended() {
                    console.err.clear();
                    return Ok(conclude(&job, json, console));
                }
            }
            Err(error) if error.may_pass() && env.now().since(answered) < PATIENCE => {
                shown.unanswered(&error.to_string(), answered, console);
            }
            Err(error) => {
                console.err.clear();
                return Err(format!("job {id} cannot be followed any more: {error}"));
            }
        }
    }
}

/// What was shown last: only what is new is told.
#[derive(Default)]
struct Shown {
    live: bool,
    state: Option<JobState>,
    status: Option<String>,
    restarts: u64,
    /// Since when the cluster does not answer, if that was told.
    silent: Option<Instant>,
}

impl Shown {
    fn show(&mut self, job: &JobDetail, console: &Console<'_>) {
        let summary = &job.summary;
        if self.silent.take().is_some() {
            console.note("the cluster answers again\n");
        }
        let is_new = self.state != Some(summary.state) || self.status != job.status;
        // A restart may be over before anybody has looked.
        if summary.restarts > self.restarts || (is_new && summary.state == JobState::Restarting) {
            // Why it has failed for good is said at its end.
            if let Some(failure) = &job.failure
                && !matches!(summary.state, JobState::Failing | JobState::Failed)
            {
                console.note(&format!("{}\n", shown::failure(failure)));
            }
            self.restarts = summary.restarts;
        }
        if is_new {
            console.note(&shown::state_line(job));
            (self.state, self.status) = (Some(summary.state), job.status.clone());
        }
        if self.live && !summary.state.has_ended() {
            let (width, _) = terminal_size();
            console.err.draw(&[shortened(&shown::progress(job), width.saturating_sub(1))]);
        }
    }

    fn unanswered(&mut self, why: &str, since: Instant, console: &Console<'_>) {
        if self.silent.is_none() {
            console.note(&format!("{why}\nasking again for {} s at most\n", PATIENCE.as_secs()));
            self.silent = Some(since);
        }
    }
}

/// Says how the job ended.
fn conclude(job: &JobDetail, json: bool, console: &mut Console<'_>) -> u8 {
    let name = &job.summary.name;
    let code = match job.summary.state {
        JobState::Failed => {
            let why = job.failure.as_ref().map_or_else(|| "why is not known".to_owned(), shown::failure);
            console.error(&format!("job `{name}` failed: {why}"));
            EXIT_FAILED
        }
        JobState::Cancelled => {
            console.error(&format!("job `{name}` was cancelled: nothing more is committed"));
            EXIT_FAILED
        }
        _ => EXIT_DONE,
    };
    if json {
        put_line(job, "", true, console);
    }
    code
}
