//! The coordinator, case by case.

use CheckpointKind::{Final, Periodic, Stop};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * SECOND)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A coordinator for three subtasks, the first two of which read sources, with numbers from 7 on. Commands to wake are left out.
struct Driven {
    coordinator: Coordinator,
    wake: Option<Instant>,
}

fn driven(change: impl FnOnce(&mut CheckpointSettings)) -> Driven {
    let mut settings = CheckpointSettings { timeout: seconds(60), ..CheckpointSettings::default() };
    change(&mut settings);
    let coordinator = Coordinator::new(settings, 3, [0, 1], 7, CheckpointHistory::default(), at(0));
    let mut driven = Driven { coordinator, wake: None };
    assert_eq!(driven.give(0, Input::Timer), []);
    driven
}

impl Driven {
    fn give(&mut self, now: u64, input: Input) -> Vec<Command> {
        let mut commands = self.coordinator.handle(at(now), input);
        commands.retain(|command| match command {
            Command::WakeAt(at) => {
                self.wake = Some(*at);
                false
            }
            _ => true,
        });
        commands
    }

    fn timer(&mut self, now: u64) -> Vec<Command> {
        self.give(now, Input::Timer)
    }

    /// Acknowledged by all.
    fn acknowledged(&mut self, now: u64, checkpoint: u64) -> Vec<Command> {
        let acks = (0..3).map(|task| Input::Ack { checkpoint, task, report: SubtaskReport::default() });
        acks.flat_map(|ack| self.give(now, ack)).collect()
    }

    /// A checkpoint that was just triggered goes well.
    fn completes(&mut self, now: u64, checkpoint: u64) -> Vec<Command> {
        let stored = self.acknowledged(now, checkpoint);
        assert!(
            matches!(stored[..], [Command::Store { checkpoint: stored, .. }] if stored == checkpoint),
            "{stored:?}"
        );
        assert_eq!(self.give(now, Input::Stored { checkpoint }), [Command::Complete { checkpoint }]);
        self.give(now, Input::Committed { checkpoint })
    }

    fn declined(&mut self, now: u64, checkpoint: u64) -> Vec<Command> {
        self.give(now, Input::Declined { checkpoint, task: 2, reason: "no room".to_owned() })
    }

    fn drained(&mut self, now: u64) -> Vec<Command> {
        [0, 1].into_iter().flat_map(|task| self.give(now, Input::Drained { task })).collect()
    }

    fn wakes(&self) -> Option<u64> {
        self.wake.map(|at| at.nanos() / SECOND)
    }
}

fn trigger(checkpoint: u64, kind: CheckpointKind) -> Command {
    Command::Trigger { checkpoint, kind }
}

fn aborted(checkpoint: u64, reason: &str) -> Command {
    Command::Abort { checkpoint, reason: reason.to_owned() }
}

fn answer(id: u64, checkpoint: u64) -> Command {
    Command::Answer { id, result: Ok(checkpoint) }
}

fn refusal(id: u64, reason: &str) -> Command {
    Command::Answer { id, result: Err(reason.to_owned()) }
}

#[test]
fn checkpoints_are_made_at_intervals_from_start_to_start() {
    let mut job = driven(|_| {});
    assert_eq!(job.wakes(), Some(10));
    assert_eq!(job.timer(9), []);
    assert_eq!(job.timer(10), [trigger(7, Periodic)]);
    assert_eq!(job.wakes(), Some(70));
    assert_eq!(job.completes(13, 7), []);
    assert_eq!(job.wakes(), Some(20));
    assert_eq!(job.timer(20), [trigger(8, Periodic)]);
    assert_eq!(job.completes(35, 8), [trigger(9, Periodic)], "the interval is over already");
    assert_eq!(job.coordinator.history().completed, 2);
}

#[test]
fn the_pause_counts_from_the_end() {
    let mut job = driven(|settings| settings.min_pause = seconds(8));
    job.timer(10);
    assert_eq!(job.completes(15, 7), []);
    assert_eq!(job.wakes(), Some(23));
    assert_eq!(job.timer(20), []);
    assert_eq!(job.timer(23), [trigger(8, Periodic)]);
}

#[test]
fn a_checkpoint_is_stored_once_all_have_acknowledged_it_and_complete_once_it_is_stored() {
    let mut job = driven(|_| {});
    job.timer(10);
    let ack = |task| Input::Ack { checkpoint: 7, task, report: SubtaskReport::default() };
    for task in [0, 2, 2, 9] {
        assert_eq!(job.give(11, ack(task)), [], "twice or from nowhere does not count");
    }
    assert_eq!(job.give(11, Input::Stored { checkpoint: 7 }), [], "nobody asked for that");
    assert_eq!(job.give(12, ack(1)), [Command::Store { checkpoint: 7, kind: Periodic }]);
    assert_eq!(job.timer(100), [], "storing has no timeout");
    assert_eq!(job.give(100, Input::Committed { checkpoint: 7 }), []);
    assert_eq!(job.give(101, Input::Stored { checkpoint: 7 }), [Command::Complete { checkpoint: 7 }]);
    assert_eq!(job.timer(102), [], "the next one waits until sinks have committed");
    assert_eq!(job.give(103, Input::Committed { checkpoint: 7 }), [trigger(8, Periodic)]);
}

