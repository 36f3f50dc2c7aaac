//! Commands on a job that runs in another process (here, in another thread): what they say of it, and what if there is none.
#![cfg(unix)]
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "support/console.rs"]
mod console;
mod support;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use console::{Called, HERE, call};
use millstream_runtime::{
    cli::{self, Console, Screen, World},
    registry::{JobEntry, augment_none, build_without},
    stream::{Job, Stream},
};
use serde_json::Value;
use support::{Count, Numbers};

static COUNTED: AtomicU64 = AtomicU64::new(0);
static ENOUGH: AtomicBool = AtomicBool::new(false);

/// Runs until there is enough.
fn endless(job: &mut Job) {
    let counts = |n: u64| if ENOUGH.load(Ordering::Relaxed) { Err("it is enough") } else { Ok(n) };
    job.source(Numbers(None)).map(counts).sink(Count { records: &COUNTED, fail_at: None });
}

static ENDLESS: JobEntry = JobEntry {
    name: "endless",
    doc: "",
    location: HERE,
    augment: augment_none,
    build: |_, options| build_without("endless", HERE, endless, options),
};

fn on(dir: &Path, verb: &[&str]) -> Called {
    let dir = dir.to_str().expect("the path is text");
    call(&[&ENDLESS], &[&[verb[0], dir], &verb[1..]].concat())
}

#[track_caller]
fn failed(called: &Called, says: &str) {
    assert_eq!((called.code, called.out.as_str()), (1, ""), "{}", called.err);
    assert!(called.err.starts_with("error: ") && called.err.contains(says), "{}", called.err);
}

#[test]
fn a_running_job_says_how_it_is() {
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let checkpoints = dir.path().to_owned();
    let given = checkpoints.to_str().expect("the path is text").to_owned();
    let running = thread::spawn(move || {
        let args = ["run", "--quiet", "--parallelism", "1", "-D", "restart=none", "--checkpoint-dir", given.as_str()];
        call(&[&ENDLESS], &args)
    });
    let status = loop {
        let status = on(&checkpoints, &["status"]);
        if status.code == 0 && COUNTED.load(Ordering::Relaxed) > 0 || running.is_finished() {
            break status;
        }
        thread::yield_now();
    };
    assert_eq!((status.code, status.err.as_str()), (0, ""));
    assert!(status.out.starts_with("job `endless` runs, started "), "{}", status.out);
    let status = on(&checkpoints, &["status", "--json"]);
    let status: Value = serde_json::from_str(&status.out).expect("it is JSON");
    assert_eq!((&status["job"], &status["restarting"]), (&"endless".into(), &false.into()));
    assert!(status["records_read"].is_u64() && status["chains"][0]["source"] == true, "{status}");
    failed(
        &on(&checkpoints, &["set", "memory=1GiB"]),
        "`memory` cannot be set while a job runs, only checkpoint.interval,",
    );
    failed(&on(&checkpoints, &["set", "checkpoint.timeout=soon"]), "invalid value 'soon' for 'checkpoint.timeout'");

    ENOUGH.store(true, Ordering::Relaxed);
    let ended = running.join().expect("the command line does not panic");
    assert!(ended.code == 1 && ended.err.contains("it is enough"), "{}", ended.err);
    failed(&on(&checkpoints, &["status"]), "there is no `control.sock`");
}

#[test]
fn without_a_job_every_command_says_so() {
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    for verb in [["status"].as_slice(), &["checkpoint"], &["stop"], &["set", "checkpoint.interval=1s"]] {
        failed(&on(dir.path(), verb), "no job answers in `");
        failed(&on(&dir.path().join("missing"), verb), "Is that the `--checkpoint-dir` of a job that runs?");
    }
}

#[test]
fn wrong_usage_is_refused_before_anybody_is_asked() {
    for (args, says) in [
        (["status"].as_slice(), "<DIR>"),
        (&["set", "dir"], "<KEY=VALUE>..."),
        (&["set", "dir", "checkpoint.interval"], "a key and a value are expected, as in `checkpoint.interval=2s`"),
        (&["stop", "a", "b"], "unexpected argument 'b'"),
    ] {
        let called = call(&[&ENDLESS], args);
        assert!(called.code == 2 && called.err.contains(says), "{}", called.err);
    }
}

/// Calls the command line of a binary without jobs.
fn tool(args: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let mut console = Console { out: &mut out, err: Screen::new(std::io::sink()), world: World::default() };
    let code = cli::tool_with(
        "Good day.\n",
        std::iter::once("millstream").chain(args.iter().copied()).map(Into::into),
        &mut console,
    );
    (code, String::from_utf8(out).expect("it is text"))
}

#[test]
fn a_binary_without_jobs_has_these_commands_too() {
    assert_eq!(tool(&[]), (0, "Good day.\n".to_owned()));
    let (code, help) = tool(&["--help"]);
    assert!(code == 0 && ["status", "checkpoint", "stop", "set"].iter().all(|verb| help.contains(verb)), "{help}");
    assert_eq!(tool(&["status", "/nowhere/at/all"]).0, 1);
    assert_eq!(tool(&["run"]).0, 2);
}
