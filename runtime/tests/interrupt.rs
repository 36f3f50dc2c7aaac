//! SIGTERM: a job with checkpoints is stopped with one, one that never ends is drained, one that would is cancelled. Alone in its file, since the signal reaches every job of the process.
#![cfg(unix)]
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "support/console.rs"]
mod console;
mod support;

use std::{
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use console::{Called, HERE, call};
use millstream_runtime::{
    registry::{JobEntry, augment_none, build_without},
    stream::{AtLeastOnce, Job, Replayable, Stream},
};
use support::{Count, Numbers};

static COUNTED: AtomicU64 = AtomicU64::new(0);

fn endless(job: &mut Job) {
    job.source(Numbers(None)).sink(Count { records: &COUNTED, fail_at: None });
}

fn long(job: &mut Job) {
    job.source(Numbers(Some(u64::MAX))).sink(Count { records: &COUNTED, fail_at: None });
}

impl Replayable for Numbers {}

fn kept(job: &mut Job<AtLeastOnce>) {
    job.source(Numbers(Some(u64::MAX))).sink(Count { records: &COUNTED, fail_at: None });
}

static KEPT: JobEntry = JobEntry {
    name: "kept",
    doc: "",
    location: HERE,
    augment: augment_none,
    build: |_, options| build_without("kept", HERE, kept, options),
};

static ENDLESS: JobEntry = JobEntry {
    name: "endless",
    doc: "",
    location: HERE,
    augment: augment_none,
    build: |_, options| build_without("endless", HERE, endless, options),
};

static LONG: JobEntry = JobEntry {
    name: "long",
    doc: "",
    location: HERE,
    augment: augment_none,
    build: |_, options| build_without("long", HERE, long, options),
};

/// Runs a job, and sends SIGTERM to this process once records flow.
fn terminated(job: &'static JobEntry, more: &[String]) -> Called {
    COUNTED.store(0, Ordering::Relaxed);
    let more = more.to_vec();
    let running = thread::spawn(move || {
        let more: Vec<_> = more.iter().map(String::as_str).collect();
        call(&[job], &[&["run", "--parallelism", "1"], more.as_slice()].concat())
    });
    // Signals are listened to before the first record flows.
    while COUNTED.load(Ordering::Relaxed) == 0 && !running.is_finished() {
        thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    running.join().expect("the command line does not panic")
}

#[test]
fn sigterm_stops_a_job_that_can_go_on_drains_one_that_never_ends_and_cancels_the_rest() {
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let checkpoints = ["--checkpoint-dir".to_owned(), dir.path().display().to_string()];
    for _ in 0..2 {
        let stopped = terminated(&KEPT, &checkpoints);
        assert_eq!((stopped.code, stopped.out.as_str()), (0, ""), "{}", stopped.err);
        assert!(stopped.err.contains("interrupted: the job stops with a checkpoint"), "{}", stopped.err);
        assert!(stopped.err.contains("job `kept` stopped after "), "{}", stopped.err);
        assert!(stopped.err.contains("\ncheckpoints: 1 completed, the last: checkpoint "), "{}", stopped.err);
    }

    let drained = terminated(&ENDLESS, &[]);
    assert_eq!((drained.code, drained.out.as_str()), (0, ""), "{}", drained.err);
    assert!(drained.err.contains("interrupted: the sources end here"), "{}", drained.err);
    assert!(drained.err.contains("job `endless` drained after "), "{}", drained.err);

    let cancelled = terminated(&LONG, &[]);
    assert_eq!((cancelled.code, cancelled.out.as_str()), (1, ""), "{}", cancelled.err);
    assert!(cancelled.err.contains("interrupted: the job is cancelled"), "{}", cancelled.err);
    assert!(
        cancelled.err.ends_with("error: job `long` was cancelled: nothing more is committed\n"),
        "{}",
        cancelled.err
    );
}
