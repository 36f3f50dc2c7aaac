//! The leader, case by case.

use std::time::Duration;

use super::{
    super::{
        ids::{AttemptId, SubtaskId, Vertex},
        job::{
            lifecycle::JobState,
            machine::{Recovery, SLOT_TIMEOUT},
        },
        message::TaskRef,
        topology::VertexInfo,
    },
    *,
};
use crate::restart::RestartStrategy;

const JOB: JobId = JobId(7);

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn epoch(epoch: u64) -> Epoch {
    Epoch::new(epoch).unwrap()
}

struct Driven(JobManager);

/// The leader of epoch 3.
fn driven() -> Driven {
    Driven(JobManager::new(epoch(3), HeartbeatSettings::default()))
}

impl Driven {
    fn give(&mut self, now: u64, input: Input) -> Vec<Command> {
        let mut commands = self.0.step(at(now), 0, input);
        commands.retain(|command| !matches!(command, Command::WakeAt(_)));
        commands
    }

    fn say_in(&mut self, now: u64, of: u64, connection: u64, taskmanager: u128, body: Notification) -> Vec<Command> {
        let message = ToJobManager { epoch: epoch(of), taskmanager: TaskManagerId(taskmanager), body };
        self.give(now, Input::Message { connection: ConnectionId(connection), message })
    }

    fn say(&mut self, now: u64, connection: u64, taskmanager: u128, body: Notification) -> Vec<Command> {
        self.say_in(now, 3, connection, taskmanager, body)
    }

    fn register(&mut self, now: u64, connection: u64, taskmanager: u128, slots: u32) -> Vec<Command> {
        self.say(
            now,
            connection,
            taskmanager,
            Notification::Register { sent: at(now), slots, endpoint: "there".into() },
        )
    }

    fn submit(&mut self, now: u64, job: JobId) -> Vec<Command> {
        let vertex = VertexInfo { name: "v".to_owned(), parallelism: 2, group: 0, connected: 0 };
        let topology = Topology::new(vec![vertex], Vec::new()).unwrap();
        let restart = RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_secs(1) };
        let settings = JobSettings { checkpoints: None, restart, slot_timeout: SLOT_TIMEOUT, is_attended: false };
        self.give(now, Input::Submit { job, topology, settings: Box::new(settings) })
    }

    /// Answers the order to recover in these commands.
    fn recover(&mut self, now: u64, job: JobId, commands: &[Command]) -> Vec<Command> {
        let attempts = commands.iter().filter_map(|command| match command {
            Command::Job { work: Work::Recover { attempt, .. }, .. } => Some(*attempt),
            _ => None,
        });
        let attempt = attempts.last().expect("it recovers");
        self.give(
            now,
            Input::Job { job, input: machine::Input::Recovered { attempt, result: Ok(Recovery::of(None, 1)) } },
        )
    }
}

fn bodies(commands: &[Command]) -> Vec<(ConnectionId, &message::Command)> {
    let sent = commands.iter().filter_map(|command| match command {
        Command::Send { connection, message } => {
            assert_eq!(message.epoch, epoch(3));
            Some((*connection, &message.body))
        }
        _ => None,
    });
    sent.collect()
}

#[test]
fn a_taskmanager_registers_and_is_lost_when_it_is_silent() {
    let mut driven = driven();
    let commands = driven.register(0, 1, 0xA, 2);
    assert!(matches!(bodies(&commands)[..], [(ConnectionId(1), message::Command::Registered { .. })]));
    assert_eq!(driven.0.slots(), (2, 2));
    let again = driven.register(1, 1, 0xA, 2);
    assert_eq!((bodies(&again).len(), driven.0.taskmanagers(), driven.0.slots()), (1, 1, (2, 2)));
    let commands = driven.say(4, 1, 0xA, Notification::Heartbeat { sent: at(3) });
    let answer = message::Command::HeartbeatAnswer { sent: at(3), noted: Vec::new() };
    assert_eq!(bodies(&commands), [(ConnectionId(1), &answer)]);
    assert_eq!(driven.give(8, Input::Timer), []);
    let commands = driven.give(9, Input::Timer);
    assert!(
        matches!(&commands[..], [Command::Disconnect { connection: ConnectionId(1), reason }] if reason.contains("5s"))
    );
    assert_eq!((driven.0.taskmanagers(), driven.0.slots()), (0, (0, 0)));
    // What it says now is no use: it has to register anew.
    let commands = driven.say(10, 1, 0xA, Notification::Heartbeat { sent: at(10) });
    assert!(matches!(commands[..], [Command::Disconnect { .. }]));
}

