//! What a cluster answers, for people.

use std::time::Duration;

use super::super::{
    format::{bytes, count, restarts, span},
    table::{Align, GAP, aligned},
};
use crate::rest::views::{
    Checkpoint, CheckpointState, Checkpoints, ClusterOverview, Exception, Exceptions, JobDetail, JobState, JobSummary,
    Jobs, SubtaskMetrics, SubtaskState, TaskManagerInfo, TaskManagers, Vertex,
};

/// So many failures are shown.
const EXCEPTIONS_SHOWN: usize = 3;

/// The cluster, and its TaskManagers, one a line.
pub(super) fn cluster(overview: &ClusterOverview, taskmanagers: &TaskManagers) -> String {
    let mut out = format!(
        "Millstream {}, led for {} (epoch {})\n{} of {} slots are free\n",
        overview.version,
        span(Duration::from_millis(overview.uptime_ms)),
        overview.leader_epoch,
        overview.slots_free,
        overview.slots_total,
    );
    for (state, jobs) in &overview.jobs {
        out.push_str(&format!("{jobs} {} {state}\n", if *jobs == 1 { "job is" } else { "jobs are" }));
    }
    if taskmanagers.taskmanagers.is_empty() {
        out.push_str("there are no TaskManagers\n");
        return out;
    }
    let header = ["TaskManager", "data at", "free slots", "heard of"].map(str::to_owned);
    let row = |of: &TaskManagerInfo| {
        let heard = format!("{} ago", span(Duration::from_millis(of.heartbeat_age_ms)));
        [of.id.clone(), of.address.clone(), format!("{} of {}", of.slots_free, of.slots), heard]
    };
    let rows: Vec<_> = std::iter::once(header).chain(taskmanagers.taskmanagers.iter().map(row)).collect();
    let lines = aligned([Align::Left, Align::Left, Align::Right, Align::Right], &rows);
    lines.iter().for_each(|line| out.push_str(&format!("{line}\n")));
    out
}

/// One job a line, below a header; the state last, where a colour does no harm.
pub(super) fn jobs(jobs: &Jobs, colours: bool) -> String {
    if jobs.jobs.is_empty() {
        return "there are no jobs\n".to_owned();
    }
    let header = ["id", "name", "for", "restarts", "running"].map(str::to_owned);
    let row = |job: &JobSummary| {
        let running = format!("{} of {}", job.subtasks_running, job.subtasks);
        let took = span(Duration::from_millis(job.duration_ms));
        [job.id.clone(), job.name.clone(), took, count(job.restarts), running]
    };
    let rows: Vec<_> = std::iter::once(header).chain(jobs.jobs.iter().map(row)).collect();
    let lines = aligned([Align::Left, Align::Left, Align::Right, Align::Right, Align::Right], &rows);
    let states = std::iter::once("state".to_owned()).chain(jobs.jobs.iter().map(|job| state(job.state, colours)));
    lines.into_iter().zip(states).map(|(line, state)| format!("{line}{GAP}{state}\n")).collect()
}

/// A state, green if all is well and red if nothing is.
fn state(state: JobState, colours: bool) -> String {
    let colour = match state {
        _ if !colours => return state.to_string(),
        JobState::Running | JobState::Finished => 32,
        JobState::Failing | JobState::Failed => 31,
        JobState::Cancelling | JobState::Cancelled | JobState::Suspended => 90,
        _ => 33,
    };
    format!("\x1b[{colour}m{state}\x1b[0m")
}

/// A job with its vertices, checkpoints and last failures.
pub(super) fn info(job: &JobDetail, exceptions: &Exceptions, checkpoints: &Checkpoints, colours: bool) -> String {
    let summary = &job.summary;
    let mut out = format!(
        "job `{}` is {}, for {}, {}\n",
        summary.name,
        state(summary.state, colours),
        span(Duration::from_millis(summary.duration_ms)),
        restarts(summary.restarts).unwrap_or_else(|| "no restarts".to_owned()),
    );
    out.push_str(&format!("id: {}\n", summary.id));
    if let Some(status) = &job.status {
        out.push_str(&format!("{status}\n"));
    }
    if let Some(restored) = job.restored_checkpoint {
        out.push_str(&format!("restored from checkpoint {restored}\n"));
    }
    out.push('\n');
    vertices(&job.vertices, &mut out);
    out.push('\n');
    of_checkpoints(checkpoints, &mut out);
    out.push_str(&format!("failures: {}\n", count(exceptions.count)));
    for exception in exceptions.exceptions.iter().take(EXCEPTIONS_SHOWN) {
        let text = failure(exception).replace('\n', "\n  ");
        out.push_str(&format!("- {text}\n"));
    }
    out
}

const HEADER: [&str; 8] =
    ["vertex", "running", "records in", "records out", "bytes in", "bytes out", "busy", "back-pressured"];

