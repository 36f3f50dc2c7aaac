//! The command line with its arguments and output injected: what it does, what it says, and its exit codes.
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "support/console.rs"]
mod console;
mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use console::{Called, HERE, call};
use millstream_runtime::{
    registry::{self, JobEntry, augment, augment_none, build_with, build_without},
    stream::{Job, Stream},
};
use support::{Count, Numbers};

static COUNTED: AtomicU64 = AtomicU64::new(0);
static UNCOUNTED: AtomicU64 = AtomicU64::new(0);

/// This is for readers of the source, not for users of the job.
#[derive(Args)]
struct CountArgs {
    /// Where to stop.
    #[arg(long)]
    below: u64,
    /// A number to fail at.
    #[arg(long)]
    fail_at: Option<u64>,
}

fn count(job: &mut Job, args: CountArgs) {
    job.source(Numbers(Some(args.below))).sink(Count { records: &COUNTED, fail_at: args.fail_at });
}

fn loose(job: &mut Job) {
    let _forgotten = job.source(Numbers(Some(1))).map(|n| n + 1);
}

fn refusing(_: &mut Job) -> Result<(), String> {
    Err("the moon is not full".to_owned())
}

fn panicking(_: &mut Job) {
    panic!("out of luck");
}

#[derive(Args)]
struct TakenArgs {
    #[arg(long)]
    parallelism: Option<usize>,
}

fn taken(job: &mut Job, args: TakenArgs) {
    let below = args.parallelism.map_or(1, |n| n as u64);
    job.source(Numbers(Some(below))).sink(Count { records: &UNCOUNTED, fail_at: None });
}

#[derive(Args)]
struct ShortArgs {
    #[arg(short = 'D')]
    depth: u64,
}

fn short(job: &mut Job, args: ShortArgs) {
    job.source(Numbers(Some(args.depth))).sink(Count { records: &UNCOUNTED, fail_at: None });
}

macro_rules! job {
    ($static:ident, $name:ident, $doc:literal) => {
        static $static: JobEntry = JobEntry {
            name: stringify!($name),
            doc: $doc,
            location: HERE,
            augment: augment_none,
            build: |_, options| build_without(stringify!($name), HERE, $name, options),
        };
    };
    ($static:ident, $name:ident($args:ty), $doc:literal) => {
        static $static: JobEntry = JobEntry {
            name: stringify!($name),
            doc: $doc,
            location: HERE,
            augment: augment::<$args>,
            build: |matches, options| build_with(stringify!($name), HERE, $name, matches, options),
        };
    };
}

job!(COUNT, count(CountArgs), "Counts numbers.\n\nOne after the other.");
job!(LOOSE, loose, "Goes nowhere.");
job!(REFUSING, refusing, "");
job!(PANICKING, panicking, "");
job!(TAKEN, taken(TakenArgs), "");
job!(SHORT, short(ShortArgs), "");

const SEVERAL: &[&JobEntry] = &[&COUNT, &LOOSE];

mod registered {
    use super::*;

    inventory::submit! {
        JobEntry { name: "b_registered", doc: "", location: HERE, augment: augment_none, build: |_, options| build_without("b_registered", HERE, loose, options) }
    }
    inventory::submit! {
        JobEntry { name: "a_registered", doc: "", location: HERE, augment: augment_none, build: |_, options| build_without("a_registered", HERE, loose, options) }
    }
}

/// Checks the exit code of wrong usage, and that the message holds each of these.
#[track_caller]
fn refused(called: &Called, holds: &[&str]) {
    assert_eq!(called.code, 2, "{}", called.err);
    assert_eq!(called.out, "", "errors go to standard error");
    for part in holds {
        assert!(called.err.contains(part), "`{part}` is missing:\n{}", called.err);
    }
}

#[test]
fn jobs_are_found_by_name() {
    let names: Vec<_> = registry::jobs().iter().map(|job| job.name).collect();
    assert_eq!(names, ["a_registered", "b_registered"]);
}

#[test]
fn a_job_runs_and_is_summed_up() {
    let before = COUNTED.load(Ordering::Relaxed);
    let called = call(SEVERAL, &["run", "count", "--below", "1000", "--parallelism", "2"]);
    assert_eq!((called.code, called.out.as_str()), (0, ""), "{}", called.err);
    assert!(COUNTED.load(Ordering::Relaxed) >= before + 1000);
    assert!(called.err.starts_with("job `count` done in "), "{}", called.err);
    let row = called.err.lines().last().unwrap_or_default();
    assert!(row.starts_with("source numbers -> sink count         2       1,000        1,000 "), "{}", called.err);
}

#[test]
fn an_only_job_needs_no_name_and_quiet_says_nothing() {
    for args in [
        ["run", "--below", "10", "--quiet"].as_slice(),
        &["run", "count", "--below", "10", "--quiet"],
        &["--below", "10", "--quiet"],
    ] {
        let called = call(&[&COUNT], args);
        assert_eq!((called.code, called.out.as_str(), called.err.as_str()), (0, "", ""), "{args:?}");
    }
    let called = call(&[&LOOSE], &["--quiet"]);
    refused(&called, &["reaches no sink"]);
}

#[test]
fn a_job_that_fails_says_which_operator_and_why() {
    let called = call(SEVERAL, &["run", "count", "--below", "1000", "--fail-at", "700", "--parallelism", "1"]);
    assert_eq!(called.code, 1);
    let error = called.err.lines().last().unwrap_or_default();
    assert!(error.starts_with("error: job `count` failed: operator `sink count` (runtime/tests/cli.rs:"), "{error}");
    assert!(error.ends_with("): 700 is not wanted"), "{error}");
    assert!(called.err.contains("job `count` failed after "), "{}", called.err);
}

