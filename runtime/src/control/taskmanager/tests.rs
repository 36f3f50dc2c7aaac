//! A TaskManager, case by case.

use super::{
    super::ids::{AttemptId, SlotIndex, SubtaskId, Vertex},
    *,
};
use crate::control::message::Placement;

const JOB: JobId = JobId(7);
const LINK: ConnectionId = ConnectionId(1);

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn epoch(epoch: u64) -> Epoch {
    Epoch::new(epoch).unwrap()
}

fn task(subtask: u32, number: u32) -> TaskRef {
    let attempt = AttemptId { epoch: epoch(3), number };
    TaskRef { subtask: SubtaskId { vertex: Vertex(0), subtask }, attempt }
}

fn deploy(job: JobId, number: u32, tasks: &[(u32, u32)]) -> message::Command {
    let tasks = tasks.iter().map(|(subtask, slot)| (task(*subtask, number).subtask, SlotIndex(*slot))).collect();
    let attempt = task(0, number).attempt;
    message::Command::Deploy(Arc::new(Deploy {
        job,
        attempt,
        restore: None,
        payload: Bytes::new(),
        tasks,
        placement: Arc::new(Placement::default()),
    }))
}

fn order(order: Order, tasks: &[TaskRef]) -> message::Command {
    message::Command::Order { job: JOB, order, tasks: tasks.to_vec() }
}

struct Driven(TaskManager);

/// A TaskManager of two slots that has just looked for a leader.
fn driven() -> Driven {
    let settings = TaskManagerSettings {
        id: TaskManagerId(1),
        slots: 2,
        endpoint: "here".into(),
        heartbeats: HeartbeatSettings::default(),
        cancel_timeout: CANCEL_TIMEOUT,
    };
    let mut driven = Driven(TaskManager::new(settings));
    assert_eq!(driven.give(0, Input::Timer), [Command::Connect]);
    driven
}

/// One that has registered with leader 3 at second 0.
fn serving() -> Driven {
    let mut driven = driven();
    driven.connect(0, LINK, 3);
    driven.say(0, registered(0));
    assert!(driven.0.is_registered());
    driven
}

fn registered(sent: u64) -> message::Command {
    message::Command::Registered { sent: at(sent), heartbeats: HeartbeatSettings::default() }
}

impl Driven {
    fn give(&mut self, now: u64, input: Input) -> Vec<Command> {
        let mut commands = self.0.step(at(now), input);
        commands.retain(|command| !matches!(command, Command::WakeAt(_)));
        commands
    }

    fn connect(&mut self, now: u64, connection: ConnectionId, leader: u64) -> Vec<Command> {
        self.give(now, Input::Connected { connection, epoch: epoch(leader) })
    }

    fn say(&mut self, now: u64, body: message::Command) -> Vec<Command> {
        self.give(now, Input::Message { connection: LINK, message: ToTaskManager { epoch: epoch(3), body } })
    }

    fn report(&mut self, now: u64, task: TaskRef, report: Report) -> Vec<Command> {
        self.give(now, Input::Report { job: JOB, task, report })
    }
}

#[track_caller]
fn sent(commands: &[Command]) -> Vec<&Notification> {
    let bodies = commands.iter().filter_map(|command| match command {
        Command::Send { message, .. } => Some(&message.body),
        _ => None,
    });
    bodies.collect()
}

#[test]
fn a_deployment_that_comes_again_starts_nothing() {
    let mut driven = serving();
    let commands = driven.say(0, deploy(JOB, 1, &[(0, 0), (1, 1)]));
    assert!(matches!(commands[0], Command::Start(_)));
    let again = driven.say(0, deploy(JOB, 1, &[(0, 0), (1, 1)]));
    assert!(matches!(sent(&again)[..], [Notification::Deployed { result: Ok(()), .. }]));
    assert_eq!(again.len(), 1);
}

#[test]
fn an_old_deployment_starts_nothing_even_if_its_tasks_have_been_cancelled_before_it_came() {
    let mut driven = serving();
    let commands = driven.say(0, order(Order::Cancel, &[task(0, 1), task(1, 1)]));
    let reports = sent(&commands);
    assert!(reports.iter().all(|body| matches!(body, Notification::Report { report: Report::Cancelled, .. })));
    assert_eq!(reports.len(), 2);
    assert_eq!(sent(&driven.say(0, deploy(JOB, 1, &[(0, 0), (1, 1)]))).len(), 1);
    assert_eq!(driven.0.tasks.alive(), 0);
    assert!(matches!(driven.say(0, deploy(JOB, 2, &[(0, 0), (1, 1)]))[0], Command::Start(_)));
}

#[test]
fn a_slot_is_for_one_job_and_a_subtask_for_one_attempt() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    for (job, number, slot) in [(JobId(8), 1, 0), (JOB, 2, 1), (JOB, 3, 2)] {
        let commands = driven.say(0, deploy(job, number, &[(0, slot)]));
        assert!(matches!(sent(&commands)[..], [Notification::Deployed { result: Err(_), .. }]), "{commands:?}");
        assert_eq!(commands.len(), 1);
    }
    driven.report(0, task(0, 1), Report::Ended { output: Bytes::new() });
    assert!(matches!(driven.say(0, deploy(JobId(8), 1, &[(0, 0)]))[0], Command::Start(_)));
}

#[test]
fn a_report_is_repeated_until_it_is_noted() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    let commands = driven.report(0, task(0, 1), Report::Running);
    let [Notification::Report { seq, .. }] = sent(&commands)[..] else { panic!("{commands:?}") };
    let seq = *seq;
    let repeats =
        |commands: &[Command]| sent(commands).iter().filter(|body| matches!(body, Notification::Report { .. })).count();
    assert_eq!(repeats(&driven.give(1, Input::Timer)), 0);
    assert_eq!(repeats(&driven.give(2, Input::Timer)), 1);
    driven.say(2, message::Command::HeartbeatAnswer { sent: at(2), noted: vec![seq] });
    assert_eq!(repeats(&driven.give(6, Input::Timer)), 0);
}

