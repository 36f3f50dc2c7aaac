//! How a running job is, for people: text made of what it answered. What an older job does not say is left out.

use std::time::Duration;

use serde_json::Value;

use crate::cli::{
    format::{bytes, count, restarts, span},
    table::{Align, aligned},
};

const HEADER: [&str; 10] =
    ["checkpoint", "for", "state", "began", "took", "written", "acknowledged", "aligning", "frozen", "in background"];

/// The answer to `status`.
pub(super) fn status(answer: &Value) -> String {
    let number = |field: &str| answer[field].as_u64();
    let job = answer["job"].as_str().unwrap_or_default();
    let restored = number("restored").map_or(String::new(), |checkpoint| format!(", from checkpoint {checkpoint} on"));
    let doing = if answer["restarting"] == true { "waits to be restarted" } else { "runs" };
    let mut out =
        format!("job `{job}` {doing}, started {} ago{restored}", time(number("elapsed_ms"), Duration::from_millis));
    out.extend(restarts(number("restarts").unwrap_or(0)).map(|restarts| format!(", {restarts}")));
    out.push('\n');
    if let Some(failure) = answer["last_failure"].as_str() {
        out.push_str(&format!("last failure: {failure}\n"));
    }
    let read =
        number("bytes_read").filter(|read| *read > 0).map_or(String::new(), |n| format!(", {}", bytes(n as f64)));
    out.push_str(&format!("{} records read{read}\n", count(number("records_read").unwrap_or(0))));
    checkpoints(answer, &mut out);
    out
}

fn checkpoints(answer: &Value, out: &mut String) {
    let checkpoints = &answer["checkpoints"];
    let (completed, failed) =
        (checkpoints["completed"].as_u64().unwrap_or(0), checkpoints["failed"].as_u64().unwrap_or(0));
    out.push_str(&format!("checkpoints: {} completed, {} failed\n", count(completed), count(failed)));
    let present = Some(&checkpoints["present"]).filter(|present| !present.is_null());
    let all: Vec<_> = checkpoints["last"].as_array().into_iter().flatten().chain(present).collect();
    if all.is_empty() {
        return;
    }
    // Ages are told from the moment at which the answer was given.
    let rows = all.iter().map(|checkpoint| row(checkpoint, answer["at_ms"].as_i64()));
    let rows: Vec<_> = std::iter::once(HEADER.map(str::to_owned)).chain(rows).collect();
    let columns = std::array::from_fn(|i| if (1..=2).contains(&i) { Align::Left } else { Align::Right });
    out.push('\n');
    aligned(columns, &rows).iter().for_each(|line| out.push_str(&format!("{line}\n")));
    for checkpoint in all {
        if let Some(failure) = checkpoint["failure"].as_str() {
            out.push_str(&format!("checkpoint {}: {failure}\n", checkpoint["checkpoint"]));
        }
    }
}

fn row(checkpoint: &Value, now: Option<i64>) -> [String; HEADER.len()] {
    let number = |field: &str| checkpoint[field].as_u64();
    let text = |field: &str| checkpoint[field].as_str().unwrap_or("-").to_owned();
    let nanos = |field: &str| number(field).map_or("-".to_owned(), short_span);
    let age =
        now.zip(checkpoint["started_ms"].as_i64()).and_then(|(now, began)| u64::try_from(now.checked_sub(began)?).ok());
    [
        number("checkpoint").map_or("-".to_owned(), |n| n.to_string()),
        text("kind"),
        text("progress"),
        age.map_or("-".to_owned(), |age| format!("{} ago", span(Duration::from_millis(age)))),
        time(number("duration_ms"), Duration::from_millis),
        number("bytes").map_or("-".to_owned(), |n| bytes(n as f64)),
        format!("{} of {}", number("acknowledged").unwrap_or(0), number("subtasks").unwrap_or(0)),
        nanos("alignment_ns"),
        nanos("sync_ns"),
        nanos("background_ns"),
    ]
}

/// A span that is often shorter than a millisecond.
fn short_span(nanos: u64) -> String {
    match nanos {
        0..100_000_000 => format!("{:.2} ms", nanos as f64 / 1e6),
        _ => span(Duration::from_nanos(nanos)),
    }
}

