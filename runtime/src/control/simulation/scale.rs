//! A cluster of 1,000 TaskManagers and one job of 10,000 subtasks: what the control plane has to do for it grows with the number of subtasks, not faster.
//! Prints what an event costs; nothing is asserted of time.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    checkpoint::SubtaskReport,
    control::{
        heartbeats::HeartbeatSettings,
        ids::{ConnectionId, Epoch, JobId, TaskManagerId, Vertex},
        job::{
            lifecycle::JobState,
            machine::{Input as JobInput, JobSettings, Recovery, Restored, SLOT_TIMEOUT, Work},
        },
        jobmanager::{Command, Input, JobManager},
        message::{self, Order, Report},
        taskmanager::{self, CANCEL_TIMEOUT, TaskManager, TaskManagerSettings},
        topology::{Topology, VertexInfo},
    },
    env::Instant,
    restart::RestartStrategy,
    settings::CheckpointSettings,
};

const TASKMANAGERS: u64 = 1_000;
const PARALLELISM: u32 = 5_000;
/// A source and what follows it, in one slot.
const SUBTASKS: u64 = 2 * PARALLELISM as u64;
const LOST: u64 = 10;
const CHECKPOINTS: u64 = 10;
const JOB: JobId = JobId(1);

/// A leader, its TaskManagers and their tasks, which obey at once. Time goes on only when nothing else happens.
struct Cluster {
    now: Instant,
    leader: JobManager,
    workers: BTreeMap<ConnectionId, TaskManager>,
    to_leader: VecDeque<Input>,
    to_workers: VecDeque<(ConnectionId, taskmanager::Input)>,
    leader_wake: Option<Instant>,
    newest: Option<Restored>,
    counts: HashMap<&'static str, u64>,
    events: u64,
    spent: Duration,
}

#[allow(clippy::disallowed_methods, reason = "what an event costs is measured outside of the engine")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

impl Cluster {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn counted(&mut self, what: &'static str) -> u64 {
        self.counts.remove(what).unwrap_or_default()
    }

    /// Runs until everything has been said and answered.
    fn settle(&mut self) {
        loop {
            while let Some(input) = self.to_leader.pop_front() {
                self.step_leader(input);
            }
            let Some((connection, input)) = self.to_workers.pop_front() else { return };
            self.step_worker(connection, input);
        }
    }

    /// Lets time go on, and everybody who wants to be woken be so.
    fn pass(&mut self, by: Duration) {
        self.now = self.now + by;
        self.to_workers.extend(self.workers.keys().map(|connection| (*connection, taskmanager::Input::Timer)));
        self.settle();
        while self.leader_wake.is_some_and(|at| at <= self.now) {
            self.leader_wake = None;
            self.to_leader.push_back(Input::Timer);
            self.settle();
        }
    }

    fn step_leader(&mut self, input: Input) {
        let began = clock();
        let commands = self.leader.step(self.now, 0, input);
        self.spent += began.elapsed();
        self.events += 1;
        for command in commands {
            match command {
                Command::Send { connection, message } => {
                    self.count(match &message.body {
                        message::Command::Registered { .. } => "registered",
                        message::Command::HeartbeatAnswer { .. } => "heartbeats",
                        message::Command::Deploy(_) => "deploy",
                        message::Command::Order { order: Order::Cancel, .. } => "cancel",
                        message::Command::Order { order: Order::Trigger { .. }, .. } => "trigger",
                        message::Command::Order { order: Order::Complete { .. }, .. } => "complete",
                        message::Command::Order { .. } => "other orders",
                        message::Command::SplitAssignment { .. } => "splits",
                    });
                    if self.workers.contains_key(&connection) {
                        self.to_workers.push_back((connection, taskmanager::Input::Message { connection, message }));
                    }
                }
                Command::Job { work, .. } => self.work(work),
                Command::WakeAt(at) => self.leader_wake = Some(at),
                Command::Refused { .. } | Command::Disconnect { .. } | Command::Stop => panic!("nobody is sent away"),
            }
        }
    }

    fn work(&mut self, work: Work) {
        let input = match work {
            Work::Recover { attempt, .. } => {
                let next = self.newest.map_or(1, |newest| newest.checkpoint + 1);
                JobInput::Recovered { attempt, result: Ok(Recovery::of(self.newest, next)) }
            }
            Work::Begin { .. } => return self.count("begins"),
            Work::Store { checkpoint, kind, states } => {
                assert_eq!(states.len() as u64, SUBTASKS);
                self.newest = Some(Restored { checkpoint, kind });
                JobInput::Stored { checkpoint, result: Ok(()) }
            }
            Work::Commit { checkpoint, .. } => {
                self.count("commits");
                JobInput::Committed { checkpoint, result: Ok(()) }
            }
            other => panic!("that is not to be done: {other:?}"),
        };
        self.to_leader.push_back(Input::Job { job: JOB, input });
    }

