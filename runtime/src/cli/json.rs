//! What `--json` writes. Field names and their meaning are part of the interface: fields may be added, none is renamed or removed.
//!
//! Times are in the unit that the name ends with (`_ms`, `_ns`), sizes in bytes, watermarks in milliseconds since the epoch. What is not known is `null`.

use clap::Arg;
use serde_json::{Value, json};

use super::{
    sample::{Chain, Sample},
    summary::Ending,
};
use crate::{
    failure::{Failure, Location},
    graph::{Edge, JobGraph, OperatorInfo, VertexId},
    registry::JobEntry,
    settings::{Given, KEYS, Outside, Setting, Settings},
};

/// How a job ended: `job`, `ending` (`done`, `drained`, `failed` or `cancelled`), `elapsed_ms`, `records_read`, `bytes_read`, `input_bytes`, `chains`,
/// `counters`, and `failure` if it failed.
///
/// A chain: `name`, `subtasks`, `source`, `records_in`, `records_out`, `bytes_in`, `bytes_out`, `busy_ns`, `idle_ns`, `backpressured_ns`,
/// `watermark_ms`. A counter: `operator`, `name`, `value`; those that are 0 are left out.
pub(super) fn report(job: &str, ending: Ending, sample: &Sample, failed: Option<&Failure>) -> Value {
    let counter =
        |(operator, name, value): &(String, String, u64)| json!({ "operator": operator, "name": name, "value": value });
    json!({
        "job": job,
        "ending": ending.name(),
        "elapsed_ms": u64::try_from(sample.elapsed.as_millis()).unwrap_or(u64::MAX),
        "records_read": sample.records_read(),
        "bytes_read": sample.bytes_read(),
        "input_bytes": sample.input_bytes,
        "chains": sample.chains.iter().map(chain).collect::<Vec<_>>(),
        "counters": sample.counters.iter().map(counter).collect::<Vec<_>>(),
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
/// `kind`, `detail`, `uid`, `stateful`, `file`, `line`, `column`. An edge: `from` and `to` (ids of vertices), `kind`, `record`, `port`.
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
    });
    put_location(&mut value, Some(operator.location));
    value
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
/// (`count`, `duration`, `size`, `path` or `strategy`), `allowed`, `live` (true if it may be set while a job runs) and `doc`.
pub(super) fn config(settings: &Settings, outside: &Outside, before: &Settings) -> Value {
    KEYS.iter().map(|key| setting(key, settings, outside.get(key.name), before)).collect()
}

fn setting(key: &Setting, settings: &Settings, given: Option<&Given>, before: &Settings) -> Value {
    use crate::settings::Origin;
    let (origin, place) = match given.map(|given| &given.origin) {
        Some(Origin::File { path, line }) => ("file", Some((path.display().to_string(), *line))),
        Some(Origin::Variable(_)) => ("environment", None),
        Some(Origin::Define | Origin::Flag) => ("command line", None),
        None if key.show(settings) != key.show(before) => ("job", None),
        None => ("default", None),
    };
    json!({
        "key": key.name,
        "value": key.show(settings),
        "default": key.show(&Settings::default()),
        "origin": origin,
        "given": given.map(|given| &given.text),
        "variable": key.variable(),
        "file": place.as_ref().map(|(path, _)| path),
        "line": place.as_ref().map(|(_, line)| line),
        "kind": key.kind(),
        "allowed": key.allowed(),
        "live": key.live,
        "doc": key.doc,
    })
}
