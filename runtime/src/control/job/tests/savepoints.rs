//! Savepoints: which checkpoint is whose, who is told what, and when a job ends that stops with one.

use std::sync::Arc;

use bytes::Bytes;
use millstream_state::{location::Location, manifest::CheckpointKind};

use super::{
    super::super::{
        ids::RequestId,
        job::{
            lifecycle::JobState,
            machine::{Input, Then, Work},
        },
        message::{Order, Report},
    },
    ALL, Driven,
};

fn there() -> Arc<Location> {
    Arc::new(Location::Directory("there".into()))
}

fn savepoint(driven: &mut Driven, request: u64, then: Then) {
    driven.give(Input::Savepoint { request: RequestId(request), to: there(), then });
}

fn written(driven: &mut Driven, request: u64, result: Result<(), &str>) {
    driven.give(Input::SavepointWritten { request: RequestId(request), result: result.map_err(str::to_owned) });
}

/// Lets a checkpoint pass all tasks, and be stored.
fn stores(driven: &mut Driven, checkpoint: u64) {
    driven.acknowledge(checkpoint, &ALL);
    driven.give(Input::Stored { checkpoint, result: Ok(()) });
}

#[test]
fn a_savepoint_is_copied_while_the_job_goes_on() {
    let mut driven = Driven::running(true);
    savepoint(&mut driven, 7, Then::GoOn);
    let kind = CheckpointKind::Savepoint;
    assert_eq!(driven.orders(Order::Trigger { checkpoint: 1, kind }).len(), 3);
    // This one comes too late for it.
    savepoint(&mut driven, 8, Then::GoOn);
    driven.works();
    stores(&mut driven, 1);
    let savepoints = vec![(RequestId(7), there())];
    assert!(
        matches!(&driven.works()[..], [Work::Store { .. }, Work::Commit { checkpoint: 1, savepoints: to, .. }] if *to == savepoints)
    );
    driven.give(Input::Committed { checkpoint: 1, result: Ok(()) });
    assert_eq!((driven.works(), driven.master.state()), (vec![], JobState::Running));
    assert_eq!(driven.orders(Order::Trigger { checkpoint: 2, kind }).len(), 3);
    written(&mut driven, 7, Ok(()));
    assert_eq!(driven.works(), [Work::Answer { request: RequestId(7), result: Ok(Some(1)) }]);
    stores(&mut driven, 2);
    driven.give(Input::Committed { checkpoint: 2, result: Ok(()) });
    driven.works();
    written(&mut driven, 8, Err("the disk is full"));
    assert_eq!(driven.works(), [Work::Answer { request: RequestId(8), result: Err("the disk is full".to_owned()) }]);
    assert_eq!(driven.master.state(), JobState::Running);
    // What is said twice is ignored.
    written(&mut driven, 8, Ok(()));
    assert_eq!(driven.works(), []);
}

#[test]
fn a_job_that_stops_with_a_savepoint_ends_when_it_is_written() {
    for (result, answer) in [
        (Ok(()), Ok(Some(1))),
        (
            Err("the disk is full"),
            Err("the job has ended, but the savepoint was not written: the disk is full".to_owned()),
        ),
    ] {
        let mut driven = Driven::running(true);
        savepoint(&mut driven, 7, Then::Stop);
        assert_eq!(driven.master.state(), JobState::Stopping);
        driven.works();
        stores(&mut driven, 1);
        driven.give(Input::Committed { checkpoint: 1, result: Ok(()) });
        ALL.iter().for_each(|(taskmanager, subtask)| driven.report(*taskmanager, *subtask, Report::Cancelled));
        assert!(matches!(driven.works()[..], [Work::Store { .. }, Work::Commit { .. }]));
        assert_eq!(driven.master.state(), JobState::Stopping, "it is still being copied");
        written(&mut driven, 7, result);
        let ended = Work::Ended { state: JobState::Finished, failure: None, past: Box::default() };
        assert_eq!(driven.works(), [ended, Work::Answer { request: RequestId(7), result: answer }]);
    }
}

#[test]
fn a_drain_ends_with_the_savepoint_of_the_final_checkpoint() {
    let mut driven = Driven::running(true);
    savepoint(&mut driven, 7, Then::Drain);
    let sources = [ALL[0], ALL[1], ALL[3]];
    assert_eq!(driven.orders(Order::Drain), sources.into());
    driven.report(ALL[0].0, ALL[0].1, Report::Drained);
    driven.wait(1);
    assert_eq!(driven.orders(Order::Drain), [ALL[1], ALL[3]].into(), "those that have not answered are told again");
    driven.works();
    driven.report(ALL[1].0, ALL[1].1, Report::Drained);
    driven.report(ALL[3].0, ALL[3].1, Report::Drained);
    assert_eq!(driven.orders(Order::Trigger { checkpoint: 1, kind: CheckpointKind::Final }), sources.into());
    stores(&mut driven, 1);
    let savepoints = vec![(RequestId(7), there())];
    assert!(
        matches!(&driven.works()[..], [Work::Store { .. }, Work::Commit { savepoints: to, .. }] if *to == savepoints)
    );
    driven.give(Input::Committed { checkpoint: 1, result: Ok(()) });
    ALL.iter().for_each(|(taskmanager, subtask)| {
        driven.report(*taskmanager, *subtask, Report::Ended { output: Bytes::new() })
    });
    written(&mut driven, 7, Ok(()));
    let ended = Work::Ended { state: JobState::Finished, failure: None, past: Box::default() };
    assert_eq!(driven.works(), [ended, Work::Answer { request: RequestId(7), result: Ok(Some(1)) }]);
}

#[test]
fn a_savepoint_of_a_checkpoint_that_fails_is_refused() {
    let mut driven = Driven::running(true);
    savepoint(&mut driven, 7, Then::GoOn);
    driven.works();
    driven.report(ALL[0].0, ALL[0].1, Report::Declined { checkpoint: 1, reason: "no room".to_owned() });
    let works = driven.works();
    assert!(
        matches!(&works[..], [Work::Answer { request: RequestId(7), result: Err(why) }] if why.contains("no room")),
        "{works:?}"
    );
    // And one of a job without checkpoints.
    let mut without = Driven::running(false);
    savepoint(&mut without, 9, Then::GoOn);
    let works = without.works();
    assert!(
        matches!(&works[..], [Work::Answer { result: Err(why), .. }] if why.contains("makes no checkpoints")),
        "{works:?}"
    );
}
