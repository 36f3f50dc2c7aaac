//! Jobs whose code panics.

use std::time::Duration;

use crate::{cluster::Cluster, events::Wish, input::Input, output::Output};

/// Where the code that panics is.
const FILE: &str = "panics.rs";

#[test]
fn a_job_that_cannot_begin_fails_at_once() {
    let input = Input::new(61);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 1);
    let id = submit(&cluster, &input, &[]);
    cluster.wait_for(&id, &["failed"]);
    let exceptions = cluster.ask(&format!("/v1/jobs/{id}/exceptions")).expect("the leader answers");
    let last = &exceptions["exceptions"][0];
    let message = last["message"].as_str().unwrap_or_default();
    assert!(message.contains("this job cannot begin") && message.contains(FILE), "{exceptions}");
    assert_eq!(last["class"], "user", "{exceptions}");
    assert_eq!(exceptions["count"], 1, "nobody tries it again: {exceptions}");
}

#[test]
fn a_job_that_panics_in_its_midst_is_started_again() {
    let input = Input::new(62);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 1);
    let id = submit(&cluster, &input, &["--at", "8000"]);
    let ended = cluster.wait_for(&id, &["finished", "failed"]);
    let exceptions = cluster.ask(&format!("/v1/jobs/{id}/exceptions")).expect("the leader answers");
    assert_eq!(ended, "finished", "{exceptions}");
    let exception = &exceptions["exceptions"][0];
    let message = exception["message"].as_str().unwrap_or_default();
    assert!(message.contains("event 8000 is too much") && message.contains(FILE), "{exceptions}");
    assert_eq!((exceptions["count"].as_u64(), &exception["class"]), (Some(1), &"user".into()), "{exceptions}");
    assert!(exception["vertex"].is_string() && exception["subtask"].is_number(), "{exceptions}");
    let output = cluster.directory().join("out");
    let expected = input.expected.iter().filter(|(line, _)| is_left(line));
    let expected = expected.map(|(line, count)| (line.clone(), *count)).collect();
    Output::of(&output)
        .compare(&output, &[("lines", false)], &expected, true)
        .expect("its output is as if nothing had happened");
}

/// True for the lines of events with even numbers.
fn is_left(line: &str) -> bool {
    let id = line.strip_prefix("lines: ").and_then(|line| line.split(' ').next()?.parse::<u64>().ok());
    id.is_some_and(|id| id % 2 == 0)
}

#[track_caller]
fn submit(cluster: &Cluster, input: &Input, more: &[&str]) -> String {
    let wish = Wish { rest: Duration::from_millis(10), ..Wish::quick(2) };
    let (_, mut args) = wish.arguments(cluster, input);
    let marker = cluster.directory().join("has-panicked").display().to_string();
    args.extend(["--marker".to_owned(), marker]);
    args.extend(more.iter().map(|word| (*word).to_owned()));
    let settings = [("parallelism", "2"), ("checkpoint.interval", "100ms"), ("restart", "fixed-delay(3, 50ms)")];
    cluster.submit("panics", &args, &settings)
}
