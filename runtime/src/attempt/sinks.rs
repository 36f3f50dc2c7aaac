//! The sinks of a job: what their writers leave, and who commits it.

use std::sync::{Arc, PoisonError};

use millstream_state::manifest::OperatorState;
use tracing::info;

use super::deploy::Connectors;
use crate::{
    checkpoint::restored::Restored,
    env::Env,
    failure::{Failure, Location},
    graph::{DynCommitter, JobGraph, VertexId},
    operators::sink::Committables,
    task::contain::{Contained, contain},
};

/// A sink, and who commits what its writers hand over.
pub(crate) struct JobSink {
    /// The vertex that ends in it.
    pub(crate) vertex: VertexId,
    pub(crate) committer: Box<dyn DynCommitter>,
    /// What the writers of a job without checkpoints leave at the end.
    pub(crate) committables: Committables,
    /// The operator's id.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) location: Location,
    /// What it holds is visible: it must not be aborted, whatever becomes of the other sinks.
    pub(crate) committed: bool,
}

impl JobSink {
    fn blame(&self, failure: Failure) -> Failure {
        failure.at_operator(&self.name, Some(self.location))
    }
}

/// Makes the committers of a graph's sinks.
///
/// # Errors
///
/// What a sink says, with its operator.
pub(crate) fn job_sinks(graph: &JobGraph, connectors: &Connectors<'_>) -> Result<Vec<JobSink>, Failure> {
    let mut sinks = Vec::new();
    for (id, vertex) in graph.vertices.iter().enumerate() {
        let (Some(sink), Some(operator)) = (&vertex.sink, vertex.last_operator()) else { continue };
        let name = operator.to_string();
        let cx = connectors.context(graph, VertexId(id), Some(operator));
        let committer = contain(|| sink.committer(&cx))
            .and_then(|committer| committer)
            .map_err(|failure| failure.at_operator(&name, Some(operator.location)))?;
        sinks.push(JobSink {
            vertex: VertexId(id),
            committer,
            committables: Arc::default(),
            id: operator.id_or_name(),
            name,
            location: operator.location,
            committed: false,
        });
    }
    Ok(sinks)
}

/// Commits what the writers of a job without checkpoints have left at its end.
pub(crate) async fn commit_all(job: &str, sinks: &mut [JobSink]) -> Result<(), Failure> {
    for sink in sinks {
        let what = std::mem::take(&mut *sink.committables.lock().unwrap_or_else(PoisonError::into_inner));
        let parts: u32 = what.iter().map(|part| part.records).sum();
        let committed = Contained::new(sink.committer.commit_parts(what, true)).await;
        committed.map_err(|failure| sink.blame(failure))?;
        sink.committed = true;
        info!(job, operator = sink.name, parts, "sink has committed");
    }
    Ok(())
}

/// Removes what was not committed. The last one first: sinks undo what they did before the job, each on what those before it had done.
pub(crate) async fn abort_all(sinks: &mut [JobSink]) {
    for sink in sinks.iter_mut().rev().filter(|sink| !sink.committed) {
        // The job has its failure to tell already; that this one panics, too, would hide it.
        let abort = sink.committer.abort();
        let abort = async {
            abort.await;
            Ok(())
        };
        let _ = Contained::new(abort).await;
    }
}

/// What a job goes on from, as sinks have to know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From {
    /// The job had come to its end.
    pub(crate) last: bool,
    /// There were newer checkpoints, which cannot be read.
    pub(crate) gone_back: Option<GoneBack>,
    /// The checkpoint of the savepoint that it begins with, if nothing is to be taken back.
    pub(crate) begun_with: Option<u64>,
}

/// A job goes on from an older checkpoint than its last one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoneBack {
    /// The checkpoint's number; 0 if it begins anew.
    pub(crate) to: u64,
    /// It promises no more than that each record counts at least once.
    pub(crate) may_repeat: bool,
}

/// Clears up what dead attempts have left, and commits what the checkpoint that the job goes on from holds: that may not have been done, or only in part.
pub(crate) async fn recover_all(
    sinks: &mut [JobSink],
    restored: impl Fn(&str) -> Restored,
    from: From,
    env: &dyn Env,
) -> Result<(), Failure> {
    for sink in sinks {
        let recover = sink.committer.recover(restored(&sink.id), &from);
        let recovered = Contained::new(async {
            env.step("sink recovers");
            recover.await?;
            env.step("sink has recovered");
            Ok(())
        })
        .await;
        recovered.map_err(|failure| sink.blame(failure))?;
        sink.committed = from.last;
    }
    Ok(())
}

/// Commits what the writers handed over at a checkpoint that is complete.
pub(crate) async fn commit_checkpoint(
    sinks: &mut [JobSink],
    operators: &[OperatorState],
    last: bool,
    env: &dyn Env,
) -> Result<(), Failure> {
    for sink in sinks {
        let Some(operator) = operators.iter().find(|operator| operator.id == sink.id) else { continue };
        let parts = operator.values.iter().filter(|part| part.state == COMMITTABLES_STATE).cloned().collect();
        let commit = sink.committer.commit_parts(parts, last);
        let committed = Contained::new(async {
            env.step("sink commits");
            commit.await?;
            env.step("sink has committed");
            Ok(())
        })
        .await;
        committed.map_err(|failure| sink.blame(failure))?;
        sink.committed = last;
    }
    Ok(())
}

/// The state of a sink that has what is to be committed.
pub(crate) const COMMITTABLES_STATE: &str = "committables";
/// The state of a sink that has what its writers go on with.
pub(crate) const WRITERS_STATE: &str = "writers";
