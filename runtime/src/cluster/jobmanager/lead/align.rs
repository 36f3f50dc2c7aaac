//! Sources that wait for each other in several processes.

use super::Lead;
use crate::{
    cluster::wire::Downward,
    control::{AttemptId, ConnectionId, JobId},
};

impl Lead {
    /// Sources wait for others of their group, wherever these are: tells some how far the others have come.
    pub(super) fn align(
        &mut self,
        connection: ConnectionId,
        job: JobId,
        attempt: AttemptId,
        group: String,
        said: (u32, Option<i64>),
    ) {
        let (Some(running), Some(master)) = (self.running.get(&job), self.machine.jobs().get(&job)) else { return };
        let Some(all) = running.facts.groups.get(&group).copied().filter(|_| master.runs(attempt)) else { return };
        let told = self.aligned.entry((job, group.clone())).or_default();
        told.insert((connection, attempt), said);
        let connections = &self.connections;
        told.retain(|(connection, attempt), _| connections.contains_key(connection) && master.runs(*attempt));
        let known: u32 = told.values().map(|(members, _)| members).sum();
        let others = told.iter().filter(|(of, _)| **of != (connection, attempt));
        let at = match known < all {
            true => Some(i64::MIN), // some have not been heard of
            false => others.filter_map(|(_, (_, at))| *at).min(),
        };
        if let Some(control) = self.connections.get(&connection) {
            // What cannot be sent now is told the next time.
            let _ = control.send(&Downward::Aligned { job, attempt, group, at });
        }
    }
}