/// A span of so many of a unit; `-` if it is not told.
fn time(n: Option<u64>, unit: fn(u64) -> Duration) -> String {
    n.map_or("-".to_owned(), |n| span(unit(n)))
}

#[cfg(test)]
mod tests {
    use millstream_core::time::Timestamp;

    use super::*;
    use crate::{
        checkpoint::{CheckpointKind, CheckpointProgress, CheckpointStats, SubtaskReport},
        cli::{
            json,
            sample::{Chain, Sample},
        },
        env::Instant,
        failure::Failure,
        local::JobStatus,
    };

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * SECOND)
    }

    fn report(bytes: u64, micros: u64) -> Option<SubtaskReport> {
        let (alignment, sync) = (Duration::from_micros(3 * micros), Duration::from_micros(micros));
        Some(SubtaskReport { bytes, alignment, sync, background: 400 * sync, ..SubtaskReport::default() })
    }

    /// A job a minute after it was started, with two checkpoints behind it and one under way.
    fn answer() -> Value {
        let mut status = JobStatus { restored: Some(6), attempts: 3, ..JobStatus::default() };
        status.failures.push_back(Failure::new("out of luck").at_operator("map", None));
        let history = &mut status.checkpoints;
        for (number, began, failed) in [(7, 30, None), (8, 40, Some("disk full"))] {
            let mut stats = CheckpointStats::new(number, CheckpointKind::Periodic, at(began), 2);
            stats.subtasks = vec![report(1_000_000, 250), report(234_000, 1_250)];
            history.present = Some(stats);
            history.end(Instant::from_nanos(began * SECOND + 120_000_000), failed);
        }
        let mut stats = CheckpointStats::new(9, CheckpointKind::Stop, at(57), 2);
        stats.subtasks[1] = report(5, 1);
        stats.progress = CheckpointProgress::Running;
        history.present = Some(stats);
        let chain = Chain { is_source: true, records_in: 12_345, bytes_in: 5_600_000, ..Chain::default() };
        let sample = Sample {
            elapsed: Duration::from_secs(60),
            chains: vec![chain],
            wall: Timestamp::from_millis(1_357_034_400_000),
            ..Sample::default()
        };
        json::status("flights", &sample, &status, at(60))
    }

    #[test]
    fn a_job_is_shown_with_its_last_checkpoints() {
        assert_eq!(
            status(&answer()),
            "\
job `flights` runs, started 1 min 0 s ago, from checkpoint 6 on, 2 restarts
last failure: operator `map`: out of luck
12,345 records read, 5.60 MB
checkpoints: 1 completed, 1 failed

checkpoint  for       state           began    took  written  acknowledged  aligning   frozen  in background
         7  periodic  completed  30.0 s ago  120 ms  1.23 MB        2 of 2   3.75 ms  1.25 ms         500 ms
         8  periodic  failed     20.0 s ago  120 ms  1.23 MB        2 of 2   3.75 ms  1.25 ms         500 ms
         9  stop      running    3.00 s ago  3.00 s      5 B        1 of 2   0.00 ms  0.00 ms        0.40 ms
checkpoint 8: disk full
"
        );
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        let text = status(
            &serde_json::json!({ "job": "old", "checkpoints": { "last": [{ "checkpoint": 3, "started_ms": i64::MIN }] } }),
        );
        assert!(
            text.starts_with("job `old` runs, started - ago\n0 records read\ncheckpoints: 0 completed, 0 failed\n"),
            "{text}"
        );
        assert_eq!(status(&Value::Null).lines().count(), 3);
    }

    #[test]
    fn subtasks_are_told_one_by_one_for_the_present_checkpoint_and_the_last() {
        let answer = answer();
        let checkpoints = &answer["checkpoints"];
        assert!(checkpoints["last"][0]["by_subtask"].is_null());
        assert_eq!(checkpoints["last"][1]["by_subtask"][1]["bytes"], 234_000);
        assert_eq!(
            checkpoints["present"]["by_subtask"],
            serde_json::json!([{
                "subtask": 1,
                "bytes": 5,
                "channel_bytes": 0,
                "unaligned": false,
                "alignment_ns": 3_000,
                "sync_ns": 1_000,
                "background_ns": 400_000,
            }])
        );
        assert_eq!(checkpoints["present"]["started_ms"], 1_357_034_397_000_i64);
    }
}
