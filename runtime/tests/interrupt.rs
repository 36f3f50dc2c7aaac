//! SIGTERM: a job that never ends is drained, one that would is cancelled. Alone in its file, since the signal reaches every job of the process.
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
    stream::{Job, Stream},
};
use support::{Count, Numbers};

static COUNTED: AtomicU64 = AtomicU64::new(0);

fn endless(job: &mut Job) {
    job.source(Numbers(None)).sink(Count { records: &COUNTED, fail_at: None });
}

fn long(job: &mut Job) {
    job.source(Numbers(Some(u64::MAX))).sink(Count { records: &COUNTED, fail_at: None });
}

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
fn terminated(job: &'static JobEntry) -> Called {
    COUNTED.store(0, Ordering::Relaxed);
    let running = thread::spawn(move || call(&[job], &["run", "--parallelism", "1"]));
    // Signals are listened to before the first record flows.
    while COUNTED.load(Ordering::Relaxed) == 0 && !running.is_finished() {
        thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    running.join().expect("the command line does not panic")
}

#[test]
fn sigterm_drains_a_job_that_never_ends_and_cancels_one_that_would() {
    let drained = terminated(&ENDLESS);
    assert_eq!((drained.code, drained.out.as_str()), (0, ""), "{}", drained.err);
    assert!(drained.err.contains("interrupted: the sources end here"), "{}", drained.err);
    assert!(drained.err.contains("job `endless` drained after "), "{}", drained.err);

    let cancelled = terminated(&LONG);
    assert_eq!((cancelled.code, cancelled.out.as_str()), (1, ""), "{}", cancelled.err);
    assert!(cancelled.err.contains("interrupted: the job is cancelled"), "{}", cancelled.err);
    assert!(
        cancelled.err.ends_with("error: job `long` was cancelled: nothing more is committed\n"),
        "{}",
        cancelled.err
    );
}
