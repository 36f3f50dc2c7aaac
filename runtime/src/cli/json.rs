//! What `--json` writes. Field names and their meaning are part of the interface: fields may be added, none is renamed or removed.
//!
//! Times are in the unit that the name ends with (`_ms`, `_ns`), sizes in bytes, watermarks in milliseconds since the epoch. What is not known is `null`.

use std::time::Duration;

use clap::Arg;
use serde_json::{Value, json};

use super::{
    sample::{Chain, Checkpoints, Sample},
    summary::Ending,
};
use crate::{
    checkpoint::{CheckpointKind, CheckpointProgress, CheckpointStats, SubtaskReport},
    env::Instant,
    failure::{Failure, Location},
    graph::{Edge, JobGraph, OperatorInfo, StateInfo, VertexId},
    local::JobStatus,
    registry::JobEntry,
    settings::{
        Given, KEYS, Origin, Outside, Setting, Settings,
        cluster::{CLUSTER_KEYS, ClusterGiven, ClusterSettings},
    },
};

/// Of so many subtasks it is told one by one what they reported of a checkpoint.
const SUBTASKS_LIMIT: usize = 1_024;

/// How a job ended: `job`, `ending` (`done`, `drained`, `stopped`, `failed` or `cancelled`), `elapsed_ms`, `records_read`, `bytes_read`, `input_bytes`,
/// `chains`, `counters`, `restarts`, `checkpoints` if there were any, and `failure` if it failed.
///
/// A chain: `name`, `subtasks`, `source`, `records_in`, `records_out`, `bytes_in`, `bytes_out`, `busy_ns`, `idle_ns`, `backpressured_ns`,
/// `watermark_ms`. A counter: `operator`, `name`, `value`; those that are 0 are left out. Checkpoints:
/// `completed` and `failed` (how many), `last` (the number of the last that ended), `last_ms` and `last_bytes`.
pub(super) fn report(job: &str, ending: Ending, sample: &Sample, failed: Option<&Failure>) -> Value {
    let counter =
        |(operator, name, value): &(String, String, u64)| json!({ "operator": operator, "name": name, "value": value });
    json!({
        "job": job,
        "ending": ending.name(),
        "elapsed_ms": millis(sample.elapsed),
        "records_read": sample.records_read(),
        "bytes_read": sample.bytes_read(),
        "input_bytes": sample.input_bytes,
        "chains": sample.chains.iter().map(chain).collect::<Vec<_>>(),
        "counters": sample.counters.iter().map(counter).collect::<Vec<_>>(),
        "restarts": sample.restarts,
        "checkpoints": sample.checkpoints.as_ref().map(checkpoints),
        "failure": failed.filter(|_| ending == Ending::Failed).map(failure),
    })
}

/// The report of a job that could not be built: `job`, `ending` (`not started`), and `mistakes` in place of what it did.
pub(super) fn not_started(job: &str, mistakes: &[String]) -> Value {
    json!({ "job": job, "ending": "not started", "mistakes": mistakes })
}

fn chain(chain: &Chain) -> Value {
    json!({
        "name": chain.name,
        "subtasks": chain.subtasks,
        "source": chain.is_source,
        "records_in": chain.records_in,
        "records_out": chain.records_out,
        "bytes_in": chain.bytes_in,
        "bytes_out": chain.bytes_out,
        "busy_ns": chain.busy_nanos,
        "idle_ns": chain.idle_nanos,
        "backpressured_ns": chain.backpressured_nanos,
        "watermark_ms": chain.watermark.map(|at| at.millis()),
    })
}

