//! Commands on a job that runs in another process (here, in another thread): what they say of it, and what if there is none.
#![cfg(unix)]
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "support/console.rs"]
mod console;
mod support;

use std::{
    path::Path,
    sync::atomic::AtomicU64,
    thread::{self, JoinHandle},
};

use console::{Called, HERE, call};
use millstream_runtime::{
    cli::{self, Console, Screen, World},
    registry::{JobEntry, augment_none, build_without},
    stream::{AtLeastOnce, Job, Replayable, Stream},
};
use serde_json::Value;
use support::{Count, Numbers};

static COUNTED: AtomicU64 = AtomicU64::new(0);

impl Replayable for Numbers {}

fn endless(job: &mut Job<AtLeastOnce>) {
    job.source(Numbers(None)).sink(Count { records: &COUNTED, fail_at: None });
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

#[track_caller]
fn done(called: &Called, says: &str) {
    assert_eq!((called.code, called.out.as_str(), called.err.as_str()), (0, says, ""));
}

#[track_caller]
fn json(called: &Called) -> Value {
    serde_json::from_str(&called.out).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", called.out, called.err))
}

/// Runs the job in a thread, and waits until it answers that it reads.
fn run(dir: &Path, more: &[&'static str]) -> JoinHandle<Called> {
    let (given, more) = (dir.to_str().expect("the path is text").to_owned(), more.to_vec());
    let running = thread::spawn(move || {
        let args = ["run", "--json", "--parallelism", "1", "--checkpoint-dir", given.as_str()];
        // Checkpoints are made when they are asked for.
        call(&[&ENDLESS], &[&args, ["--checkpoint-interval", "24h"].as_slice(), more.as_slice()].concat())
    });
    let reads = || {
        let status = on(dir, &["status", "--json"]);
        status.code == 0 && json(&status)["records_read"].as_u64() > Some(0)
    };
    while !reads() && !running.is_finished() {
        thread::yield_now();
    }
    running
}

#[test]
fn a_running_job_is_watched_and_steered() {
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let checkpoints = dir.path().join("checkpoints");
    let checkpoints = checkpoints.as_path();
    let running = run(checkpoints, &[]);
    let status = on(checkpoints, &["status"]);
    assert!(status.out.starts_with("job `endless` runs, started "), "{}{}", status.out, status.err);

    done(&on(checkpoints, &["checkpoint"]), "checkpoint 1 is complete\n");
    let status = on(checkpoints, &["status"]);
    assert!(status.out.contains("\ncheckpoints: 1 completed, 0 failed\n"), "{}", status.out);
    assert!(status.out.contains("\n         1  periodic  completed "), "{}", status.out);
    let status = json(&on(checkpoints, &["status", "--json"]));
    assert_eq!(
        (&status["job"], &status["restarting"], &status["restored"]),
        (&"endless".into(), &false.into(), &Value::Null)
    );
    assert!(status["records_read"].is_u64() && status["chains"][0]["source"] == true, "{status}");

    done(
        &on(checkpoints, &["set", "checkpoint.timeout=20s", "checkpoint.min-pause=5ms"]),
        "checkpoint.timeout = 20s\ncheckpoint.min-pause = 5ms\n",
    );
    failed(
        &on(checkpoints, &["set", "memory=1GiB"]),
        "'memory' cannot change while the job runs; these can: checkpoint.interval,",
    );
    failed(&on(checkpoints, &["set", "checkpoint.timeout=soon"]), "invalid value 'soon' for 'checkpoint.timeout'");

    assert_eq!(json(&on(checkpoints, &["stop", "--json"]))["checkpoint"], 2);
    let ended = running.join().expect("the command line does not panic");
    let report = json(&ended);
    assert_eq!((ended.code, &report["ending"], &report["checkpoints"]["completed"]), (0, &"stopped".into(), &2.into()));
    failed(&on(checkpoints, &["status"]), "there is no `control.sock`");

    let inspect = |more: &[&str]| {
        let dir = checkpoints.to_str().expect("the path is text");
        call(&[&ENDLESS], &[&["checkpoint", "inspect", dir], more].concat())
    };
    let seen = inspect(&[]);
    assert!(seen.code == 0 && seen.out.starts_with("checkpoints of the job `endless`\n"), "{}{}", seen.out, seen.err);
    let seen = json(&inspect(&["--json"]));
    let checkpoint = seen["entries"].as_array().and_then(|entries| entries.last()).expect("there are entries");
    assert_eq!((&checkpoint["entry"], &checkpoint["checkpoint"]), (&seen["newest"], &2.into()));

    let again = run(checkpoints, &[]);
    assert_eq!(json(&on(checkpoints, &["status", "--json"]))["restored"], 2);
    let stopped = "the job has stopped with checkpoint 3; started again, it goes on from there\n";
    done(&on(checkpoints, &["stop"]), stopped);
    again.join().expect("the command line does not panic");

    let anew = run(checkpoints, &["--fresh"]);
    assert_eq!(json(&on(checkpoints, &["status", "--json"]))["restored"], Value::Null);
    assert_eq!(on(checkpoints, &["stop"]).code, 0);
    anew.join().expect("the command line does not panic");
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
fn a_directory_without_checkpoints_is_inspected_too() {
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let inspect = |dir: &Path| call(&[&ENDLESS], &["checkpoint", "inspect", dir.to_str().expect("the path is text")]);
    done(&inspect(dir.path()), "there are no checkpoints\n");
    failed(&inspect(&dir.path().join("missing")), "missing");
}

#[test]
fn wrong_usage_is_refused_before_anybody_is_asked() {
    for (args, says) in [
        (["status"].as_slice(), "<LOCATION>"),
        (&["set", "dir"], "<KEY=VALUE>..."),
        (&["set", "dir", "checkpoint.interval"], "a key and a value are expected, as in `checkpoint.interval=2s`"),
        (&["checkpoint", "inspect"], "<LOCATION>"),
        (&["checkpoint", "a", "inspect"], "the subcommand 'inspect' cannot be used with"),
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