#[test]
fn a_job_must_be_named_among_several() {
    let list = ["Jobs:\n  count  Counts numbers.\n  loose  Goes nowhere."];
    for args in [["run"].as_slice(), &["plan"], &["run", "--"]] {
        refused(&call(SEVERAL, args), &list);
    }
    refused(&call(SEVERAL, &["run", "cuont"]), &["there is no job `cuont`; did you mean `count`?", list[0]]);
    refused(&call(SEVERAL, &["plan", "xyz"]), &["there is no job `xyz`", list[0]]);
    refused(&call(&[&COUNT], &["run", "xyz", "--below", "1"]), &["there is no job `xyz`", "  count  Counts numbers."]);
    refused(&call(SEVERAL, &["count"]), &["say `run count` or `plan count`"]);
}

#[test]
fn arguments_out_of_bounds_are_named_with_their_bounds() {
    let count = |more: &[&str]| call(SEVERAL, &[&["run", "count", "--below", "1"], more].concat());
    refused(&count(&["--parallelism", "0"]), &["'0' for '--parallelism <N>'", "from 1 to 32768"]);
    refused(&count(&["--parallelism", "129"]), &["'129' for '--parallelism <N>'", "from 1 to 128", "32768"]);
    refused(&count(&["--parallelism", "3", "--max-parallelism", "2"]), &["'3' for '--parallelism <N>'", "from 1 to 2"]);
    refused(&count(&["--max-parallelism", "0"]), &["'0' for '--max-parallelism <N>'", "from 1 to 32768"]);
    refused(&count(&["--buffer-timeout", "10"]), &["'10' for '--buffer-timeout <TIME>'", "`10ms`"]);
    refused(&count(&["--watermark-interval", "0ms"]), &["--watermark-interval <TIME>", "1ms to 24h"]);
    refused(&call(SEVERAL, &["run", "count"]), &["--below <BELOW>"]);
    refused(&call(SEVERAL, &["run", "count", "--below", "many"]), &["'many' for '--below <BELOW>'"]);
}

#[test]
fn the_parallelism_stays_below_a_maximum_that_is_low() {
    let called = call(SEVERAL, &["run", "count", "--below", "5", "--max-parallelism", "1"]);
    assert_eq!(called.code, 0, "{}", called.err);
}

#[test]
fn a_job_that_cannot_be_built_is_not_started() {
    refused(&call(SEVERAL, &["run", "loose"]), &["error: ", "`map` reaches no sink", "job `loose` was not started"]);
    refused(&call(SEVERAL, &["plan", "loose"]), &["`map` reaches no sink"]);
    refused(&call(&[&REFUSING], &["run"]), &["job `refusing` (jobs.rs:7:1): the moon is not full"]);
    refused(
        &call(&[&PANICKING], &["run"]),
        &["job `panicking` cannot be built: panicked at runtime/tests/cli.rs", "out of luck"],
    );
}

#[test]
fn jobs_that_cannot_be_offered_are_refused() {
    refused(&call(&[], &["run"]), &["this binary has no jobs", "#[job]"]);
    refused(&call(&[&LOOSE, &LOOSE], &["jobs"]), &["two jobs have the name `loose`", "jobs.rs:7:1"]);
    refused(&call(&[&TAKEN], &["run"]), &["`--parallelism` of job `taken`", "rename it"]);
    refused(&call(&[&SHORT], &["run"]), &["`-D` of job `short`", "choose another letter"]);
}

#[test]
fn plans_are_shown_in_three_forms() {
    let plan = |more: &[&str]| {
        let called = call(SEVERAL, &[&["plan", "count", "--below", "1", "--parallelism", "3"], more].concat());
        assert_eq!((called.code, called.err.as_str()), (0, ""));
        called.out
    };
    assert_eq!(plan(&[]), "job count (best effort)\n└─ source numbers -> sink count x3\n");
    assert_eq!(plan(&["--mermaid"]), "flowchart LR\n    v0[\"source numbers<br>sink count<br>x3\"]\n");
    assert!(plan(&["--dot"]).contains(r#"v0 [label="source numbers\nsink count\nx3"];"#));
    refused(&call(SEVERAL, &["plan", "count", "--below", "1", "--dot", "--mermaid"]), &["--mermaid", "--dot"]);
}

#[test]
fn lists_and_help_go_to_standard_output() {
    let jobs = call(SEVERAL, &["jobs"]);
    assert_eq!(
        (jobs.code, jobs.out.as_str(), jobs.err.as_str()),
        (0, "count  Counts numbers.\nloose  Goes nowhere.\n", "")
    );
    let help = call(SEVERAL, &["run", "count", "--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for part in [
        "Counts numbers.\n\nOne after the other.",
        "Usage: binary run count [OPTIONS] --below <BELOW>",
        "Where to stop",
        "--parallelism <N>",
    ] {
        assert!(help.out.contains(part), "`{part}` is missing:\n{}", help.out);
    }
    for args in [["run", "--help"], ["plan", "--help"]] {
        let help = call(&[&COUNT], &args);
        assert!(help.code == 0 && help.out.contains("The only job is `count`: Counts numbers."), "{}", help.out);
        assert!(!help.out.contains("readers of the source"), "{}", help.out);
    }
}