#[test]
fn a_checkpoint_that_takes_too_long_is_aborted_and_late_acks_are_ignored() {
    let mut job = driven(|settings| settings.timeout = seconds(4));
    job.timer(10);
    job.give(11, Input::Ack { checkpoint: 7, task: 1, report: SubtaskReport::default() });
    assert_eq!(job.timer(13), []);
    let reason = "2 of 3 subtasks have not acknowledged it within 4s (setting `checkpoint.timeout`)";
    assert_eq!(job.timer(14), [aborted(7, reason)]);
    assert_eq!(job.acknowledged(15, 7), []);
    assert_eq!(job.wakes(), Some(20));
    assert_eq!(job.timer(20), [trigger(8, Periodic)]);
    assert_eq!(job.acknowledged(21, 7), [], "those of another checkpoint do not count");
    assert_eq!(job.completes(22, 8), []);
}

#[test]
fn failures_in_a_row_are_tolerated_up_to_a_bound() {
    let mut job = driven(|settings| settings.tolerated_failures = 2);
    let fails = |job: &mut Driven, n| {
        assert_eq!(job.timer(n * 10), [trigger(n + 6, Periodic)]);
        job.declined(n * 10, n + 6)
    };
    for n in [1, 2] {
        assert_eq!(fails(&mut job, n), [aborted(n + 6, "no room")]);
    }
    job.timer(30);
    assert_eq!(job.completes(30, 9), []);
    for n in [4, 5] {
        assert_eq!(fails(&mut job, n), [aborted(n + 6, "no room")], "a success begins a new row");
    }
    let reason = "3 checkpoints in a row failed, the last (12): no room (so many may fail in a row: 2, setting \
                  `checkpoint.tolerated-failures`)";
    assert_eq!(fails(&mut job, 6), [aborted(12, "no room"), Command::Fail { reason: reason.to_owned() }]);
    assert_eq!(job.timer(1_000), []);
    assert_eq!(job.give(1_000, Input::Request { id: 1 }), [refusal(1, "the job is ending")]);
}

#[test]
fn no_failure_is_tolerated_if_none_may_be() {
    let mut job = driven(|settings| settings.tolerated_failures = 0);
    job.timer(10);
    let commands = job.declined(10, 7);
    assert_eq!(commands[0], aborted(7, "no room"));
    assert!(
        matches!(&commands[1..], [Command::Fail { reason }] if reason.starts_with("checkpoint 7 failed: no room (")),
        "{commands:?}"
    );
}

#[test]
fn a_manifest_that_cannot_be_stored_is_a_failure_and_another_owner_is_the_end() {
    let mut job = driven(|_| {});
    job.timer(10);
    job.acknowledged(10, 7);
    let failed = |checkpoint, deposed| Input::StoreFailed { checkpoint, reason: "disk full".to_owned(), deposed };
    assert_eq!(job.give(11, failed(6, true)), [], "of no checkpoint that is made here");
    assert_eq!(job.give(11, failed(7, false)), [aborted(7, "disk full")]);
    assert_eq!(job.timer(20), [trigger(8, Periodic)]);
    job.acknowledged(20, 8);
    job.give(20, Input::Request { id: 4 });
    assert_eq!(
        job.give(21, failed(8, true)),
        [aborted(8, "disk full"), refusal(4, "disk full"), Command::Fail { reason: "disk full".to_owned() }]
    );
}

#[test]
fn a_job_whose_sources_are_drained_ends_with_a_final_checkpoint() {
    let mut job = driven(|_| {});
    assert_eq!(job.give(3, Input::Drained { task: 1 }), []);
    assert_eq!(job.give(3, Input::Drained { task: 1 }), []);
    assert_eq!(job.give(4, Input::Drained { task: 0 }), [trigger(7, Final)]);
    assert_eq!(job.completes(5, 7), [Command::Finish]);
    assert_eq!(job.timer(100), []);
}

#[test]
fn a_checkpoint_that_is_under_way_ends_before_the_final_one() {
    let mut job = driven(|_| {});
    job.timer(10);
    assert_eq!(job.drained(11), []);
    assert_eq!(job.completes(12, 7), [trigger(8, Final)]);

    let mut job = driven(|_| {});
    job.timer(10);
    job.drained(11);
    assert_eq!(job.declined(12, 7), [aborted(7, "no room"), trigger(8, Final)]);
}

#[test]
fn a_final_checkpoint_that_fails_is_made_again_soon() {
    let mut job = driven(|settings| (settings.interval, settings.min_pause) = (seconds(3_600), seconds(3_600)));
    assert_eq!(job.drained(5), [trigger(7, Final)]);
    assert_eq!(job.declined(6, 7), [aborted(7, "no room")]);
    assert_eq!(job.wakes(), Some(15));
    assert_eq!(job.timer(14), []);
    assert_eq!(job.timer(15), [trigger(8, Final)]);
    assert_eq!(job.completes(16, 8), [Command::Finish]);
}

