//! [`Fault`]: what may happen to the processes of a cluster and the network between them.

use std::{thread, time::Duration};

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
    /// All data connections of a TaskManager that others have made are closed.
    CloseData,
    /// Nothing reaches the leader any more, silently, for longer than the timeout.
    CutTowardsLeader,
    /// Nothing comes from it.
    CutFromLeader,
    /// Neither.
    CutBoth,
}

impl Fault {
    pub(crate) const ALL: [Self; 11] = [
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
        Self::CutBoth,
    ];

    /// Lets it happen, and lets it be over.
    pub(crate) fn happen(self, cluster: &mut Cluster, slots: u32, rng: &mut Rng) {
        match self {
            Self::KillTaskManager => {
                let number = any_taskmanager(cluster, rng);
                cluster.taskmanagers.remove(&number).expect("it is one of them").process.kill();
                thread::sleep(Duration::from_millis(rng.below(DOWN_MILLIS)));
                cluster.start_taskmanager(slots);
            }
            Self::StopTaskManager => {
                let number = any_taskmanager(cluster, rng);
                cluster.taskmanagers[&number].process.signal(Signal::STOP);
                thread::sleep(SILENCE);
                cluster.taskmanagers[&number].process.signal(Signal::CONT);
            }
            Self::KillLeader | Self::KillStandby => {
                let number = self.jobmanager(cluster);
                cluster.jobmanagers[number].process.take().expect("it runs").kill();
                thread::sleep(Duration::from_millis(rng.below(DOWN_MILLIS)));
                cluster.start_jobmanager(number);
            }
            Self::StopLeader | Self::StopStandby => {
                let jobmanager = self.jobmanager(cluster);
                let jobmanager = &mut cluster.jobmanagers[jobmanager];
                jobmanager.is_stopped = true;
                let process = jobmanager.process.as_ref().expect("it runs");
                process.signal(Signal::STOP);
                thread::sleep(SILENCE);
                process.signal(Signal::CONT);
                jobmanager.is_stopped = false;
            }
            Self::CloseControl => {
                let leader = self.jobmanager(cluster);
                let closed = proxy(&cluster.jobmanagers[leader].proxy).close_all();
                assert!(closed > 0, "the leader had no connections that could be closed");
            }
            Self::CloseData => {
                // Of two TaskManagers either may have made the connection.
                cluster.taskmanagers.values().for_each(|of| _ = proxy(&of.proxy).close_all());
            }
            Self::CutTowardsLeader | Self::CutFromLeader | Self::CutBoth => {
                let leader = self.jobmanager(cluster);
                let proxy = proxy(&cluster.jobmanagers[leader].proxy);
                let before = proxy.swallowed_bytes();
                proxy.swallow(self != Self::CutFromLeader, self != Self::CutTowardsLeader);
                thread::sleep(SILENCE);
                assert!(proxy.swallowed_bytes() > before, "nobody said anything that could be swallowed");
                proxy.heal();
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

fn any_taskmanager(cluster: &Cluster, rng: &mut Rng) -> usize {
    let numbers: Vec<_> = cluster.taskmanagers.keys().copied().collect();
    numbers[rng.index(numbers.len())]
}

fn proxy(proxy: &Option<Proxy>) -> &Proxy {
    proxy.as_ref().expect("on one machine, the network between processes is proxies")
}
