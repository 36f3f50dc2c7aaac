//! Views of what the engine knows.

use std::time::Duration;

use millstream_core::time::Timestamp;

use crate::{
    checkpoint::{CheckpointHistory, CheckpointKind, CheckpointStats, SubtaskReport},
    control::{
        RegionId, SubtaskId, Vertex,
        job::{failure, lifecycle},
    },
    env::Instant,
    rest::views::{CheckpointState, Checkpoints, Exceptions, FailureClass, JobState, Now, SubtaskMetrics},
};

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

/// A minute after the environment began.
fn now() -> Now {
    Now { instant: at(60_000), wall: Timestamp::from_millis(1_700_000_060_000) }
}

#[test]
fn checkpoints_are_shown_the_newest_first() {
    let mut history = CheckpointHistory::default();
    for (number, failed) in [(1, None), (2, Some("disk full"))] {
        let mut stats = CheckpointStats::new(number, CheckpointKind::Periodic, at(number * 1_000), 2);
        let sync = Duration::from_nanos(3);
        stats.subtasks[0] =
            Some(SubtaskReport { bytes: 7, channel_bytes: 4, unaligned: true, sync, ..SubtaskReport::default() });
        history.present = Some(stats);
        history.end(at(number * 1_000 + 120), failed);
    }
    history.present = Some(CheckpointStats::new(3, CheckpointKind::Stop, at(59_000), 2));
    let shown = Checkpoints::of(&history, now());
    assert_eq!(shown.history.iter().map(|checkpoint| checkpoint.id).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((shown.completed, shown.failed, shown.in_progress), (1, 1, 1));
    let (completed, failed) = (shown.latest_completed.expect("one was"), shown.latest_failed.expect("one has"));
    assert_eq!((completed.id, completed.state, completed.acknowledged), (1, CheckpointState::Completed, 1));
    assert_eq!((completed.channel_bytes, completed.unaligned), (4, true));
    assert_eq!((completed.bytes, completed.sync_ns, completed.duration_ms), (7, 3, 120));
    assert_eq!((failed.failure.as_deref(), failed.triggered_at_ms), (Some("disk full"), 1_700_000_002_000));
    assert_eq!((shown.history[0].duration_ms, shown.history[0].subtasks), (1_000, 2));
}

#[test]
fn failures_are_shown_the_newest_first() {
    let mut exceptions = failure::Exceptions::default();
    for (n, class) in [(1, failure::FailureClass::Engine), (2, failure::FailureClass::Environment)] {
        exceptions.push(failure::Exception {
            at: at(n * 1_000),
            failure: failure::JobFailure::new(class, format!("number {n}")).with_hint("try again"),
            task: Some((SubtaskId { vertex: Vertex(0), subtask: 4 }, "source -> map".to_owned())),
            regions: vec![RegionId(2)],
            followed_by: 0,
        });
    }
    exceptions.followed();
    let shown = Exceptions::of(&exceptions, now());
    let newest = &shown.exceptions[0];
    assert_eq!((shown.count, newest.message.as_str(), newest.class), (2, "number 2", FailureClass::Environment));
    assert_eq!((newest.at_ms, newest.followed_by, newest.regions.as_slice()), (1_700_000_002_000, 1, [2].as_slice()));
    assert_eq!(
        (newest.vertex.as_deref(), newest.subtask, newest.hint.as_deref()),
        (Some("source -> map"), Some(4), Some("try again"))
    );
}

#[test]
fn states_have_the_words_of_the_engine() {
    for state in lifecycle::JobState::ALL {
        let shown = JobState::from(state);
        assert_eq!(shown.to_string(), state.to_string());
        // A job that another leader has has not ended.
        assert_eq!(shown.has_ended(), state.is_terminal() && state != lifecycle::JobState::Suspended);
    }
}

#[test]
fn shares_are_of_the_time_that_is_accounted_for() {
    assert_eq!(SubtaskMetrics::of(|_| 0).busy, None);
    let counters = [("busy_ns", 3), ("idle_ns", 1), ("records_in", 5)];
    let shown = SubtaskMetrics::of(|name| counters.iter().find(|(known, _)| *known == name).map_or(0, |(_, n)| *n));
    assert_eq!((shown.busy, shown.backpressured, shown.idle, shown.records_in), (Some(0.75), Some(0.0), Some(0.25), 5));
}
