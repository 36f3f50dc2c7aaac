//! JobManager processes: a standby claims the log when it sees no leader; a leader has a driver that reads and writes the log, a little later.

use std::sync::Arc;

use millstream_state::location::Location;

use super::{
    events::{Done, Event},
    invariants::{self, Seen},
    log::Stored,
    network::{Node, Packet},
    world::World,
};
use crate::control::{
    heartbeats::HeartbeatSettings,
    ids::{ConnectionId, JobId, RequestId, Vertex},
    job::{
        failure::{FailureClass, JobFailure},
        machine::{Input as JobInput, Parallelism, Recovery, Restored, Then, Work},
    },
    jobmanager::{Command, Input, JobManager},
    message::{self, ToJobManager},
    topology::{Topology, VertexInfo},
};

#[derive(Debug)]
pub(super) struct ManagerProcess {
    pub(super) life: u32,
    pub(super) up: bool,
    /// If it believes that it is the leader.
    pub(super) leader: Option<JobManager>,
    /// The last entry of the log that it knows of.
    tail: u64,
    wake: Option<u64>,
}

impl Default for ManagerProcess {
    fn default() -> Self {
        Self { life: 0, up: true, leader: None, tail: 0, wake: None }
    }
}

impl World {
    pub(super) fn manager(&self, node: Node) -> &ManagerProcess {
        let Node::Manager(index, _) = node else { unreachable!("it is a JobManager") };
        &self.managers[index]
    }

    fn manager_mut(&mut self, node: Node) -> &mut ManagerProcess {
        let Node::Manager(index, _) = node else { unreachable!("it is a JobManager") };
        &mut self.managers[index]
    }

    /// The process that has claimed the log last, if it is up and leads.
    pub(super) fn leader(&self) -> Option<Node> {
        self.holder.filter(|holder| self.is_up(*holder) && self.manager(*holder).leader.is_some())
    }

    pub(super) fn look(&mut self, node: Node) {
        if !self.is_up(node) {
            return;
        }
        let after = self.random.millis(200, 1_500);
        self.later(after, Event::Look(node));
        // Now and then the leader only seems to be dead.
        if self.manager(node).leader.is_none() && (self.leader().is_none() || self.goes_wrong(60)) {
            let epoch = self.log.claim();
            let tail = self.log.tail();
            let manager = self.manager_mut(node);
            manager.leader = Some(JobManager::new(epoch, HeartbeatSettings::default()));
            (manager.tail, manager.wake) = (tail, None);
            self.holder = Some(node);
            let after = self.random.millis(5, 300);
            self.later(after, Event::Adopt(node));
            self.step_manager(node, Input::Timer);
        }
    }

    pub(super) fn adopt(&mut self, node: Node) {
        let jobs: Vec<_> = self
            .log
            .jobs
            .iter()
            .filter(|(_, kept)| kept.result.is_none() && kept.offered)
            .map(|(job, _)| *job)
            .collect();
        jobs.into_iter().for_each(|job| self.submit(node, job));
    }

    pub(super) fn offer(&mut self, job: JobId) {
        let kept = self.log.jobs.get_mut(&job).expect("the job is known");
        kept.offered = true;
        if kept.result.is_some() {
            return;
        }
        if let Some(leader) = self.leader() {
            self.submit(leader, job);
        }
        let after = self.random.millis(500, 2_000);
        self.later(after, Event::Offer(job));
    }

    fn submit(&mut self, node: Node, job: JobId) {
        let kept = &self.log.jobs[&job];
        let (topology, settings) = (kept.topology.clone(), kept.settings.clone());
        self.step_manager(node, Input::Submit { job, topology, settings: Box::new(settings) });
    }

    /// Somebody asks the leader for something.
    pub(super) fn ask(&mut self) {
        let Some(leader) = self.leader() else { return };
        let jobs: Vec<_> = self.log.jobs.keys().copied().collect();
        let job = jobs[self.random.below(jobs.len() as u64) as usize];
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let input = match self.random.below(12) {
            0..4 => JobInput::Checkpoint { request },
            10.. => {
                let then = [Then::GoOn, Then::GoOn, Then::Stop, Then::Drain][self.random.below(4) as usize];
                JobInput::Savepoint { request, to: Arc::new(Location::Directory("elsewhere".into())), then }
            }
            4 => JobInput::Stop { request },
            5 => JobInput::Cancel { request },
            _ => {
                let vertices = self.log.jobs[&job].topology.vertices().len() as u32;
                let number = |vertex| (Vertex(vertex), 1 + self.random.below(4) as u32);
                let parallelism: Parallelism = (0..vertices).map(number).collect();
                JobInput::Rescale { request, parallelism }
            }
        };
        self.unanswered.insert(request, leader);
        self.step_manager(leader, Input::Job { job, input });
    }