#[test]
fn a_closed_connection_is_a_loss_at_once_but_not_that_of_the_one_after_it() {
    let mut driven = driven();
    driven.register(0, 1, 0xA, 2);
    let commands = driven.register(1, 2, 0xA, 3);
    assert!(matches!(commands[0], Command::Disconnect { connection: ConnectionId(1), .. }));
    assert_eq!(driven.0.slots(), (3, 3));
    driven.give(1, Input::Closed { connection: ConnectionId(1) });
    assert_eq!(driven.register(1, 1, 0xA, 2), [], "that came late");
    assert_eq!(driven.0.slots(), (3, 3));
    driven.give(2, Input::Closed { connection: ConnectionId(2) });
    assert_eq!(driven.0.slots(), (0, 0));
}

#[test]
fn another_epoch_is_not_heard_and_a_later_one_ends_the_reign() {
    let mut driven = driven();
    let register = || Notification::Register { sent: at(0), slots: 2, endpoint: "there".into() };
    assert_eq!(driven.say_in(0, 2, 1, 0xA, register()), []);
    driven.submit(0, JOB);
    assert_eq!(driven.say_in(0, 4, 1, 0xA, register()), [Command::Stop]);
    assert!(driven.0.is_deposed());
    assert_eq!(driven.0.state(JOB), Some(JobState::Suspended));
    assert_eq!(driven.register(1, 1, 0xA, 2), []);
    assert_eq!(driven.give(99, Input::Timer), []);
}

#[test]
fn a_job_gets_its_slots_when_they_come_and_a_lost_one_again() {
    let mut driven = driven();
    let commands = driven.submit(0, JOB);
    driven.recover(0, JOB, &commands);
    assert_eq!(driven.0.state(JOB), Some(JobState::Waiting));
    driven.register(1, 1, 0xA, 1);
    let status = driven.0.slot_status(JOB).unwrap();
    assert_eq!((status.wanted, status.there, status.free), (2, 1, 1));
    let commands = driven.register(2, 2, 0xB, 1);
    let deploys = bodies(&commands).into_iter().filter(|(_, body)| matches!(body, message::Command::Deploy(_)));
    assert_eq!(deploys.map(|(to, _)| to).collect::<Vec<_>>(), [ConnectionId(1), ConnectionId(2)]);
    let commands = driven.give(3, Input::Closed { connection: ConnectionId(2) });
    assert!(matches!(bodies(&commands)[..], [(ConnectionId(1), message::Command::Order { order: Order::Cancel, .. })]));
}

#[test]
fn who_waits_too_long_for_slots_fails_and_makes_room() {
    let mut driven = driven();
    let commands = driven.submit(0, JOB);
    driven.recover(0, JOB, &commands);
    assert_eq!(driven.give(299, Input::Timer), []);
    let commands = driven.give(300, Input::Timer);
    let [Command::Job { work: Work::Ended { state: JobState::Failed, failure: Some(failure), .. }, .. }] =
        &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert!(failure.message.contains("2 slots are wanted, the cluster has 0"), "{failure}");
    assert_eq!(driven.0.state(JOB), None);
}

#[test]
fn tasks_of_jobs_that_there_are_not_are_stopped_and_requests_refused() {
    let mut driven = driven();
    driven.register(0, 1, 0xA, 2);
    let attempt = AttemptId { epoch: epoch(3), number: 1 };
    let task = TaskRef { subtask: SubtaskId { vertex: Vertex(0), subtask: 0 }, attempt };
    let report = |seq, report| Notification::Report { seq, job: JOB, task, report };
    let commands = driven.say(0, 1, 0xA, report(11, Report::Running));
    assert!(matches!(bodies(&commands)[..], [(_, message::Command::Order { order: Order::Cancel, .. })]));
    assert_eq!(driven.say(0, 1, 0xA, report(12, Report::Cancelled)), []);
    let commands = driven.say(1, 1, 0xA, Notification::Heartbeat { sent: at(1) });
    let answer = message::Command::HeartbeatAnswer { sent: at(1), noted: vec![11, 12] };
    assert_eq!(bodies(&commands), [(ConnectionId(1), &answer)]);
    let input = machine::Input::Cancel { request: RequestId(9) };
    let commands = driven.give(1, Input::Job { job: JOB, input });
    let work = |command: &Command| {
        matches!(command, Command::Job { work: Work::Answer { request: RequestId(9), result: Err(_) }, .. })
    };
    assert!(commands.len() == 1 && work(&commands[0]), "{commands:?}");
}

#[test]
fn a_job_that_is_there_is_left_alone_and_there_may_be_so_many() {
    let mut driven = driven();
    for job in 0..JOBS_LIMIT as u128 {
        assert_eq!(driven.submit(0, JobId(job)).len(), 1, "it asks for what it goes on from");
    }
    assert!(driven.submit(0, JobId(0)).is_empty(), "it is there already");
    let commands = driven.submit(0, JobId(u128::MAX));
    assert!(matches!(&commands[..], [Command::Refused { reason, .. }] if reason.contains("1024 jobs")));
}
