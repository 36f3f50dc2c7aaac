//! Who leads: a leader renews its lease, and looks whether it still leads; the others hold a connection to it, and claim the leadership when it is gone.
//!
//! A lease is renewed at the interval of heartbeats, and a leader that has not renewed its own for their timeout is gone, though its connections are open.
//!
//! When to claim is a matter of speed alone. That there is one leader, whoever claims and whenever, the log sees to.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{
    SinkExt,
    channel::mpsc,
    future::{Either, select},
};
use millstream_net::hello::{End, Purpose};
use tracing::{info, warn};

use super::{
    Happening, Process,
    archive::{Archive, Lease},
};
use crate::{
    cluster::{
        wire::{Downward, Messages},
        within,
    },
    env::{Env, ReadHalf, WriteHalf},
    failure::Failure,
    task::flag::Flag,
};

/// How long a leader may take to answer who connects.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// The pause before something that has failed is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// Those who stand by do not all claim at the same time: each waits for a part of this.
const JITTER: Duration = Duration::from_millis(50);

/// Renews a leader's lease.
pub(super) struct Renewal {
    pub(super) env: Arc<dyn Env>,
    pub(super) archive: Archive,
    pub(super) lease: Lease,
    /// The time from one renewal to the next.
    pub(super) interval: Duration,
    /// It does not lead any more.
    pub(super) over: Flag,
    pub(super) happenings: mpsc::Sender<Happening>,
}

impl Renewal {
    pub(super) async fn run(mut self) {
        loop {
            if let Either::Right(_) = select(self.env.sleep(self.interval), pin!(self.over.wait())).await {
                return;
            }
            match self.archive.newest_claim().await {
                Ok(newest) if newest > self.lease.epoch => {
                    let reason = format!("another process has claimed the leadership (claim {newest})");
                    let _ = self.happenings.send(Happening::Deposed(reason)).await; // it knows already
                    return;
                }
                Ok(_) => {}
                Err(failure) => warn!(error = %failure, "it cannot be told who leads"),
            }
            self.lease.beat += 1;
            if let Err(failure) = self.archive.put_lease(&self.lease).await {
                warn!(error = %failure, "the lease of the leader was not renewed");
            }
        }
    }
}

impl Process {
    /// Waits as long as another process leads. False if it is to stop, or to look again.
    pub(super) async fn stand_by(&self, is_first: bool) -> bool {
        let archive = self.archive.as_ref().expect("without storage nobody stands by");
        let lease = match archive.lease().await {
            Ok(Some(lease)) => lease,
            Ok(None) => return true,
            Err(failure) => return self.wait_out(&failure).await,
        };
        if lease.control == self.address && is_first {
            return true; // it was this one, in a life before
        }
        self.role.stands_by(Some((lease.control.clone(), lease.rest.clone())));
        match self.connect(&lease).await {
            Leader::There(messages, writing) => {
                info!(leader = lease.control, epoch = lease.epoch, "stands by");
                self.watch(archive, messages, writing).await;
            }
            Leader::Gone => {}
            Leader::Silent => {
                if !self.is_silent(archive, &lease).await {
                    return false;
                }
            }
        }
        if self.stop.is_set() {
            return false;
        }
        // Somebody else may have been faster.
        let jitter = JITTER.mul_f64(self.envs.control.random() as f64 / u64::MAX as f64);
        self.envs.control.sleep(jitter).await;
        match (archive.lease().await, archive.newest_claim().await) {
            (Ok(now), Ok(newest)) => {
                now.is_none_or(|now| now.epoch == lease.epoch) && newest <= lease.epoch || {
                    // It may have claimed, and died before it could say where it is.
                    self.is_stuck(archive, newest).await
                }
            }
            (Err(failure), _) | (_, Err(failure)) => self.wait_out(&failure).await,
        }
    }

    async fn wait_out(&self, failure: &Failure) -> bool {
        warn!(error = %failure, "it cannot be told who leads");
        select(self.envs.control.sleep(PAUSE), pin!(self.stop.wait())).await;
        false
    }

    /// True if the newest claim is of a process that has not said where it is, for long.
    async fn is_stuck(&self, archive: &Archive, newest: u64) -> bool {
        select(self.envs.control.sleep(PAUSE), pin!(self.stop.wait())).await;
        let lease = archive.lease().await.ok().flatten();
        if self.stop.is_set() || lease.is_some_and(|lease| lease.epoch >= newest) {
            return false;
        }
        self.envs.control.sleep(self.options.heartbeats.timeout).await;
        let (lease, claim) = (archive.lease().await.ok().flatten(), archive.newest_claim().await);
        claim.is_ok_and(|claim| claim == newest) && lease.is_none_or(|lease| lease.epoch < newest)
    }

    async fn connect(&self, lease: &Lease) -> Leader {
        let env = &self.envs.control;
        let connects = async {
            let connection = env.network().connect(&lease.control).await.map_err(|_| Leader::Gone)?;
            let (mut reading, mut writing) = connection.split();
            let hello = self.options.identity.hello(Purpose::Control, self.me, &**env);
            hello.exchange(End::Connects, &mut reading, &mut writing).await.map_err(|_| Leader::Gone)?;
            let mut messages = Messages::new(reading);
            match messages.next::<Downward>().await {
                Ok(Downward::Leads { epoch }) if epoch.get() >= lease.epoch => Ok(Leader::There(messages, writing)),
                _ => Err(Leader::Gone),
            }
        };
        within(&**env, ANSWER_LIMIT, connects).await.map_or(Leader::Silent, |found| found.unwrap_or_else(|gone| gone))
    }

    /// Waits until the connection to the leader is closed, or its lease is not renewed any more.
    async fn watch(&self, archive: &Archive, mut messages: Messages<ReadHalf>, _writing: WriteHalf) {
        let closed = async { while messages.next::<Downward>().await.is_ok() {} };
        let expired = async {
            loop {
                let Ok(Some(lease)) = archive.lease().await else {
                    self.envs.control.sleep(self.options.heartbeats.interval).await;
                    continue;
                };
                if self.is_silent(archive, &lease).await {
                    return;
                }
            }
        };
        let (mut closed, mut expired) = (pin!(closed), pin!(expired));
        match select(select(&mut closed, &mut expired), pin!(self.stop.wait())).await {
            Either::Left((Either::Left(_), _)) => info!("the leader has closed its connection"),
            Either::Left((Either::Right(_), _)) => info!("the leader does not renew its lease"),
            Either::Right(_) => {}
        }
    }

    /// Looks for the timeout of a lease whether it is renewed: true if it is not.
    async fn is_silent(&self, archive: &Archive, lease: &Lease) -> bool {
        let late = self.envs.control.now() + self.options.heartbeats.timeout;
        while self.envs.control.now() < late {
            select(self.envs.control.sleep(self.options.heartbeats.interval), pin!(self.stop.wait())).await;
            if self.stop.is_set() || archive.lease().await.is_ok_and(|now| now.as_ref() != Some(lease)) {
                return false;
            }
        }
        true
    }
}

/// What there is of a leader.
enum Leader {
    There(Messages<ReadHalf>, WriteHalf),
    /// Its process is not there.
    Gone,
    /// It does not answer.
    Silent,
}