    pub(super) fn wake_manager(&mut self, node: Node, at: u64) {
        if self.is_up(node) && self.manager(node).wake == Some(at) {
            self.manager_mut(node).wake = None;
            self.step_manager(node, Input::Timer);
        }
    }

    pub(super) fn tell_manager(&mut self, connection: ConnectionId, node: Node, message: ToJobManager) {
        self.step_manager(node, Input::Message { connection, message });
    }

    pub(super) fn manager_closed(&mut self, connection: ConnectionId, node: Node) {
        self.step_manager(node, Input::Closed { connection });
    }

    fn step_manager(&mut self, node: Node, input: Input) {
        let (now, random) = (self.instant(), self.random.next());
        let manager = self.manager_mut(node);
        let Some(leader) = &mut manager.leader else { return };
        for command in leader.step(now, random, input) {
            self.obey_manager(node, command);
        }
    }

    fn obey_manager(&mut self, node: Node, command: Command) {
        match command {
            Command::Send { connection, message } => {
                if let message::Command::Deploy(deploy) = &message.body {
                    let leader = self.manager(node).leader.as_ref().expect("it leads");
                    if let Some(job) = leader.jobs().get(&deploy.job) {
                        let topology = Arc::clone(job.topology());
                        self.topologies.insert((deploy.job, deploy.attempt), topology);
                    }
                    invariants::restores::deployed(self, message.epoch, deploy);
                }
                invariants::triggers::said(self, node, &message.body);
                self.send(connection, node, Packet::ToWorker(message));
            }
            Command::Disconnect { connection, reason } => {
                if reason.contains("no heartbeat") {
                    self.seen.happened.insert(invariants::SILENT);
                    invariants::leases::lost(self, connection);
                }
                self.disconnect(connection, node);
            }
            Command::Refused { reason, .. } => panic!("there are few jobs: {reason}"),
            Command::Job { job, work } => self.work(node, job, work),
            Command::Stop => {
                self.seen.happened.insert(invariants::DEPOSED);
                let open = self.network.connections.iter().filter(|(_, connection)| connection.open.contains(&node));
                let open: Vec<_> = open.map(|(connection, _)| *connection).collect();
                open.into_iter().for_each(|connection| self.disconnect(connection, node));
                self.manager_mut(node).leader = None;
                self.unanswered.retain(|_, asked| *asked != node);
            }
            Command::WakeAt(at) => {
                let at = at.nanos();
                assert!(at > self.now, "that is no time to come");
                self.manager_mut(node).wake = Some(at);
                self.at(at, Event::Wake(node, at));
            }
        }
    }

    fn work(&mut self, manager: Node, job: JobId, work: Work) {
        let done = match work {
            Work::Recover { attempt, vertices } => {
                if vertices.len() < self.log.jobs[&job].topology.vertices().len() {
                    self.seen.happened.insert(invariants::ALONE);
                }
                Done::Recover { job, attempt }
            }
            Work::Begin { checkpoint, .. } => return invariants::triggers::began(self, manager, job, checkpoint),
            Work::Store { checkpoint, kind, states } => {
                let leader = self.manager(manager).leader.as_ref().expect("it leads");
                let topology = Arc::clone(leader.jobs()[&job].topology());
                let tasks = states.into_iter().map(|(task, _)| task).collect();
                Done::Create { job, checkpoint, kind, tasks, topology, fails: self.goes_wrong(12) }
            }
            Work::Commit { checkpoint, savepoints, .. } => {
                invariants::commits::commanded(self, job, checkpoint);
                for (request, _) in savepoints {
                    let result = if self.goes_wrong(6) { Err("there is no room".to_owned()) } else { Ok(()) };
                    let done = Done::Answer { job, input: JobInput::SavepointWritten { request, result } };
                    let after = self.random.millis(1, 4_000);
                    self.later(after, Event::Driver { manager, done });
                }
                Done::Commit { job, checkpoint, fails: self.goes_wrong(40) }
            }
            Work::CommitOutput { .. } => Done::Answer { job, input: JobInput::OutputCommitted(Ok(())) },
            Work::Rebuild { parallelism } => Done::Rebuild { job, parallelism, fails: self.goes_wrong(8) },
            Work::AssignSplit { task, request, payload } => {
                Seen::once(&mut self.seen.splits, (job, task, request), "a split is asked for twice");
                Done::Answer { job, input: JobInput::SplitAssigned { task, request, payload } }
            }
            Work::Ended { state, .. } => {
                // What a job came to is an entry of the log, too.
                if self.manager(manager).tail != self.log.tail() {
                    let after = self.random.millis(1, 10);
                    return self.later(after, Event::Driver { manager, done: Done::Deposed });
                }
                let kept = self.log.jobs.get_mut(&job).expect("the job is known");
                assert_eq!(kept.result, None, "job {job} ends once");
                kept.result = Some(state);
                return;
            }
            Work::Answer { request, .. } => {
                assert_eq!(self.unanswered.remove(&request), Some(manager), "{request:?} waits, and is answered once");
                return;
            }
        };
        let most = if self.goes_wrong(4) { 3_000 } else { 60 };
        let after = self.random.millis(1, most);
        self.later(after, Event::Driver { manager, done });
    }

