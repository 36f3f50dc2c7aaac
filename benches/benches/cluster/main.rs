//! A cluster of real processes on this machine, measured from outside: how long it takes to be ready, from a submission to the first record, from a kill until
//! output flows again, and to rescale; what an idle TaskManager takes; latency at a fixed rate; and how many records a second are counted by key.
//!
//! `cargo bench -p millstream-benches --bench cluster [-- NAME..]`. The binary is also the cluster that it measures.
#![allow(
    clippy::disallowed_methods,
    reason = "it starts processes and looks at the clock: it is no part of the engine"
)]

mod count;
mod jobs;
mod measure;
mod processes;

use std::process::ExitCode;

fn main() -> ExitCode {
    let roles = ["jobmanager", "taskmanager", "submit", "run"];
    if std::env::args().nth(1).is_some_and(|first| roles.contains(&first.as_str())) {
        return millstream::runtime::cli::main();
    }
    if millstream_benches::raw_socket::receives().is_some() {
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let measures: [(&str, fn()); 7] = [
        ("ready", measure::ready),
        ("first_record", measure::first_record),
        ("idle_memory", measure::idle_memory),
        ("recovery", measure::recovery),
        ("rescale", measure::rescale),
        ("latency", measure::latency),
        ("keyed_count", count::keyed_count),
    ];
    for (name, measure) in measures {
        if is_wanted(name) {
            measure();
        }
    }
    ExitCode::SUCCESS
}