fn vertices(vertices: &[Vertex], out: &mut String) {
    let rows = std::iter::once(HEADER.map(str::to_owned)).chain(vertices.iter().map(vertex));
    let columns = std::array::from_fn(|i| if i == 0 { Align::Left } else { Align::Right });
    aligned(columns, &rows.collect::<Vec<_>>()).iter().for_each(|line| out.push_str(&format!("{line}\n")));
}

fn vertex(vertex: &Vertex) -> [String; HEADER.len()] {
    let known = || vertex.subtasks.iter().filter_map(|subtask| subtask.metrics.as_ref());
    let sum = |of: fn(&SubtaskMetrics) -> u64| {
        known().map(of).reduce(u64::saturating_add).map_or_else(|| "-".to_owned(), count)
    };
    let size = |of: fn(&SubtaskMetrics) -> u64| {
        known().map(of).reduce(u64::saturating_add).map_or_else(|| "-".to_owned(), |n| bytes(n as f64))
    };
    // The busiest subtask says more of a chain than the mean does.
    let share = |of: fn(&SubtaskMetrics) -> Option<f64>| {
        known().filter_map(of).reduce(f64::max).map_or_else(|| "-".to_owned(), |share| format!("{:.0}%", share * 100.0))
    };
    let running = vertex.subtasks.iter().filter(|subtask| subtask.state == SubtaskState::Running).count();
    [
        vertex.name.clone(),
        format!("{running} of {}", vertex.parallelism),
        sum(|metrics| metrics.records_in),
        sum(|metrics| metrics.records_out),
        size(|metrics| metrics.bytes_in),
        size(|metrics| metrics.bytes_out),
        share(|metrics| metrics.busy),
        share(|metrics| metrics.backpressured),
    ]
}

fn of_checkpoints(checkpoints: &Checkpoints, out: &mut String) {
    let Checkpoints { completed, failed, .. } = checkpoints;
    out.push_str(&format!("checkpoints: {} completed, {} failed", count(*completed), count(*failed)));
    if let Some(last) = &checkpoints.latest_completed {
        let took = span(Duration::from_millis(last.duration_ms));
        out.push_str(&format!("; the last is {} ({took}, {})", last.id, bytes(last.bytes as f64)));
    }
    out.push('\n');
    let present =
        |checkpoint: &&Checkpoint| !matches!(checkpoint.state, CheckpointState::Completed | CheckpointState::Failed);
    if let Some(Checkpoint { id, acknowledged, subtasks, .. }) = checkpoints.history.iter().find(present) {
        out.push_str(&format!(
            "checkpoint {id} is being made: acknowledged by {acknowledged} of {subtasks} subtasks\n"
        ));
    }
    if let Some(Checkpoint { id, failure: Some(why), .. }) = &checkpoints.latest_failed {
        out.push_str(&format!("checkpoint {id} failed: {why}\n"));
    }
}

/// Why something failed: where, what, and how to repair it.
pub(super) fn failure(exception: &Exception) -> String {
    let place = match (&exception.operator, &exception.vertex, exception.subtask) {
        (Some(operator), _, Some(subtask)) => format!("operator `{operator}`, subtask {subtask}: "),
        (Some(operator), _, None) => format!("operator `{operator}`: "),
        (None, Some(vertex), Some(subtask)) => format!("`{vertex}`, subtask {subtask}: "),
        (None, Some(vertex), None) => format!("`{vertex}`: "),
        (None, None, _) => String::new(),
    };
    let hint = exception.hint.as_ref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    format!("{place}{}{hint}", exception.message)
}

/// Where a job has come to: one line, whenever that changes.
pub(super) fn state_line(job: &JobDetail) -> String {
    let JobSummary { name, id, state, .. } = &job.summary;
    let status = job.status.as_ref().map_or_else(String::new, |status| format!(": {status}"));
    match state {
        JobState::Finished | JobState::Failed | JobState::Cancelled => {
            let took = span(Duration::from_millis(job.summary.duration_ms));
            let has = if *state == JobState::Cancelled { "was" } else { "has" };
            format!("job `{name}` ({id}) {has} {state} after {took}\n")
        }
        _ => format!("job `{name}` ({id}) is {state}{status}\n"),
    }
}

/// Where a running job is, on one line without its end.
pub(super) fn progress(job: &JobDetail) -> String {
    let summary = &job.summary;
    let sources = job.vertices.iter().filter(|vertex| vertex.source).flat_map(|vertex| &vertex.subtasks);
    let read = sources.filter_map(|subtask| Some(subtask.metrics.as_ref()?.records_in)).reduce(u64::saturating_add);
    let mut parts = vec![
        format!("{} {}", summary.name, summary.state),
        span(Duration::from_millis(summary.duration_ms)),
        format!("{} of {} subtasks", summary.subtasks_running, summary.subtasks),
    ];
    parts.extend(read.map(|read| format!("{} records read", count(read))));
    parts.extend(restarts(summary.restarts));
    parts.join(GAP)
}