    /// Something has happened to the log or to sinks. The leader gets to know of it a little later, if it lives.
    pub(super) fn driver_done(&mut self, manager: Node, done: Done) {
        if !self.is_up(manager) || self.manager(manager).leader.is_none() {
            return;
        }
        let (job, input) = match done {
            Done::Answer { job, input } => return self.step_manager(manager, Input::Job { job, input }),
            Done::Deposed => return self.step_manager(manager, Input::Deposed),
            Done::Recover { .. } if self.manager(manager).tail != self.log.tail() => {
                return self.step_manager(manager, Input::Deposed);
            }
            Done::Recover { job, attempt } => (job, JobInput::Recovered { attempt, result: self.recovered(job) }),
            Done::Create { job, checkpoint, fails: true, .. } => {
                (job, JobInput::Stored { checkpoint, result: Err("the disk is full".to_owned()) })
            }
            Done::Create { job, checkpoint, kind, tasks, topology, .. } => {
                let stored = Stored { job, checkpoint, kind, tasks, topology };
                if !self.log.create(self.manager(manager).tail, stored) {
                    self.seen.happened.insert(invariants::REFUSED);
                    return self.step_manager(manager, Input::Deposed);
                }
                self.manager_mut(manager).tail = self.log.tail();
                invariants::commits::stored(self, job, checkpoint);
                (job, JobInput::Stored { checkpoint, result: Ok(()) })
            }
            Done::Commit { job, checkpoint, fails } => {
                let failure = || JobFailure::new(FailureClass::Environment, "the file cannot be renamed");
                (job, JobInput::Committed { checkpoint, result: if fails { Err(failure()) } else { Ok(()) } })
            }
            Done::Rebuild { job, parallelism, fails } => {
                (job, JobInput::Rebuilt(self.rebuilt(job, &parallelism, fails)))
            }
        };
        let after = self.random.millis(1, 40);
        self.later(after, Event::Driver { manager, done: Done::Answer { job, input } });
    }

    fn recovered(&mut self, job: JobId) -> Result<Recovery, JobFailure> {
        if self.goes_wrong(20) {
            return Err(JobFailure::new(FailureClass::Environment, "the storage does not answer"));
        }
        let newest = self.log.newest(job, u64::MAX);
        let restored = newest.map(|stored| Restored { checkpoint: stored.checkpoint, kind: stored.kind });
        Ok(Recovery::of(restored, restored.map_or(1, |restored| restored.checkpoint + 1)))
    }

    fn rebuilt(&mut self, job: JobId, parallelism: &Parallelism, fails: bool) -> Result<Topology, String> {
        if fails {
            return Err("it has too few key groups".to_owned());
        }
        let before = &self.log.jobs[&job].topology;
        let vertices = before.vertices().iter().zip(0..).map(|(vertex, number)| VertexInfo {
            parallelism: parallelism.get(&Vertex(number)).copied().unwrap_or(vertex.parallelism),
            connected: match vertex.connected {
                0 => 0,
                _ => parallelism.get(&Vertex(number)).copied().unwrap_or(vertex.parallelism),
            },
            ..vertex.clone()
        });
        let topology = Topology::new(vertices.collect(), before.edges().to_vec()).expect("it is a graph");
        self.log.jobs.get_mut(&job).expect("the job is known").topology = topology.clone();
        self.seen.happened.insert(invariants::REBUILT);
        Ok(topology)
    }
}
