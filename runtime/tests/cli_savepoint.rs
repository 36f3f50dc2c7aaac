//! The commands on savepoints, over a job that runs in another thread: made, looked at, compared, exported, begun with, and removed.
#![cfg(unix)]
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "support/console.rs"]
mod console;
mod support;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread::{self, JoinHandle},
};

use console::{Called, HERE, call};
use millstream_core::aggregate::Rolling;
use millstream_runtime::{
    registry::{JobEntry, augment_none, build_without},
    stream::{AtLeastOnce, Job, Replayable, Stream},
};
use serde_json::Value;
use support::{Count, Numbers};

const KEYS: u64 = 10;

static COUNTED: AtomicU64 = AtomicU64::new(0);

impl Replayable for Numbers {}

/// Counts for each of a few keys, without end.
fn counts(job: &mut Job<AtLeastOnce>, uid: &str) {
    job.source(Numbers(None))
        .key_by(|number| number % KEYS)
        .rolling(|of| of.count())
        .uid(uid)
        .map(|(_, Rolling(count))| count)
        .sink(Count { records: &COUNTED, fail_at: None });
}

static COUNTS: JobEntry = JobEntry {
    name: "counts",
    doc: "",
    location: HERE,
    augment: augment_none,
    build: |_, options| build_without("counts", HERE, |job| counts(job, "counts"), options),
};

/// The same, of which nothing that is stored is found again.
static RENAMED: JobEntry = JobEntry {
    name: "counts",
    doc: "",
    location: HERE,
    augment: augment_none,
    build: |_, options| build_without("counts", HERE, |job| counts(job, "others"), options),
};

fn on(args: &[&str]) -> Called {
    call(&[&COUNTS], args)
}

#[track_caller]
fn done(called: &Called) -> String {
    assert_eq!((called.code, called.err.as_str()), (0, ""), "{}", called.out);
    called.out.clone()
}

#[track_caller]
fn failed(called: &Called, says: &str) {
    assert_eq!(called.code, 1, "{}", called.out);
    assert!(called.err.contains(says), "{}", called.err);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// Runs the job in a thread, and waits until it answers and counts.
fn run(dir: &str, more: &[&str]) -> JoinHandle<Called> {
    let (given, more) = (dir.to_owned(), more.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let running = thread::spawn(move || {
        let args = ["run", "--json", "--parallelism", "1", "--checkpoint-interval", "24h", "--checkpoint-dir", &given];
        on(&args.into_iter().chain(more.iter().map(String::as_str)).collect::<Vec<_>>())
    });
    while on(&["status", dir]).code != 0 && !running.is_finished() {
        thread::yield_now();
    }
    wait_for_more(&running);
    if running.is_finished() {
        let ended = running.join().expect("the command line does not panic");
        panic!("the job has ended: {}{}", ended.out, ended.err);
    }
    running
}

/// Waits until every key has been counted again.
fn wait_for_more(running: &JoinHandle<Called>) {
    let before = COUNTED.load(Ordering::Relaxed);
    while COUNTED.load(Ordering::Relaxed) < before + 100 * KEYS && !running.is_finished() {
        thread::yield_now();
    }
}

#[test]
fn savepoints_are_made_looked_at_begun_with_and_removed() {
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let at = |name: &str| dir.path().join(name).to_str().expect("the path is text").to_owned();
    let (own, kept) = (at("own"), at("kept"));
    let running = run(&own, &[]);
    let made = json(&done(&on(&["savepoint", &own, "--to", &kept, "--json"])));
    let first = made["savepoint"].as_str().expect("it says where").to_owned();
    assert!(first.starts_with(&format!("{kept}/savepoint-counts-")), "{first}");
    wait_for_more(&running);
    let made = json(&done(&on(&["stop", &own, "--savepoint", "--to", &kept, "--json"])));
    let second = made["savepoint"].as_str().expect("it says where").to_owned();
    let ended = running.join().expect("the command line does not panic");
    assert_eq!(json(&ended.out)["ending"], "stopped", "{}", ended.err);

    let seen = done(&on(&["savepoint", "inspect", &first]));
    assert!(seen.starts_with("checkpoints of the job `counts`\n") && seen.contains("  counts "), "{seen}");

    let table = done(&on(&["savepoint", "export", &first, "--operator", "counts", "--format", "csv"]));
    let (header, rows) = table.split_once('\n').expect("it has lines");
    let keys: BTreeSet<&str> = rows.lines().filter_map(|row| row.split(',').next()).collect();
    assert_eq!((header, rows.lines().count(), keys.len()), ("key,value", KEYS as usize, KEYS as usize), "{table}");
    let lines = done(&on(&["savepoint", "export", &first, "--state", "results"]));
    let line = json(lines.lines().next().expect("there is one"));
    assert!(line["operator"] == "counts" && line["key"].is_u64() && line["value"].is_u64(), "{line}");
    failed(&on(&["savepoint", "export", &first, "--state", "visits"]), "has no such state");
    failed(&on(&["savepoint", "export", &first, "--format", "csv"]), "say which one by --operator and --state");

    let difference = json(&done(&on(&["savepoint", "diff", &first, &second, "--json"])));
    let states = difference["states"].as_array().expect("there are some");
    let of_counts = states.iter().find(|state| state["operator"] == "counts").expect("it is compared");
    assert_eq!(of_counts["entries"]["changed"], KEYS, "{of_counts}");
    let same = json(&done(&on(&["savepoint", "diff", &first, &first, "--json"])));
    let states = same["states"].as_array().expect("there are some");
    assert!(states.iter().all(|state| state["change"] == "same"), "{same}");

    let outlook = json(&done(&on(&["plan", "--against", &first, "--json"])));
    let fates = |outlook: &Value, operator: &str| {
        let states = outlook["states"].as_array().expect("there are some").iter();
        states.filter(|state| state["operator"] == operator).map(|state| state["fate"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(fates(&outlook, "counts"), ["restored"], "{outlook}");
    let renamed = call(&[&RENAMED], &["plan", "--against", &first]);
    failed(
        &renamed,
        "hint: give the operator that is to have it `.uid(\"counts\")`, or drop it with `--allow-dropped-state`",
    );
    assert!(renamed.out.contains("dropped") && renamed.out.contains("starts empty"), "{}", renamed.out);
    failed(
        &call(&[&RENAMED], &["run", "--checkpoint-dir", &at("other"), "--from", &first]),
        "the job cannot begin with state",
    );
    failed(&on(&["run", "--checkpoint-dir", &at("other"), "--from", &at("missing")]), "missing");
    let without = on(&["run", "--from", &first]);
    assert!(without.code == 2 && without.err.contains("by `--checkpoint-dir`"), "{}", without.err);

    let other = at("other");
    let running = run(&other, &["--from", &second]);
    let status = json(&done(&on(&["status", &other, "--json"])));
    assert_eq!(status["restored"], made["checkpoint"], "{status}");
    assert!(on(&["stop", &other]).code == 0);
    let ended = running.join().expect("the command line does not panic");
    assert!(ended.err.contains(&format!("the savepoint in {second} is of checkpoint")), "{}", ended.err);

    failed(&on(&["savepoint", "dispose", &other]), "the checkpoints of a job, which are left as they are");
    for savepoint in [&first, &second] {
        assert_eq!(done(&on(&["savepoint", "dispose", savepoint])), format!("the savepoint in {savepoint} is gone\n"));
        assert!(!Path::new(savepoint).exists());
    }
    failed(&on(&["savepoint", "dispose", &first]), &first);
    assert!(!Path::new(&first).exists(), "who looks makes nothing");
}