#[test]
fn the_lease_ends_the_timeout_after_the_answered_heartbeat_was_sent() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    driven.say(4, message::Command::HeartbeatAnswer { sent: at(1), noted: Vec::new() });
    driven.give(5, Input::Timer);
    assert!(driven.0.is_registered());
    // Not even an order that comes before the timer does is carried out.
    let commands = driven.say(6, deploy(JOB, 2, &[(1, 1)]));
    let cancel = Command::Order { job: JOB, order: Order::Cancel, tasks: vec![task(0, 1)] };
    assert!(
        matches!(&commands[..], [first, Command::Disconnect { .. }, Command::Connect] if *first == cancel),
        "{commands:?}"
    );
}

#[test]
fn slots_are_offered_when_nothing_of_the_leader_before_is_in_them() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    let commands = driven.give(1, Input::Closed { connection: LINK });
    assert!(matches!(commands[..], [Command::Order { order: Order::Cancel, .. }, Command::Connect]), "{commands:?}");
    assert_eq!(driven.connect(2, ConnectionId(2), 4), []);
    let commands = driven.report(3, task(0, 1), Report::Cancelled);
    assert!(matches!(sent(&commands)[..], [Notification::Register { slots: 2, .. }]), "{commands:?}");
}

#[test]
fn a_deposed_leader_is_not_obeyed() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    let commands = driven.connect(1, ConnectionId(2), 4);
    assert!(matches!(
        commands[..],
        [Command::Order { order: Order::Cancel, .. }, Command::Disconnect { connection: LINK, .. }]
    ));
    assert_eq!(driven.say(1, deploy(JOB, 2, &[(1, 1)])), []);
    let commands = driven.connect(1, ConnectionId(3), 3);
    assert!(matches!(commands[..], [Command::Disconnect { connection: ConnectionId(3), .. }]));
    // The same words over the connection to the new leader are of no use either.
    let message = ToTaskManager { epoch: epoch(3), body: deploy(JOB, 2, &[(1, 1)]) };
    assert_eq!(driven.give(1, Input::Message { connection: ConnectionId(2), message }), []);
}

#[test]
fn a_leader_that_does_not_answer_a_registration_is_left() {
    let mut driven = driven();
    assert_eq!(sent(&driven.connect(0, LINK, 3)).len(), 1);
    assert_eq!(sent(&driven.give(1, Input::Timer)).len(), 1, "it is said again");
    let commands = driven.give(5, Input::Timer);
    assert!(matches!(commands[..], [Command::Disconnect { .. }, Command::Connect]), "{commands:?}");
}

#[test]
fn a_task_that_cannot_be_stopped_ends_the_process() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    driven.give(1, Input::Closed { connection: LINK });
    assert_eq!(driven.give(180, Input::Timer), []);
    let [Command::Exit { reason }] = &driven.give(181, Input::Timer)[..] else { panic!("it goes on") };
    assert!(reason.contains("vertex 0, subtask 0") && reason.contains("3min"), "{reason}");
}

#[test]
fn a_barrier_is_sent_once_and_a_request_for_a_split_repeated_until_it_is_answered() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    let trigger = |checkpoint| {
        let kind = millstream_state::manifest::CheckpointKind::Periodic;
        order(Order::Trigger { checkpoint, kind }, &[task(0, 1), task(0, 2)])
    };
    assert!(matches!(&driven.say(0, trigger(5))[..], [Command::Order { tasks, .. }] if *tasks == [task(0, 1)]));
    assert_eq!(driven.say(0, trigger(5)), []);
    assert_eq!(driven.say(0, trigger(4)), []);
    let (job, task, payload) = (JOB, task(0, 1), Bytes::new());
    let request = |request| Input::SplitRequest { job, task, request, payload: payload.clone() };
    assert_eq!(driven.give(0, request(1)).len(), 1);
    let again = driven.give(2, Input::Timer);
    assert!(sent(&again).iter().any(|body| matches!(body, Notification::SplitRequest { request: 1, .. })));
    let answer = message::Command::SplitAssignment { job, task, request: 1, payload: payload.clone() };
    assert!(matches!(driven.say(2, answer)[..], [Command::AssignSplit { request: 1, .. }]));
    assert!(sent(&driven.give(4, Input::Timer)).iter().all(|body| matches!(body, Notification::Heartbeat { .. })));
}

#[test]
fn an_answer_to_an_older_request_for_a_split_does_not_end_the_repetition_of_a_newer_one() {
    let mut driven = serving();
    driven.say(0, deploy(JOB, 1, &[(0, 0)]));
    let (job, task, payload) = (JOB, task(0, 1), Bytes::new());
    let request = |request| Input::SplitRequest { job, task, request, payload: payload.clone() };
    let answer = |task, request| message::Command::SplitAssignment { job, task, request, payload: payload.clone() };
    driven.give(0, request(1));
    driven.give(0, request(2));
    driven.say(1, answer(task, 1));
    let elsewhere = TaskRef { attempt: AttemptId { number: 0, ..task.attempt }, ..task };
    driven.say(1, answer(elsewhere, 2));
    let again = driven.give(2, Input::Timer);
    assert!(sent(&again).iter().any(|body| matches!(body, Notification::SplitRequest { request: 2, .. })), "{again:?}");
    driven.say(3, answer(task, 2));
    let again = driven.give(6, Input::Timer);
    assert!(sent(&again).iter().all(|body| !matches!(body, Notification::SplitRequest { .. })), "{again:?}");
}