fn checkpoints(checkpoints: &Checkpoints) -> Value {
    json!({
        "completed": checkpoints.completed,
        "failed": checkpoints.failed,
        "last": checkpoints.last.number,
        "last_ms": millis(checkpoints.last.took),
        "last_bytes": checkpoints.last.bytes,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How a running job is: `job`, `elapsed_ms`, `records_read`, `bytes_read`, `input_bytes` and `chains` as in its report; `at_ms` (since the epoch); `restored` (the checkpoint that it went
/// on from), `restarts`, `restarting` (true while it waits for one), `last_failure`; `checkpoints`:
/// `completed` and `failed` (how many), `present` and `last` (a list, the oldest first).
///
/// A checkpoint: `checkpoint` (its number), `kind` (`periodic`, `stop` or `final`), `progress` (`running`, `storing`, `committing`, `completed` or `failed`),
/// `failure` (why), `started_ms` (since the epoch), `duration_ms`, `subtasks` and `acknowledged` (how many), `bytes` (what all wrote), `channel_bytes` (what barriers overtook of
/// that), `unaligned` (whether any did), `alignment_ns`, `sync_ns` and
/// `background_ns` (the longest of a subtask). The present one and the last have `by_subtask`, too: what each of the first of them reported, by number.
pub(super) fn status(job: &str, sample: &Sample, status: &JobStatus, now: Instant) -> Value {
    let history = &status.checkpoints;
    let last = history.last.iter().rev().enumerate();
    let mut last: Vec<_> = last.map(|(age, stats)| checkpoint(stats, sample, now, age == 0)).collect();
    last.reverse();
    json!({
        "job": job,
        "elapsed_ms": millis(sample.elapsed),
        "records_read": sample.records_read(),
        "bytes_read": sample.bytes_read(),
        "input_bytes": sample.input_bytes,
        "chains": sample.chains.iter().map(chain).collect::<Vec<_>>(),
        "at_ms": sample.wall.millis(),
        "restored": status.restored,
        "restarts": status.restarts(),
        "restarting": status.is_waiting,
        "last_failure": status.failures.back().map(ToString::to_string),
        "checkpoints": {
            "completed": history.completed,
            "failed": history.failed,
            "present": history.present.as_ref().map(|stats| checkpoint(stats, sample, now, true)),
            "last": last,
        },
    })
}

fn checkpoint(stats: &CheckpointStats, sample: &Sample, now: Instant, in_full: bool) -> Value {
    let (progress, failure) = match &stats.progress {
        CheckpointProgress::Running => ("running", None),
        CheckpointProgress::Storing => ("storing", None),
        CheckpointProgress::Committing => ("committing", None),
        CheckpointProgress::Completed => ("completed", None),
        CheckpointProgress::Failed(reason) => ("failed", Some(reason)),
    };
    let kind = match stats.kind {
        CheckpointKind::Periodic => "periodic",
        CheckpointKind::Savepoint => "savepoint",
        CheckpointKind::Stop => "stop",
        CheckpointKind::Final => "final",
    };
    let longest = stats.longest();
    let ago = i64::try_from(millis(now.since(stats.started))).unwrap_or(i64::MAX);
    let mut value = json!({
        "checkpoint": stats.checkpoint,
        "kind": kind,
        "progress": progress,
        "failure": failure,
        "started_ms": sample.wall.millis().saturating_sub(ago),
        "duration_ms": millis(stats.duration(now)),
        "subtasks": stats.subtasks.len(),
        "acknowledged": stats.acknowledged(),
    });
    put_phases(&mut value, &longest);
    if in_full {
        let reports = stats.subtasks.iter().enumerate().take(SUBTASKS_LIMIT);
        let reports = reports.filter_map(|(subtask, report)| {
            let mut value = json!({ "subtask": subtask });
            put_phases(&mut value, report.as_ref()?);
            Some(value)
        });
        value["by_subtask"] = reports.collect::<Vec<_>>().into();
    }
    value
}

fn put_phases(value: &mut Value, report: &SubtaskReport) {
    value["bytes"] = report.bytes.into();
    value["channel_bytes"] = report.channel_bytes.into();
    value["unaligned"] = report.unaligned.into();
    value["alignment_ns"] = nanos(report.alignment).into();
    value["sync_ns"] = nanos(report.sync).into();
    value["background_ns"] = nanos(report.background).into();
}

/// Why a job failed: `message`, `hint`, `operator`, and `file`, `line` and `column` of the operator.
fn failure(failure: &Failure) -> Value {
    let mut value = json!({ "message": failure.message(), "hint": failure.hint(), "operator": failure.operator() });
    put_location(&mut value, failure.location());
    value
}

fn put_location(value: &mut Value, at: Option<Location>) {
    value["file"] = at.map(|at| at.file).into();
    value["line"] = at.map(|at| at.line).into();
    value["column"] = at.map(|at| at.column).into();
}

/// A plan: `job`, `guarantee`, `settings` (by key, as they may be written), `vertices` and `edges`.
///
/// A vertex: `id`, `name`, `subtasks`, `max_parallelism`, `bounded` (of a source; otherwise `null`), `operators` from the head on. An operator: `name`,
/// `kind`, `detail`, `uid`, `stateful`, `states`, `file`, `line`, `column`. A state: `name`, `kind`, and as types one would write `key` (of the stream; `null` for what each
/// subtask keeps for itself), `entry` (the keys of a map, otherwise `null`) and `value`. An edge: `from` and `to` (ids of vertices), `kind`, `record`, `port`.
pub(super) fn plan(graph: &JobGraph) -> Value {
    let vertices = graph.vertices.iter().enumerate().map(|(id, vertex)| {
        json!({
            "id": id,
            "name": vertex.name(),
            "subtasks": graph.parallelism(VertexId(id)),
            "max_parallelism": graph.max_parallelism(VertexId(id)),
            "bounded": vertex.boundedness().map(|boundedness| boundedness == crate::source::Boundedness::Bounded),
            "operators": vertex.operators.iter().map(operator).collect::<Vec<_>>(),
        })
    });
    let edge = |edge: &Edge| {
        json!({
            "from": edge.from.0,
            "to": edge.to.0,
            "kind": edge.kind.to_string(),
            "record": edge.record,
            "port": edge.port,
        })
    };
    let settings = KEYS.iter().map(|key| (key.name.to_owned(), key.show(&graph.settings).into()));
    json!({
        "job": graph.name,
        "guarantee": graph.guarantee,
        "settings": settings.collect::<serde_json::Map<_, _>>(),
        "vertices": vertices.collect::<Vec<_>>(),
        "edges": graph.edges.iter().map(edge).collect::<Vec<_>>(),
    })
}

fn operator(operator: &OperatorInfo) -> Value {
    let mut value = json!({
        "name": operator.to_string(),
        "kind": operator.kind,
        "detail": operator.detail,
        "uid": operator.uid,
        "stateful": operator.stateful,
        "states": operator.states.iter().map(state).collect::<Vec<_>>(),
    });
    put_location(&mut value, Some(operator.location));
    value
}

fn state(state: &StateInfo) -> Value {
    json!({
        "name": state.name,
        "kind": state.kind.to_string(),
        "key": state.key.map(ToString::to_string),
        "entry": state.entry.map(ToString::to_string),
        "value": state.value.to_string(),
    })
}

/// A list of jobs, each with `name`, `doc`, `file`, `line`, `column` and `arguments`. An argument: `name`, `long` and `short` (`null` for positional
/// ones), `value` (what stands for its value in help; `null` for flags), `required`, `default` (a list) and `help`.
pub(super) fn jobs(jobs: &[&'static JobEntry]) -> Value {
    jobs.iter()
        .map(|job| {
            let own = (job.augment)(clap::Command::new(job.name));
            let arguments: Vec<_> = own.get_arguments().map(argument).collect();
            let mut value = json!({ "name": job.name, "doc": job.doc.trim(), "arguments": arguments });
            put_location(&mut value, Some(job.location));
            value
        })
        .collect()
}

fn argument(argument: &Arg) -> Value {
    let takes_value = argument.get_action().takes_values();
    let value = argument.get_value_names().and_then(|names| names.first()).filter(|_| takes_value);
    let defaults = argument.get_default_values().iter().filter(|_| takes_value);
    json!({
        "name": argument.get_id().as_str(),
        "long": argument.get_long(),
        "short": argument.get_short(),
        "value": value.map(|name| name.as_str()),
        "required": argument.is_required_set(),
        "default": defaults.map(|value| value.to_string_lossy()).collect::<Vec<_>>(),
        "help": argument.get_help().map(ToString::to_string),
    })
}

/// A list of settings, each with `key`, `value` and `default` (as they may be written), `origin` (`default`, `job`, `file`, `environment` or
/// `command line`), `given` (the value as it was given), `variable`, `file` and `line` (of a value that was given there), `kind`
/// (`count`, `duration`, `size`, `path`, `strategy`, `switch`, `host`, `addresses` or `provider`), `allowed`, `live` (true if it may be set while a job runs) and `doc`. Those of
/// a process of a cluster come last, as `cluster.host`.
pub(super) fn config(
    settings: &Settings,
    outside: &Outside,
    before: &Settings,
    cluster: Option<&ClusterGiven>,
) -> Value {
    let of_jobs = KEYS.iter().map(|key| setting(key, settings, outside.get(key.name), before));
    of_jobs.chain(cluster.into_iter().flat_map(of_cluster)).collect()
}

fn setting(key: &Setting, settings: &Settings, given: Option<&Given>, before: &Settings) -> Value {
    let unless_given = if key.show(settings) != key.show(before) { "job" } else { "default" };
    let (origin, file, line) = origin(given, unless_given);
    json!({
        "key": key.name,
        "value": key.show(settings),
        "default": key.show(&Settings::default()),
        "origin": origin,
        "given": given.map(|given| &given.text),
        "variable": key.variable(),
        "file": file,
        "line": line,
        "kind": key.kind(),
        "allowed": key.allowed(),
        "live": key.live,
        "doc": key.doc,
    })
}

fn of_cluster(all: &ClusterGiven) -> impl Iterator<Item = Value> + '_ {
    let settings = all.settings();
    CLUSTER_KEYS.iter().map(move |key| {
        let given = all.get(key.name);
        let (origin, file, line) = origin(given, "default");
        json!({
            "key": format!("cluster.{}", key.name),
            "value": key.show(&settings),
            "default": key.show(&ClusterSettings::default()),
            "origin": origin,
            "given": given.map(|given| &given.text),
            "variable": key.variable(),
            "file": file,
            "line": line,
            "kind": key.kind(),
            "allowed": key.allowed(),
            "live": false,
            "doc": key.doc,
        })
    })
}

/// Where a value comes from, and its file and line if it stands in one.
fn origin<'a>(given: Option<&Given>, unless_given: &'a str) -> (&'a str, Option<String>, Option<usize>) {
    match given.map(|given| &given.origin) {
        Some(Origin::File { path, line }) => ("file", Some(path.display().to_string()), Some(*line)),
        Some(Origin::Variable(_)) => ("environment", None, None),
        Some(Origin::Define | Origin::Flag) => ("command line", None, None),
        None => (unless_given, None, None),
    }
}
