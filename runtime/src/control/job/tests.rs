//! The JobMaster, case by case.

mod savepoints;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use millstream_state::manifest::CheckpointKind;

use super::{
    super::{
        ids::{AttemptId, Epoch, JobId, RequestId, SlotId, SlotIndex, SubtaskId, TaskManagerId, Vertex},
        message::{self, Order, Report, TaskRef},
        slots::{Grant, SlotStatus},
        topology::{Topology, VertexInfo},
    },
    failure::{FailureClass, JobFailure},
    lifecycle::JobState,
    machine::{Command, Input, JobMaster, JobSettings, Recovery, Restored, SLOT_TIMEOUT, Work},
};
use crate::{checkpoint::SubtaskReport, env::Instant, restart::RestartStrategy, settings::CheckpointSettings};

const A: TaskManagerId = TaskManagerId(0xA);
const B: TaskManagerId = TaskManagerId(0xB);

/// A job of two regions, a source of two subtasks with a vertex of one behind it, and a source alone; slot 0 is on A, slot 1 on B.
struct Driven {
    master: JobMaster,
    now: Instant,
    /// What there is still to be looked at.
    out: Vec<Command>,
}

fn topology(parallelism: u32) -> Topology {
    let vertex = |name: &str, parallelism, is_source: bool| VertexInfo {
        name: name.to_owned(),
        parallelism,
        group: 0,
        connected: if is_source { 0 } else { parallelism },
    };
    let vertices = vec![vertex("orders", parallelism, true), vertex("count", 1, false), vertex("ticks", 1, true)];
    Topology::new(vertices, vec![(Vertex(0), Vertex(1))]).unwrap()
}

fn settings(checkpoints: bool) -> JobSettings {
    JobSettings {
        checkpoints: checkpoints.then(CheckpointSettings::default),
        restart: RestartStrategy::FixedDelay { attempts: 2, delay: Duration::from_secs(1) },
        slot_timeout: SLOT_TIMEOUT,
        is_attended: false,
    }
}

fn subtask(vertex: u32, subtask: u32) -> SubtaskId {
    SubtaskId { vertex: Vertex(vertex), subtask }
}

/// All subtasks, and where they are.
const ALL: [(TaskManagerId, SubtaskId); 4] = [
    (A, SubtaskId { vertex: Vertex(0), subtask: 0 }),
    (B, SubtaskId { vertex: Vertex(0), subtask: 1 }),
    (A, SubtaskId { vertex: Vertex(1), subtask: 0 }),
    (A, SubtaskId { vertex: Vertex(2), subtask: 0 }),
];

fn user() -> Report {
    Report::Failed(JobFailure::new(FailureClass::User, "the record is bad"))
}

impl Driven {
    fn new(settings: JobSettings) -> Self {
        let now = Instant::from_nanos(0);
        let epoch = Epoch::new(3).unwrap();
        let master = JobMaster::new(JobId(1), epoch, topology(2), settings, now);
        let mut driven = Self { master, now, out: Vec::new() };
        driven.give(Input::Timer);
        driven
    }

    /// One whose tasks all run.
    fn running(checkpoints: bool) -> Self {
        let mut driven = Self::new(settings(checkpoints));
        driven.recover(None);
        driven.grant();
        driven.come_up();
        assert_eq!(driven.master.state(), JobState::Running);
        driven
    }

    fn give(&mut self, input: Input) {
        self.master.step(self.now, 0, input, &mut self.out);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.give(Input::Timer);
    }

    /// What the driver is to do, but for what every checkpoint begins with.
    fn works(&mut self) -> Vec<Work> {
        self.out.retain(|command| !matches!(command, Command::Work(Work::Begin { .. })));
        let works = self.out.extract_if(.., |command| matches!(command, Command::Work(_)));
        let works = works.map(|command| if let Command::Work(work) = command { work } else { unreachable!() });
        // What has been of a job is for those who look.
        let without_past = |work| match work {
            Work::Ended { state, failure, .. } => Work::Ended { state, failure, past: Box::default() },
            work => work,
        };
        works.map(without_past).collect()
    }

