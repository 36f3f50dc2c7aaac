//! [`Fault`]: what may happen to the processes of a cluster and the network between them.

use std::time::Duration;

use millstream_testkit::rng::Rng;
use rustix::process::Signal;

use crate::{
    cluster::{Cluster, HEARTBEAT_TIMEOUT},
    proxy::Proxy,
};

/// How long somebody is silent: longer than the others wait for it.
const SILENCE: Duration = HEARTBEAT_TIMEOUT.saturating_add(Duration::from_millis(800));
/// The longest time for which a process is down before it is started again.
const DOWN_MILLIS: u64 = 1_000;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9` of a TaskManager. Another one is started.
    KillTaskManager,
    /// `kill -9` of the JobManager that leads. It is started again.
    KillLeader,
    /// `kill -9` of one that stands by. It is started again.
    KillStandby,
    /// A TaskManager stands still for longer than the timeout.
    StopTaskManager,
    /// So does the leader: another one takes over.
    StopLeader,
    /// So does one that stands by.
    StopStandby,
    /// All control connections of the leader are closed.
    CloseControl,
    /// All data connections are closed.
    CloseData,
    /// Nothing reaches the leader any more, silently, for longer than the timeout.
    CutTowardsLeader,
    /// Nothing comes from it.
    CutFromLeader,
    /// Neither.
    CutLeader,
    /// Nothing goes over data connections.
    CutData,
    /// `kill -9` of all processes. As many are started.
    KillAll,
}

/// What has to be done for a fault to be over.
pub(crate) enum Heal {
    StartTaskManager,
    StartJobManager(usize),
    ContinueTaskManager(usize),
    ContinueJobManager(usize),
    /// Of a JobManager, with what it had swallowed before.
    JoinControl(usize, u64),
    JoinData,
    /// So many TaskManagers, and all JobManagers.
    StartAll(usize),
    Nothing,
}

impl Fault {
    pub(crate) const ALL: [Self; 13] = [
        Self::KillTaskManager,
        Self::KillLeader,
        Self::KillStandby,
        Self::StopTaskManager,
        Self::StopLeader,
        Self::StopStandby,
        Self::CloseControl,
        Self::CloseData,
        Self::CutTowardsLeader,
        Self::CutFromLeader,
        Self::CutLeader,
        Self::CutData,
        Self::KillAll,
    ];

    /// True if nothing is left that another fault could happen to.
    pub(crate) fn takes_all(self) -> bool {
        self == Self::KillAll
    }

    /// How long it lasts.
    pub(crate) fn duration(self, rng: &mut Rng) -> Duration {
        match self {
            Self::KillTaskManager | Self::KillLeader | Self::KillStandby | Self::KillAll => {
                Duration::from_millis(rng.below(DOWN_MILLIS))
            }
            Self::CloseControl | Self::CloseData => Duration::ZERO,
            _ => SILENCE,
        }
    }

    /// Lets it begin.
    pub(crate) fn begin(self, cluster: &mut Cluster, rng: &mut Rng) -> Heal {
        match self {
            Self::KillTaskManager => {
                let number = any_taskmanager(cluster, rng);
                cluster.taskmanagers.remove(&number).expect("it is one of them").process.kill();
                Heal::StartTaskManager
            }
            Self::StopTaskManager => {
                let number = any_taskmanager(cluster, rng);
                cluster.taskmanagers[&number].process.signal(Signal::STOP);
                Heal::ContinueTaskManager(number)
            }
            Self::KillLeader | Self::KillStandby => {
                let number = self.jobmanager(cluster);
                // It may be down already, by another fault.
                if let Some(mut process) = cluster.jobmanagers[number].process.take() {
                    process.kill();
                }
                Heal::StartJobManager(number)
            }
            Self::StopLeader | Self::StopStandby => {
                let number = self.jobmanager(cluster);
                let jobmanager = &mut cluster.jobmanagers[number];
                if let Some(process) = &jobmanager.process {
                    process.signal(Signal::STOP);
                    jobmanager.is_stopped = true;
                }
                Heal::ContinueJobManager(number)
            }
            Self::CloseControl => {
                let leader = self.jobmanager(cluster);
                proxy(&cluster.jobmanagers[leader].proxy).close_all();
                Heal::Nothing
            }
            Self::CloseData => {
                // Of two TaskManagers either may have made the connection.
                cluster.taskmanagers.values().for_each(|of| proxy(&of.proxy).close_all());
                Heal::Nothing
            }
            Self::CutTowardsLeader | Self::CutFromLeader | Self::CutLeader => {
                let leader = self.jobmanager(cluster);
                let proxy = proxy(&cluster.jobmanagers[leader].proxy);
                let before = proxy.swallowed_bytes();
                proxy.swallow(self != Self::CutFromLeader, self != Self::CutTowardsLeader);
                Heal::JoinControl(leader, before)
            }
            Self::CutData => {
                cluster.taskmanagers.values().for_each(|of| proxy(&of.proxy).swallow(true, true));
                Heal::JoinData
            }
            Self::KillAll => {
                let taskmanagers = std::mem::take(&mut cluster.taskmanagers);
                cluster.jobmanagers.iter_mut().for_each(|of| of.process = None);
                Heal::StartAll(taskmanagers.len())
            }
        }
    }

    /// The JobManager that it happens to.
    fn jobmanager(self, cluster: &mut Cluster) -> usize {
        let leader = cluster.wait("a JobManager leads", |cluster| cluster.leader());
        match self {
            Self::KillStandby | Self::StopStandby => (leader + 1) % cluster.jobmanagers.len(),
            _ => leader,
        }
    }
}

impl Heal {
    /// Lets the fault be over. `alone` says that nothing else has happened meanwhile.
    pub(crate) fn end(self, cluster: &mut Cluster, slots: u32, alone: bool) {
        match self {
            Self::StartTaskManager => _ = cluster.start_taskmanager(slots),
            Self::StartJobManager(number) if cluster.jobmanagers[number].process.is_none() => {
                cluster.start_jobmanager(number);
            }
            Self::ContinueTaskManager(number) => {
                if let Some(taskmanager) = cluster.taskmanagers.get(&number) {
                    taskmanager.process.signal(Signal::CONT);
                }
            }
            Self::ContinueJobManager(number) => {
                let jobmanager = &mut cluster.jobmanagers[number];
                jobmanager.is_stopped = false;
                if let Some(process) = &jobmanager.process {
                    process.signal(Signal::CONT);
                }
            }
            Self::JoinControl(number, before) => {
                let proxy = proxy(&cluster.jobmanagers[number].proxy);
                let swallowed = proxy.swallowed_bytes() > before;
                assert!(swallowed || !alone, "nobody said anything that could be swallowed");
                proxy.heal();
            }
            Self::JoinData => cluster.taskmanagers.values().for_each(|of| proxy(&of.proxy).heal()),
            Self::StartAll(taskmanagers) => {
                let down = |cluster: &Cluster, number: usize| cluster.jobmanagers[number].process.is_none();
                for number in 0..cluster.jobmanagers.len() {
                    if down(cluster, number) {
                        cluster.start_jobmanager(number);
                    }
                }
                (0..taskmanagers).for_each(|_| _ = cluster.start_taskmanager(slots));
            }
            Self::StartJobManager(_) | Self::Nothing => {}
        }
    }
}

fn any_taskmanager(cluster: &Cluster, rng: &mut Rng) -> usize {
    let numbers: Vec<_> = cluster.taskmanagers.keys().copied().collect();
    numbers[rng.index(numbers.len())]
}

fn proxy(proxy: &Option<Proxy>) -> &Proxy {
    proxy.as_ref().expect("on one machine, the network between processes is proxies")
}