#[test]
fn a_request_is_answered_when_its_checkpoint_is_committed() {
    let mut job = driven(|settings| settings.min_pause = seconds(100));
    assert_eq!(job.give(1, Input::Request { id: 40 }), [trigger(7, Periodic)]);
    assert_eq!(job.give(2, Input::Request { id: 41 }), [], "the present one began before it was asked for");
    assert_eq!(job.completes(3, 7), [answer(40, 7), trigger(8, Periodic)], "it does not wait for the pause");
    assert_eq!(job.declined(4, 8), [aborted(8, "no room"), refusal(41, "checkpoint 8 failed: no room")]);
    assert_eq!(job.wakes(), Some(104));
}

#[test]
fn a_stop_is_a_checkpoint_and_the_end() {
    let mut job = driven(|_| {});
    job.timer(10);
    assert_eq!(job.give(11, Input::Stop { id: 1 }), []);
    assert_eq!(job.completes(12, 7), [trigger(8, Stop)]);
    assert_eq!(job.give(13, Input::Stop { id: 2 }), []);
    assert_eq!(job.give(13, Input::Request { id: 3 }), []);
    assert_eq!(job.declined(14, 8), [aborted(8, "no room")], "those who wait for the end wait on");
    assert_eq!(job.timer(22), [trigger(9, Stop)]);
    assert_eq!(job.completes(23, 9), [answer(3, 9), answer(1, 9), answer(2, 9), Command::Stopped]);
    assert_eq!(job.give(24, Input::Stop { id: 5 }), [refusal(5, "the job is ending")]);
}

#[test]
fn whoever_stops_a_job_that_is_at_its_end_gets_the_final_checkpoint() {
    let mut job = driven(|_| {});
    job.drained(1);
    job.give(2, Input::Stop { id: 1 });
    job.give(2, Input::Request { id: 2 });
    assert_eq!(job.completes(3, 7), [answer(2, 7), answer(1, 7), Command::Finish]);
}

#[test]
fn all_who_wait_are_told_of_the_end() {
    let mut job = driven(|settings| settings.tolerated_failures = 0);
    job.give(1, Input::Request { id: 1 });
    job.give(1, Input::Request { id: 2 });
    job.give(1, Input::Stop { id: 3 });
    let closed = || Input::Closed { reason: "operator `map` failed".to_owned() };
    let told = [1, 2, 3].map(|id| refusal(id, "operator `map` failed"));
    assert_eq!(job.give(2, closed()), told);
    assert_eq!(job.give(3, closed()), []);
    assert_eq!((job.coordinator.history().completed, job.coordinator.history().failed), (0, 1));
}

#[test]
fn a_checkpoint_that_is_stored_when_the_attempt_fails_counts_as_completed() {
    let mut job = driven(|_| {});
    job.timer(10);
    job.acknowledged(10, 7);
    job.give(10, Input::Stored { checkpoint: 7 });
    job.give(11, Input::Closed { reason: "a sink cannot commit".to_owned() });
    assert_eq!((job.coordinator.history().completed, job.coordinator.history().failed), (1, 0));
}

#[test]
fn requests_have_a_bound() {
    let mut job = driven(|_| {});
    job.timer(10);
    for id in 0..REQUESTS_LIMIT as u64 {
        assert_eq!(job.give(11, Input::Request { id }), []);
    }
    let refused = job.give(11, Input::Request { id: 99 });
    assert!(matches!(&refused[..], [Command::Answer { id: 99, result: Err(_) }]), "{refused:?}");
}

#[test]
fn settings_hold_from_when_they_are_changed() {
    let mut job = driven(|_| {});
    let settings = CheckpointSettings { interval: seconds(2), timeout: seconds(1), ..CheckpointSettings::default() };
    assert_eq!(job.give(1, Input::Changed(settings.clone())), []);
    assert_eq!(job.wakes(), Some(2));
    assert_eq!(job.timer(2), [trigger(7, Periodic)]);
    assert_eq!(job.wakes(), Some(3));
    let longer = CheckpointSettings { timeout: seconds(5), ..settings.clone() };
    job.give(2, Input::Changed(longer));
    assert_eq!(job.wakes(), Some(7));
    assert_eq!(job.timer(3), [], "a timer that was set before does no harm");
    assert_eq!(job.completes(6, 7), [trigger(8, Periodic)]);
}

#[test]
fn times_at_the_end_of_the_clock_do_not_overflow() {
    let mut job = driven(|settings| (settings.interval, settings.timeout) = (Duration::MAX, Duration::MAX));
    assert_eq!(job.wake, Some(Instant::from_nanos(u64::MAX)));
    assert_eq!(job.give(1, Input::Request { id: 1 }), [trigger(7, Periodic)]);
    assert_eq!(job.completes(2, 7), [answer(1, 7)]);
}
