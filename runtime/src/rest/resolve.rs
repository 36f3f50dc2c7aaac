//! Which job is meant: by its id, the beginning of that, or its name.

use super::{
    dispatcher::{Dispatcher, Refusal, Refused},
    views::JobSummary,
};
use crate::control::JobId;

/// So many digits in a whole id.
const ID_DIGITS: usize = 32;
/// So many digits at least are the beginning of an id.
const PREFIX_DIGITS_MIN: usize = 4;
/// So many jobs are named where several may be meant.
const CANDIDATES_LIMIT: usize = 10;

/// The job that a text stands for: a whole id, the beginning of only one, or the name of the only job of that name that has not ended.
///
/// # Errors
///
/// There is none, or there are several, which are named.
pub(super) async fn resolve(dispatcher: &dyn Dispatcher, text: &str) -> Result<JobId, Refused> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && text.len() == ID_DIGITS {
        return whole(text); // whoever is asked next knows whether it is there
    }
    let jobs = dispatcher.jobs().await?.jobs;
    let prefix = text.to_ascii_lowercase();
    let begins = |job: &&JobSummary| is_hex && prefix.len() >= PREFIX_DIGITS_MIN && job.id.starts_with(&prefix);
    let meant: Vec<_> = jobs.iter().filter(|job| begins(job) || (job.name == text && !job.state.has_ended())).collect();
    match meant[..] {
        [job] => whole(&job.id),
        [] => {
            let ended = jobs.iter().rev().find(|job| job.name == text);
            Err(match ended {
                Some(job) => {
                    Refused::no_job(text).with_hint(format!("the last of that name has ended: its id is {}", job.id))
                }
                None => Refused::no_job(text),
            })
        }
        _ => {
            let message = format!("`{text}` may be one of {} jobs: give more of its id", meant.len());
            let shown = |job: &&JobSummary| format!("{} {} ({})", job.id, job.name, job.state);
            let candidates = meant.iter().take(CANDIDATES_LIMIT).map(shown).collect();
            Err(Refused { candidates, ..Refused::new(Refusal::Conflict, message) })
        }
    }
}

/// A job by its whole id.
fn whole(id: &str) -> Result<JobId, Refused> {
    u128::from_str_radix(id, 16).map(JobId).map_err(|_| Refused::no_job(id))
}