    /// The orders of a kind, to whom and for which subtasks.
    fn orders(&mut self, wanted: Order) -> BTreeSet<(TaskManagerId, SubtaskId)> {
        let is_it = |command: &mut Command| matches!(command, Command::Send { body: message::Command::Order { order, .. }, .. } if *order == wanted);
        let found: Vec<_> = self.out.extract_if(.., is_it).collect();
        let tasks = found.into_iter().flat_map(|command| match command {
            Command::Send { to, body: message::Command::Order { tasks, .. } } => {
                tasks.into_iter().map(|task| (to, task.subtask)).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        });
        tasks.collect()
    }

    /// What was deployed: the attempt, the checkpoint, and what is where.
    fn deployed(&mut self) -> BTreeSet<(AttemptId, Option<u64>, TaskManagerId, SubtaskId)> {
        let is_it = |command: &mut Command| matches!(command, Command::Send { body: message::Command::Deploy(_), .. });
        let found: Vec<_> = self.out.extract_if(.., is_it).collect();
        let tasks = found.into_iter().flat_map(|command| match command {
            Command::Send { to, body: message::Command::Deploy(it) } => {
                it.tasks.iter().map(|(subtask, _)| (it.attempt, it.restore, to, *subtask)).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        });
        tasks.collect()
    }

    fn recover(&mut self, checkpoint: Option<u64>) {
        let works = self.works();
        let [Work::Recover { attempt, .. }] = works[..] else { panic!("{works:?}") };
        let restored = checkpoint.map(|checkpoint| Restored { checkpoint, kind: CheckpointKind::Periodic });
        self.give(Input::Recovered { attempt, result: Ok(Recovery::of(restored, checkpoint.unwrap_or(0) + 1)) });
    }

    /// Gives the slots that are wanted.
    fn grant(&mut self) {
        let wanted = self.out.extract_if(.., |command| matches!(command, Command::RequestSlots { .. })).next();
        let Some(Command::RequestSlots { wants, .. }) = wanted else { panic!("{:?}", self.out) };
        let grants = wants.iter().map(|want| {
            let taskmanager = if want.slot.index == 0 { A } else { B };
            let id = SlotId { taskmanager, slot: SlotIndex(want.slot.index) };
            Grant { slot: want.slot, id, endpoint: "there".into() }
        });
        self.give(Input::Granted(grants.collect()));
    }

    fn task(&self, subtask: SubtaskId) -> TaskRef {
        let task = self.master.topology().task(subtask).unwrap();
        self.master.executions().get(task).task().unwrap()
    }

    fn report(&mut self, taskmanager: TaskManagerId, subtask: SubtaskId, report: Report) {
        let task = self.task(subtask);
        self.give(Input::Report { taskmanager, task, report });
    }

    /// All that is being deployed takes its tasks, and they run.
    fn come_up(&mut self) {
        for (attempt, _, taskmanager, subtask) in self.deployed() {
            self.give(Input::Deployed { taskmanager, attempt, result: Ok(()) });
            self.report(taskmanager, subtask, Report::Running);
        }
    }

    fn acknowledge(&mut self, checkpoint: u64, of: &[(TaskManagerId, SubtaskId)]) {
        for (taskmanager, subtask) in of {
            let (stats, state) = (SubtaskReport::default(), Bytes::new());
            self.report(*taskmanager, *subtask, Report::Ack { checkpoint, stats, state });
        }
    }

    /// Makes a checkpoint that has been triggered.
    fn complete(&mut self, checkpoint: u64) {
        self.acknowledge(checkpoint, &ALL);
        self.give(Input::Stored { checkpoint, result: Ok(()) });
        self.give(Input::Committed { checkpoint, result: Ok(()) });
    }

    fn confirm_cancelled(&mut self) {
        for (taskmanager, subtask) in self.orders(Order::Cancel) {
            self.report(taskmanager, subtask, Report::Cancelled);
        }
    }
}

fn all() -> BTreeSet<(TaskManagerId, SubtaskId)> {
    ALL.into_iter().collect()
}

#[test]
fn a_job_recovers_gets_its_slots_is_deployed_and_makes_checkpoints() {
    let mut driven = Driven::new(settings(true));
    assert_eq!(driven.master.state(), JobState::Created);
    driven.recover(Some(7));
    assert_eq!(driven.master.state(), JobState::Waiting);
    driven.grant();
    let deployed = driven.deployed();
    assert!(deployed.iter().all(|(_, restore, ..)| *restore == Some(7)), "{deployed:?}");
    assert_eq!(
        deployed.iter().map(|(.., taskmanager, subtask)| (*taskmanager, *subtask)).collect::<BTreeSet<_>>(),
        all()
    );
    ALL.into_iter().for_each(|(taskmanager, subtask)| driven.report(taskmanager, subtask, Report::Running));
    assert_eq!(driven.master.state(), JobState::Running);
    driven.wait(10);
    let kind = CheckpointKind::Periodic;
    let is_trigger = |command: &Command| {
        matches!(command, Command::Send { body: message::Command::Order { order: Order::Trigger { .. }, .. }, .. })
    };
    let begins = driven.out.iter().position(|it| *it == Command::Work(Work::Begin { checkpoint: 8, kind }));
    assert!(begins.is_some() && begins < driven.out.iter().position(is_trigger), "{:?}", driven.out);
    let sources = driven.orders(Order::Trigger { checkpoint: 8, kind });
    assert_eq!(sources, [ALL[0], ALL[1], ALL[3]].into());
    driven.acknowledge(8, &ALL);
    let works = driven.works();
    let [Work::Store { checkpoint: 8, states, .. }] = &works[..] else { panic!("{works:?}") };
    assert_eq!(states.len(), 4);
    driven.give(Input::Stored { checkpoint: 8, result: Ok(()) });
    assert_eq!(driven.works(), [Work::Commit { checkpoint: 8, kind, savepoints: Vec::new() }]);
    assert_eq!(driven.orders(Order::Complete { checkpoint: 8 }), all());
}

#[test]
fn only_the_region_that_failed_restarts_and_what_was_being_made_is_given_up() {
    let mut driven = Driven::running(true);
    driven.wait(10);
    driven.complete(1);
    driven.works();
    driven.wait(10);
    driven.give(Input::Checkpoint { request: RequestId(5) });
    driven.acknowledge(2, &ALL[..2]);
    driven.out.clear();
    driven.report(B, subtask(0, 1), user());
    assert_eq!(driven.master.state(), JobState::Restarting);
    assert_eq!(driven.orders(Order::Cancel), [ALL[0], ALL[2]].into());
    assert!(driven.orders(Order::Abort { checkpoint: 2 }).contains(&ALL[3]));
    assert!(matches!(&driven.works()[..], [Work::Answer { request: RequestId(5), result: Err(_) }]));
    driven.wait(5);
    assert_eq!(driven.works(), [], "it waits for the tasks to be dead");
    driven.orders(Order::Cancel);
    driven.report(A, subtask(0, 0), Report::Cancelled);
    driven.report(A, subtask(1, 0), Report::Cancelled);
    let works = driven.works();
    assert!(matches!(&works[..], [Work::Recover { vertices, .. }] if *vertices == [Vertex(0), Vertex(1)]), "{works:?}");
    let Work::Recover { attempt, .. } = works[0] else { unreachable!() };
    let restored = Restored { checkpoint: 1, kind: CheckpointKind::Periodic };
    driven.give(Input::Recovered { attempt, result: Ok(Recovery::of(Some(restored), 2)) });
    let deployed = driven.deployed(); // its slots are still there
    let parts: BTreeSet<_> = deployed.iter().map(|(_, restore, at, subtask)| (*restore, (*at, *subtask))).collect();
    assert_eq!(parts, [ALL[0], ALL[1], ALL[2]].map(|it| (Some(1), it)).into());
    ALL[..3].iter().for_each(|(taskmanager, subtask)| driven.report(*taskmanager, *subtask, Report::Running));
    driven.wait(10);
    let kind = CheckpointKind::Periodic;
    assert_eq!(driven.orders(Order::Trigger { checkpoint: 3, kind }), [ALL[0], ALL[1], ALL[3]].into());
    let exception = &driven.master.exceptions().last[0];
    assert_eq!(exception.task, Some((subtask(0, 1), "orders".to_owned())));
}

#[test]
fn a_region_comes_back_only_when_it_is_known_whether_a_checkpoint_was_stored() {
    for (result, abort) in [(Ok(()), false), (Err("disk full".to_owned()), true)] {
        let mut driven = Driven::running(true);
        driven.wait(10);
        driven.acknowledge(1, &ALL);
        driven.report(A, subtask(2, 0), user());
        driven.out.clear();
        driven.wait(5);
        assert_eq!(driven.works(), []);
        driven.give(Input::Stored { checkpoint: 1, result });
        assert_eq!(driven.orders(Order::Abort { checkpoint: 1 }).is_empty(), !abort);
        if !abort {
            assert!(matches!(driven.works()[..], [Work::Commit { checkpoint: 1, .. }]));
            driven.give(Input::Committed { checkpoint: 1, result: Ok(()) });
        }
        assert!(matches!(driven.works()[..], [Work::Recover { .. }]));
    }
}

#[test]
fn what_cannot_even_be_begun_is_final_if_the_user_can_repair_it() {
    let mut driven = Driven::new(settings(true));
    driven.recover(None);
    driven.grant();
    driven.report(A, subtask(0, 0), user());
    assert_eq!(driven.master.state(), JobState::Failing);
    driven.confirm_cancelled();
    let works = driven.works();
    let [Work::Ended { state: JobState::Failed, failure: Some(failure), .. }] = &works[..] else { panic!("{works:?}") };
    assert_eq!(failure.message, "the record is bad");

    let mut driven = Driven::new(settings(true));
    driven.recover(None);
    driven.grant();
    driven.give(Input::TaskManagerLost { taskmanager: B, reason: "gone".to_owned() });
    assert_eq!(driven.master.state(), JobState::Restarting, "the cluster's failures are left to the strategy");
}

#[test]
fn a_region_that_has_run_comes_back_though_others_have_not_come_up() {
    let mut driven = Driven::new(settings(true));
    driven.recover(None);
    driven.grant();
    driven.report(A, subtask(2, 0), Report::Running);
    driven.report(A, subtask(2, 0), user());
    assert_eq!(driven.master.state(), JobState::Restarting, "it may have been a record, and that may be gone");
}

#[test]
fn whoever_sits_in_front_of_a_job_is_told_at_once_what_fails_before_it_runs() {
    let environment = JobFailure::new(FailureClass::Environment, "the directory is locked");
    let attended = || JobSettings { is_attended: true, ..settings(true) };
    let mut driven = Driven::new(attended());
    let works = driven.works();
    let [Work::Recover { attempt, .. }] = works[..] else { panic!("{works:?}") };
    driven.give(Input::Recovered { attempt, result: Err(environment.clone()) });
    assert_eq!(driven.master.state(), JobState::Failed);

    let mut driven = Driven::new(attended());
    driven.recover(None);
    driven.grant();
    driven.come_up();
    for restarts in 1..=2 {
        driven.report(A, subtask(2, 0), Report::Failed(environment.clone()));
        assert_eq!((driven.master.state(), driven.master.exceptions().restarts), (JobState::Restarting, restarts));
        driven.wait(1);
        driven.recover(None);
        driven.come_up();
    }
    driven.works();
    driven.report(A, subtask(2, 0), Report::Failed(environment.clone()));
    driven.confirm_cancelled();
    let works = driven.works();
    let [Work::Ended { failure: Some(failure), .. }] = &works[..] else { panic!("{works:?}") };
    assert_eq!(*failure, environment, "and nothing is said of the strategy");
    assert_eq!(driven.master.exceptions().restarts, 2, "the last failure was the end");
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_not_for_the_restart_strategy() {
    let mut driven = Driven::new(JobSettings { restart: RestartStrategy::None, ..settings(true) });
    driven.recover(Some(7));
    driven.grant();
    let rejects = JobFailure { rejects: true, ..JobFailure::new(FailureClass::Environment, "it is damaged") };
    driven.report(A, subtask(2, 0), Report::Failed(rejects));
    assert_eq!(driven.master.state(), JobState::Restarting, "the one before may be read");
    driven.wait(0);
    driven.recover(Some(6));
}

#[test]
fn checkpoints_are_made_as_the_newest_settings_say() {
    let mut driven = Driven::running(true);
    let interval = |seconds| CheckpointSettings { interval: Duration::from_secs(seconds), ..Default::default() };
    let triggers = |driven: &mut Driven, checkpoint| {
        !driven.orders(Order::Trigger { checkpoint, kind: CheckpointKind::Periodic }).is_empty()
    };
    driven.give(Input::Changed(interval(100)));
    driven.wait(50);
    assert!(!triggers(&mut driven, 1));
    driven.wait(50);
    assert!(triggers(&mut driven, 1));
    driven.complete(1);
    driven.works();
    // Also when tasks were started again.
    driven.report(A, subtask(2, 0), user());
    driven.wait(1);
    driven.recover(Some(1));
    driven.come_up();
    driven.wait(50);
    assert!(!triggers(&mut driven, 2));
    driven.wait(50);
    assert!(triggers(&mut driven, 2));

    let mut driven = Driven::running(false);
    driven.give(Input::Changed(interval(1)));
    driven.wait(10);
    driven.give(Input::Checkpoint { request: RequestId(1) });
    assert!(
        matches!(&driven.works()[..], [Work::Answer { result: Err(_), .. }]),
        "a job without checkpoints makes none"
    );
}

#[test]
fn a_job_that_fails_too_often_says_so() {
    let mut driven = Driven::running(true);
    for _ in 0..2 {
        driven.report(A, subtask(2, 0), user());
        driven.wait(1);
        driven.recover(None);
        driven.come_up();
    }
    driven.report(A, subtask(2, 0), user());
    driven.confirm_cancelled();
    let works = driven.works();
    let [Work::Ended { failure: Some(failure), .. }] = &works[..] else { panic!("{works:?}") };
    assert!(failure.message.starts_with("the record is bad (it has been restarted 2 times"), "{failure}");
}

#[test]
fn slots_of_a_lost_taskmanager_are_wanted_again_and_where_they_were_is_preferred() {
    let mut driven = Driven::running(true);
    driven.give(Input::TaskManagerLost { taskmanager: B, reason: "gone".to_owned() });
    driven.confirm_cancelled();
    driven.wait(1);
    driven.recover(None);
    let [Command::RequestSlots { wants, .. }] = &driven.out[..] else { panic!("{:?}", driven.out) };
    let before = SlotId { taskmanager: B, slot: SlotIndex(1) };
    assert_eq!(wants.iter().map(|want| want.prefers).collect::<Vec<_>>(), [Some(before)]);
    // The other TaskManager goes, too, while the job waits: now it wants both.
    driven.out.clear();
    driven.give(Input::TaskManagerLost { taskmanager: A, reason: "gone".to_owned() });
    assert!(driven.out.contains(&Command::WithdrawSlots));
    driven.wait(1);
    driven.recover(None);
    let wants = driven.out.iter().filter_map(|command| match command {
        Command::RequestSlots { wants, .. } => Some(wants.len()),
        _ => None,
    });
    assert_eq!(wants.last(), Some(2));
}

#[test]
fn who_gets_no_slots_in_time_fails_and_says_what_to_do() {
    let mut driven = Driven::new(settings(true));
    driven.recover(None);
    let status = SlotStatus { wanted: 2, there: 1, free: 1, since: driven.now, timeout: SLOT_TIMEOUT };
    driven.give(Input::SlotsOverdue(status));
    let works = driven.works();
    let [Work::Ended { state: JobState::Failed, failure: Some(failure), .. }] = &works[..] else { panic!("{works:?}") };
    let text = failure.to_string();
    assert!(text.contains("2 slots are wanted, the cluster has 1, and 1 of these are free"), "{text}");
    assert!(text.contains("hint: start more TaskManagers"), "{text}");
}

#[test]
fn what_attempts_say_that_do_not_count_is_not_heard_and_they_are_stopped() {
    let mut driven = Driven::running(true);
    let old = driven.task(subtask(2, 0));
    driven.report(A, subtask(2, 0), user());
    driven.wait(1);
    driven.recover(None);
    driven.come_up();
    driven.wait(10);
    driven.out.clear();
    driven.acknowledge(1, &ALL[..3]);
    let ack = Report::Ack { checkpoint: 1, stats: SubtaskReport::default(), state: Bytes::new() };
    driven.give(Input::Report { taskmanager: A, task: old, report: ack });
    assert_eq!(driven.works(), [], "the checkpoint is not complete");
    assert_eq!(driven.orders(Order::Cancel), [ALL[3]].into());
    driven.give(Input::Report { taskmanager: A, task: old, report: Report::Cancelled });
    driven.acknowledge(1, &ALL[3..]);
    assert!(matches!(driven.works()[..], [Work::Store { checkpoint: 1, .. }]));
}

#[test]
fn orders_are_repeated_after_growing_pauses_until_they_are_answered() {
    let mut driven = Driven::running(true);
    driven.give(Input::Cancel { request: RequestId(1) });
    assert_eq!(driven.orders(Order::Cancel), all());
    ALL[1..].iter().for_each(|(taskmanager, subtask)| driven.report(*taskmanager, *subtask, Report::Cancelled));
    for pause in [1, 2, 4, 8, 10, 10] {
        driven.wait(pause - 1);
        assert_eq!(driven.orders(Order::Cancel), [].into(), "before {pause} s");
        driven.wait(1);
        assert_eq!(driven.orders(Order::Cancel), [ALL[0]].into(), "after {pause} s");
    }
    driven.report(A, subtask(0, 0), Report::Cancelled);
    let answer = Work::Answer { request: RequestId(1), result: Ok(None) };
    assert_eq!(
        driven.works(),
        [Work::Ended { state: JobState::Cancelled, failure: None, past: Box::default() }, answer]
    );
    assert_eq!(driven.master.deadline(), None);
    driven.give(Input::Stop { request: RequestId(2) });
    assert!(matches!(driven.works()[..], [Work::Answer { request: RequestId(2), result: Err(_) }]));
}

#[test]
fn who_stops_a_job_is_told_when_it_has_ended() {
    let mut driven = Driven::running(true);
    driven.give(Input::Stop { request: RequestId(4) });
    assert_eq!(driven.master.state(), JobState::Stopping);
    driven.complete(1);
    assert!(matches!(driven.works()[..], [Work::Store { .. }, Work::Commit { .. }]));
    driven.confirm_cancelled();
    let ended = Work::Ended { state: JobState::Finished, failure: None, past: Box::default() };
    assert_eq!(driven.works(), [ended, Work::Answer { request: RequestId(4), result: Ok(Some(1)) }]);
}

#[test]
fn a_rescaled_job_goes_on_from_the_checkpoint_that_was_made_for_it() {
    let mut driven = Driven::running(true);
    let parallelism = [(Vertex(0), 1)].into();
    driven.give(Input::Rescale { request: RequestId(4), parallelism });
    driven.complete(1);
    driven.works();
    driven.confirm_cancelled();
    assert!(matches!(&driven.works()[..], [Work::Rebuild { parallelism }] if parallelism[&Vertex(0)] == 1));
    driven.give(Input::Rebuilt(Ok(topology(1))));
    let released = Command::ReleaseSlots(vec![SlotId { taskmanager: B, slot: SlotIndex(1) }]);
    assert!(driven.out.contains(&released), "{:?}", driven.out);
    driven.recover(Some(1));
    let deployed = driven.deployed();
    assert!(deployed.iter().all(|(_, restore, taskmanager, _)| (*restore, *taskmanager) == (Some(1), A)));
    assert_eq!(deployed.len(), 3);
    for (_, _, taskmanager, subtask) in deployed {
        driven.report(taskmanager, subtask, Report::Running);
    }
    assert_eq!(driven.works(), [Work::Answer { request: RequestId(4), result: Ok(Some(1)) }]);
    assert_eq!(driven.master.state(), JobState::Running);
}

#[test]
fn a_job_that_cannot_be_rescaled_goes_on_as_it_was() {
    let mut driven = Driven::running(true);
    driven.give(Input::Rescale { request: RequestId(4), parallelism: [(Vertex(0), 500)].into() });
    driven.complete(1);
    driven.works();
    driven.confirm_cancelled();
    driven.works();
    driven.give(Input::Rebuilt(Err("too few key groups".to_owned())));
    let works = driven.works();
    let [answer, Work::Recover { attempt, .. }] = &works[..] else { panic!("{works:?}") };
    assert_eq!(*answer, Work::Answer { request: RequestId(4), result: Err("too few key groups".to_owned()) });
    let restored = Restored { checkpoint: 1, kind: CheckpointKind::Stop };
    driven.give(Input::Recovered { attempt: *attempt, result: Ok(Recovery::of(Some(restored), 2)) });
    assert_eq!(driven.deployed().len(), 4);
}

#[test]
fn behind_the_final_checkpoint_nothing_is_a_failure() {
    let mut driven = Driven::running(true);
    for source in [ALL[0], ALL[1], ALL[3]] {
        driven.report(source.0, source.1, Report::Drained);
    }
    assert_eq!(driven.master.state(), JobState::Stopping);
    driven.complete(1);
    assert_eq!(driven.orders(Order::Finish), [ALL[0], ALL[1], ALL[3]].into());
    driven.works();
    driven.report(A, subtask(2, 0), Report::Ended { output: Bytes::new() });
    driven.give(Input::TaskManagerLost { taskmanager: B, reason: "gone".to_owned() });
    driven.confirm_cancelled();
    assert_eq!(driven.works(), [Work::Ended { state: JobState::Finished, failure: None, past: Box::default() }]);
}

#[test]
fn a_task_that_hangs_behind_the_final_checkpoint_is_cancelled() {
    let mut driven = Driven::running(true);
    for source in [ALL[0], ALL[1], ALL[3]] {
        driven.report(source.0, source.1, Report::Drained);
    }
    driven.complete(1);
    driven.works();
    for (taskmanager, subtask) in &ALL[1..] {
        driven.report(*taskmanager, *subtask, Report::Ended { output: Bytes::new() });
    }
    [1, 2, 4].into_iter().for_each(|pause| driven.wait(pause));
    assert_eq!(driven.orders(Order::Cancel), [].into());
    driven.wait(8);
    driven.confirm_cancelled();
    assert_eq!(driven.works(), [Work::Ended { state: JobState::Finished, failure: None, past: Box::default() }]);
}

#[test]
fn a_job_that_had_ended_before_is_not_started_again() {
    let mut driven = Driven::new(settings(true));
    let works = driven.works();
    let [Work::Recover { attempt, .. }] = works[..] else { panic!("{works:?}") };
    let restored = Restored { checkpoint: 9, kind: CheckpointKind::Final };
    driven.give(Input::Recovered { attempt, result: Ok(Recovery::of(Some(restored), 10)) });
    assert_eq!(driven.works(), [Work::Ended { state: JobState::Finished, failure: None, past: Box::default() }]);
}

#[test]
fn without_checkpoints_all_output_is_committed_when_all_tasks_have_ended() {
    let mut driven = Driven::running(false);
    driven.give(Input::Checkpoint { request: RequestId(1) });
    assert!(
        matches!(&driven.works()[..], [Work::Answer { result: Err(reason), .. }] if reason.contains("--checkpoint-dir"))
    );
    for (taskmanager, subtask) in ALL {
        assert_eq!(driven.works(), []);
        driven.report(taskmanager, subtask, Report::Ended { output: Bytes::new() });
    }
    assert!(matches!(&driven.works()[..], [Work::CommitOutput { outputs }] if outputs.len() == 4));
    driven.give(Input::OutputCommitted(Ok(())));
    assert_eq!(driven.works(), [Work::Ended { state: JobState::Finished, failure: None, past: Box::default() }]);
}

#[test]
fn a_request_for_a_split_is_answered_once_and_the_answer_repeated() {
    let mut driven = Driven::running(true);
    let (taskmanager, task, payload) = (A, driven.task(subtask(2, 0)), Bytes::from_static(b"split"));
    let ask = |request| Input::SplitRequest { taskmanager, task, request, payload: Bytes::new() };
    driven.give(ask(1));
    driven.give(ask(1));
    assert!(matches!(driven.works()[..], [Work::AssignSplit { request: 1, .. }]));
    driven.give(Input::SplitAssigned { task, request: 1, payload: payload.clone() });
    driven.give(ask(1));
    let body = message::Command::SplitAssignment { job: JobId(1), task, request: 1, payload };
    let answer = Command::Send { to: A, body };
    assert_eq!(driven.out, [answer.clone(), answer]);
}
