//! The world: processes, the log, the network, and what happens when.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    events::{Event, Fault},
    invariants::Seen,
    log::{Kept, Log},
    manager::ManagerProcess,
    network::{Network, Node, Packet},
    random::Random,
    worker::WorkerProcess,
};
use crate::{
    control::{
        ids::{AttemptId, ConnectionId, JobId, RequestId, Vertex},
        job::machine::JobSettings,
        topology::{Topology, VertexInfo},
    },
    env::Instant,
    restart::RestartStrategy,
    settings::CheckpointSettings,
};

pub(super) const SECOND: u64 = 1_000_000_000;
/// When the last fault is over.
pub(super) const CALM: u64 = 40 * SECOND;
/// By then a job that nothing hinders runs, or has ended.
pub(super) const END: u64 = CALM + 40 * SECOND;
/// So many of the last events are shown when something is wrong.
const TRACE_LIMIT: usize = 150;

/// How much goes wrong: once in so many times each.
#[derive(Debug)]
pub(super) struct Odds {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) late: u64,
    pub(super) task: u64,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    sequence: u64,
    /// What has happened last, if that is to be shown.
    pub(super) trace: Option<VecDeque<String>>,
    pub(super) odds: Odds,
    pub(super) log: Log,
    pub(super) network: Network,
    pub(super) managers: Vec<ManagerProcess>,
    pub(super) workers: Vec<WorkerProcess>,
    /// Who has claimed the log last.
    pub(super) holder: Option<Node>,
    /// What the jobs of attempts looked like.
    pub(super) topologies: BTreeMap<(JobId, AttemptId), Arc<Topology>>,
    pub(super) slots_each: u32,
    pub(super) last_taskmanager: u128,
    pub(super) last_request: u64,
    /// Who has asked which process, and has not been answered.
    pub(super) unanswered: BTreeMap<RequestId, Node>,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new(seed: u64, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let rare = [0, 200, 30][random.below(3) as usize];
        let odds = Odds {
            lost: rare,
            doubled: [0, 50, 10][random.below(3) as usize],
            late: [0, 50, 8][random.below(3) as usize],
            task: [0, 30, 6][random.below(3) as usize],
        };
        let (managers, workers) = (1 + random.below(3), 2 + random.below(5));
        let mut world = Self {
            random,
            now: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            trace: traced.then(VecDeque::new),
            odds,
            log: Log::default(),
            network: Network::default(),
            managers: (0..managers).map(|_| ManagerProcess::default()).collect(),
            workers: Vec::new(),
            holder: None,
            topologies: BTreeMap::new(),
            slots_each: 1,
            last_taskmanager: 0,
            last_request: 0,
            unanswered: BTreeMap::new(),
            seen: Seen::default(),
        };
        world.foretell(workers);
        world
    }

    /// What happens of itself: jobs are submitted, people ask for things, processes die, links break.
    fn foretell(&mut self, workers: u64) {
        let jobs: Vec<_> =
            (0..1 + self.random.below(2)).map(|number| (JobId(1 + u128::from(number)), self.job())).collect();
        let wanted: usize = jobs.iter().map(|(_, kept)| kept.topology.slots().len()).sum();
        // Mostly there are enough slots even when some TaskManagers are down; and enough for those who are rescaled.
        let spare = [2, 4, 12][self.random.below(3) as usize];
        self.slots_each = ((wanted + spare) as u64).div_ceil(workers).max(2) as u32;
        for worker in 0..workers as usize {
            let process = WorkerProcess::new(self.next_taskmanager(), self.slots_each);
            self.workers.push(process);
            self.later(Duration::ZERO, Event::Begin(Node::Worker(worker, 0)));
        }
        for manager in 0..self.managers.len() {
            let after = self.random.millis(0, 500);
            self.later(after, Event::Look(Node::Manager(manager, 0)));
        }
        for (job, kept) in jobs {
            self.log.jobs.insert(job, kept);
            let after = self.random.millis(0, 5_000);
            self.later(after, Event::Offer(job));
        }
        for _ in 0..self.random.below(8) {
            let after = Duration::from_nanos(self.random.below(CALM));
            self.later(after, Event::Ask);
        }
        for _ in 0..self.random.below(10) {
            let after = Duration::from_nanos(self.random.below(CALM - SECOND));
            let fault = match self.random.below(4) {
                0 => Fault::KillManager,
                1 => Fault::KillWorker,
                _ => Fault::Cut,
            };
            self.later(after, Event::Fault(fault));
        }
    }

    fn job(&mut self) -> Kept {
        let vertices = 1 + self.random.below(4) as u32;
        let mut edges = Vec::new();
        for to in 1..vertices {
            // Some have no input: those are sources, and often regions of their own.
            if !self.random.once_in(4) {
                edges.push((Vertex(self.random.below(u64::from(to)) as u32), Vertex(to)));
            }
        }
        let info = |vertex| {
            let parallelism = 1 + self.random.below(3) as u32;
            VertexInfo {
                name: format!("vertex {vertex}"),
                parallelism,
                group: if self.random.once_in(4) { vertex } else { 0 },
                connected: if edges.iter().any(|(_, to)| to.0 == vertex) { parallelism } else { 0 },
            }
        };
        let vertices = (0..vertices).map(info).collect();
        let topology = Topology::new(vertices, edges).expect("it is a graph");
        let checkpoints = (!self.random.once_in(5)).then(|| CheckpointSettings {
            interval: self.random.millis(200, 3_000),
            timeout: Duration::from_secs(3),
            tolerated_failures: [0, 2, 1_000][self.random.below(3) as usize],
            ..CheckpointSettings::default()
        });
        let restart = match self.random.below(12) {
            0..2 => RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_millis(500) },
            2 => RestartStrategy::None,
            _ => RestartStrategy::ExponentialDelay {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(2),
                multiplier_percent: 200,
                jitter_percent: 10,
                reset_after: Duration::from_secs(60),
                attempts: 0,
            },
        };
        let slot_timeout = Duration::from_secs(20);
        Kept {
            topology,
            settings: JobSettings { checkpoints, restart, slot_timeout, is_attended: false },
            offered: false,
            result: None,
        }
    }

    pub(super) fn next_taskmanager(&mut self) -> u128 {
        self.last_taskmanager += 1;
        self.last_taskmanager
    }

    pub(super) fn is_calm(&self) -> bool {
        self.now >= CALM
    }

    /// True now and then, while there are faults.
    pub(super) fn goes_wrong(&mut self, once_in: u64) -> bool {
        once_in > 0 && self.now < CALM && self.random.once_in(once_in)
    }

    pub(super) fn instant(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    pub(super) fn later(&mut self, after: Duration, event: Event) {
        self.at(self.now + after.as_nanos() as u64, event);
    }

    pub(super) fn at(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.insert(self.sequence, event);
        self.queue.push(Reverse((at.max(self.now), self.sequence)));
    }

    /// Runs to the end of time.
    pub(super) fn run(&mut self) {
        while let Some(Reverse((at, sequence))) = self.queue.pop() {
            if at > END {
                break;
            }
            self.now = at;
            let event = self.events.remove(&sequence).expect("it was said");
            if let Some(trace) = &mut self.trace {
                if trace.len() == TRACE_LIMIT {
                    trace.pop_front();
                }
                trace.push_back(format!("{:9.4} {event:?}", at as f64 / 1e9));
            }
            self.happen(event);
            super::invariants::check_step(self);
            assert!(self.sequence < 1_000_000, "it runs in circles");
        }
        self.now = END;
        super::invariants::check_end(self);
    }

    /// True if a process has not died.
    pub(super) fn is_up(&self, node: Node) -> bool {
        match node {
            Node::Worker(index, life) => self.workers[index].up && self.workers[index].life == life,
            Node::Manager(index, life) => self.managers[index].up && self.managers[index].life == life,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin(node) => self.worker_begins(node),
            Event::Wake(node, at) => match node {
                Node::Worker(..) => self.wake_worker(node, at),
                Node::Manager(..) => self.wake_manager(node, at),
            },
            Event::Look(node) => self.look(node),
            Event::Adopt(node) => self.adopt(node),
            Event::FindLeader(node) => self.find_leader(node),
            Event::Deliver { connection, to, packet } => self.deliver(connection, to, packet),
            Event::Close { connection, end } => self.closed(connection, end),
            Event::Task { worker, place, step } => self.task_step(worker, place, step),
            Event::Flow { place, step, tries } => self.flow_to(place, step, tries),
            Event::Driver { manager, done } => self.driver_done(manager, done),
            Event::Offer(job) => self.offer(job),
            Event::Ask => self.ask(),
            Event::Fault(fault) => self.fault(fault),
            Event::Revive(node) => self.revive(node),
            Event::Heal { from, to } => self.network.heal(from, to),
        }
    }

    /// Sends a packet from one end of a connection to the other.
    pub(super) fn send(&mut self, connection: ConnectionId, from: Node, packet: Packet) {
        if !self.network.is_open(connection, from) {
            return;
        }
        let to = self.network.connections[&connection].other(from);
        let (lost, doubled, late) = (self.odds.lost, self.odds.doubled, self.odds.late);
        if self.network.is_blocked(from, to) || self.goes_wrong(lost) {
            return;
        }
        for _ in 0..if self.goes_wrong(doubled) { 2 } else { 1 } {
            let most = if self.goes_wrong(late) { 4_000 } else { 15 };
            let after = self.random.millis(1, most);
            self.later(after, Event::Deliver { connection, to, packet: packet.clone() });
        }
    }

    fn deliver(&mut self, connection: ConnectionId, to: Node, packet: Packet) {
        let Some(found) = self.network.connections.get(&connection) else { return };
        let from = found.other(to);
        if self.network.is_blocked(from, to) {
            return;
        }
        if !self.is_up(to) || !self.network.is_open(connection, to) {
            // The sender finds out that nobody is there.
            let after = self.random.millis(1, 15);
            return self.later(after, Event::Close { connection, end: from });
        }
        match packet {
            Packet::ToManager(message) => self.tell_manager(connection, to, message),
            Packet::ToWorker(message) => self.tell_worker(connection, to, message),
        }
    }

    /// A process closes its end of a connection, or dies with it. The other end sees it, if anything gets through.
    pub(super) fn disconnect(&mut self, connection: ConnectionId, end: Node) {
        let Some(found) = self.network.connections.get(&connection) else { return };
        let other = found.other(end);
        if self.network.close(connection, end) && !self.network.is_blocked(end, other) {
            let most = if self.goes_wrong(self.odds.late) { 3_000 } else { 15 };
            let after = self.random.millis(1, most);
            self.later(after, Event::Close { connection, end: other });
        }
    }

    fn closed(&mut self, connection: ConnectionId, end: Node) {
        if self.network.close(connection, end) && self.is_up(end) {
            match end {
                Node::Worker(..) => self.worker_closed(connection, end),
                Node::Manager(..) => self.manager_closed(connection, end),
            }
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::KillWorker => {
                let index = self.random.below(self.workers.len() as u64) as usize;
                self.kill(Node::Worker(index, self.workers[index].life));
            }
            Fault::KillManager => {
                let index = match self.holder {
                    Some(Node::Manager(index, _)) if !self.random.once_in(3) => index,
                    _ => self.random.below(self.managers.len() as u64) as usize,
                };
                self.kill(Node::Manager(index, self.managers[index].life));
            }
            Fault::Cut => {
                let worker = self.random.below(self.workers.len() as u64) as usize;
                let manager = self.random.below(self.managers.len() as u64) as usize;
                let (worker, manager) = (Node::Worker(worker, 0), Node::Manager(manager, 0));
                let until = self.now + self.random.millis(500, 12_000).as_nanos() as u64;
                let ways: &[_] = match self.random.below(3) {
                    0 => &[(worker, manager)],
                    1 => &[(manager, worker)],
                    _ => &[(worker, manager), (manager, worker)],
                };
                for (from, to) in ways {
                    self.network.block(*from, *to);
                    self.at(until.min(CALM), Event::Heal { from: *from, to: *to });
                }
            }
        }
    }

    /// A process dies, and is started anew after a while.
    pub(super) fn kill(&mut self, node: Node) {
        if !self.is_up(node) {
            return;
        }
        let mine = self.network.connections.iter().filter(|(_, connection)| connection.open.contains(&node));
        let mine: Vec<_> = mine.map(|(connection, _)| *connection).collect();
        mine.into_iter().for_each(|connection| self.disconnect(connection, node));
        match node {
            Node::Worker(index, _) => {
                self.workers[index].up = false;
                self.workers[index].tasks.clear();
            }
            Node::Manager(index, _) => {
                self.managers[index].up = false;
                self.managers[index].leader = None;
            }
        }
        self.unanswered.retain(|_, asked| *asked != node);
        let after = self.random.millis(50, 8_000).as_nanos() as u64;
        let at = if self.is_calm() { self.now + SECOND } else { (self.now + after).min(CALM) };
        self.at(at, Event::Revive(node));
    }

    fn revive(&mut self, node: Node) {
        match node {
            Node::Worker(index, life) => {
                let mut process = WorkerProcess::new(self.next_taskmanager(), self.slots_each);
                process.life = life + 1;
                self.workers[index] = process;
                self.worker_begins(Node::Worker(index, life + 1));
            }
            Node::Manager(index, life) => {
                self.managers[index] = ManagerProcess::default();
                self.managers[index].life = life + 1;
                self.look(Node::Manager(index, life + 1));
            }
        }
    }
}