    fn step_worker(&mut self, connection: ConnectionId, input: taskmanager::Input) {
        let Some(worker) = self.workers.get_mut(&connection) else { return };
        for command in worker.step(self.now, input) {
            let mut report = |task, report| {
                self.to_workers.push_back((connection, taskmanager::Input::Report { job: JOB, task, report }));
            };
            match command {
                taskmanager::Command::Send { connection, message } => {
                    self.to_leader.push_back(Input::Message { connection, message });
                }
                taskmanager::Command::Start(deploy) => {
                    for (subtask, _) in &deploy.tasks {
                        report(message::TaskRef { subtask: *subtask, attempt: deploy.attempt }, Report::Running);
                    }
                }
                taskmanager::Command::Order { order: Order::Cancel, tasks, .. } => {
                    tasks.into_iter().for_each(|task| report(task, Report::Cancelled));
                }
                taskmanager::Command::Order { order: Order::Trigger { checkpoint, .. }, tasks, .. } => {
                    // The task behind the source, in the same slot, sees the barrier right after it.
                    for source in tasks {
                        for vertex in [source.subtask.vertex, Vertex(1)] {
                            let mut task = source;
                            task.subtask.vertex = vertex;
                            let (stats, state) = (SubtaskReport::default(), Bytes::new());
                            report(task, Report::Ack { checkpoint, stats, state });
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn topology() -> Topology {
    let vertex = |is_source: bool| VertexInfo {
        name: "v".to_owned(),
        parallelism: PARALLELISM,
        group: 0,
        connected: if is_source { 0 } else { PARALLELISM },
    };
    Topology::new(vec![vertex(true), vertex(false)], vec![(Vertex(0), Vertex(1))]).expect("it is a graph")
}

#[test]
fn what_is_done_for_ten_thousand_subtasks_grows_with_their_number() {
    let epoch = Epoch::new(1).expect("it is not 0");
    let mut cluster = Cluster {
        now: Instant::from_nanos(0),
        leader: JobManager::new(epoch, HeartbeatSettings::default()),
        workers: BTreeMap::new(),
        to_leader: VecDeque::new(),
        to_workers: VecDeque::new(),
        leader_wake: None,
        newest: None,
        counts: HashMap::new(),
        events: 0,
        spent: Duration::ZERO,
    };
    for number in 0..TASKMANAGERS {
        let settings = TaskManagerSettings {
            id: TaskManagerId(u128::from(number)),
            slots: 6, // one more than it takes
            endpoint: format!("worker-{number}").into(),
            heartbeats: HeartbeatSettings::default(),
            cancel_timeout: CANCEL_TIMEOUT,
        };
        let connection = ConnectionId(number);
        cluster.workers.insert(connection, TaskManager::new(settings));
        cluster.to_workers.push_back((connection, taskmanager::Input::Connected { connection, epoch }));
    }
    cluster.settle();
    assert_eq!((cluster.leader.taskmanagers() as u64, cluster.counted("registered")), (TASKMANAGERS, TASKMANAGERS));

    let checkpoints = CheckpointSettings { interval: Duration::from_secs(1), ..CheckpointSettings::default() };
    let restart = RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_millis(500) };
    let settings =
        JobSettings { checkpoints: Some(checkpoints), restart, slot_timeout: SLOT_TIMEOUT, is_attended: false };
    let submit = Input::Submit { job: JOB, topology: topology(), settings: Box::new(settings) };
    cluster.to_leader.push_back(submit);
    cluster.settle();
    assert_eq!(cluster.leader.state(JOB), Some(JobState::Running));
    assert_eq!(cluster.counted("deploy"), TASKMANAGERS);

    for _ in 0..CHECKPOINTS {
        cluster.pass(Duration::from_secs(1));
    }
    assert_eq!((cluster.counted("begins"), cluster.counted("commits")), (CHECKPOINTS, CHECKPOINTS));
    assert_eq!(cluster.counted("trigger"), CHECKPOINTS * TASKMANAGERS);
    assert_eq!(cluster.counted("complete"), CHECKPOINTS * TASKMANAGERS);
    assert_eq!(cluster.counted("heartbeats"), CHECKPOINTS * TASKMANAGERS);

    for lost in 0..LOST {
        cluster.workers.remove(&ConnectionId(lost));
        cluster.to_leader.push_back(Input::Closed { connection: ConnectionId(lost) });
    }
    cluster.settle();
    assert_eq!(cluster.leader.state(JOB), Some(JobState::Restarting));
    cluster.pass(Duration::from_millis(500));
    assert_eq!(cluster.leader.state(JOB), Some(JobState::Running));
    let left = TASKMANAGERS - LOST;
    // Those that are lost one after the other are told to cancel before their own loss is known.
    let cancelled = cluster.counted("cancel");
    assert!((left..=TASKMANAGERS).contains(&cancelled), "{cancelled}");
    assert_eq!(cluster.counted("deploy"), left);
    cluster.pass(Duration::from_secs(1));
    assert_eq!(cluster.counted("commits"), 1);

    let (events, spent) = (cluster.events, cluster.spent);
    // Two reports a subtask of each deployment, one of each checkpoint and cancellation; a few messages of each TaskManager.
    let bound = SUBTASKS * (3 + CHECKPOINTS + 3) + TASKMANAGERS * 30;
    assert!(events < bound, "{events} events, and {bound} are enough");
    println!("{events} events, {} ns each", spent.as_nanos() / u128::from(events));
}
