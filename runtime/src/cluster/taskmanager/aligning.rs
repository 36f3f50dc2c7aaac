//! Tells the leader how far sources have come that sources in other processes wait for.

use std::{pin::pin, sync::Arc};

use futures::{SinkExt, future::select};
use millstream_core::time::Timestamp;

use super::{
    Happening,
    attempt::{Host, Running},
};
use crate::{
    control::{AttemptId, JobId},
    task::flag::Flag,
};

/// Tells it again and again, until the attempt is over.
pub(super) fn tell(running: &Arc<Running>, host: &Host, (job, attempt): (JobId, AttemptId), over: &Flag) {
    let intervals = running.elsewhere().iter().map(|elsewhere| elsewhere.update_interval);
    let Some(interval) = intervals.min() else { return };
    let (running, over) = (Arc::clone(running), over.clone());
    let (env, mut to) = (Arc::clone(&host.envs.worker), host.happenings.clone());
    let tells = async move {
        loop {
            // At the end once more: those that have ended hold up nobody.
            let is_last = over.is_set();
            for elsewhere in running.elsewhere() {
                let at = elsewhere.here().map(Timestamp::millis);
                let (group, members) = (elsewhere.group.clone(), elsewhere.members);
                if to.send(Happening::Aligned { job, attempt, group, members, at }).await.is_err() {
                    return; // the process is ending
                }
            }
            if is_last {
                return;
            }
            select(env.sleep(interval), pin!(over.wait())).await;
        }
    };
    host.envs.worker.spawn("aligns sources", Box::pin(tells));
}
