//! A job from start to end: attempt after attempt, as its restart strategy allows, each from the last complete checkpoint.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use millstream_state::manifest::{CheckpointKind, Manifest};
use tracing::{error, info, warn};

use super::{
    JobReport, RECORDS_SKIPPED, Request,
    coordination::{Coordination, End},
    deploy::Attempt,
    sinks::{From, GoneBack, JobSink, abort_all, commit_all, recover_all},
    store::JobStore,
};
use crate::{
    checkpoint::restored::Restored,
    env::{Env, blocking},
    failure::Failure,
    graph::{JobGraph, OperatorInfo, VertexId},
    metrics::{Metric, Registry},
    restart::{Decision, RestartStrategy, Restarts},
    task::{
        contain::{Contained, contain},
        flag::Flag,
    },
};

/// How many reports of a subtask have room on their way to the coordinator, besides the one that each always has.
const EVENTS_LIMIT: usize = 64;

pub(super) struct Driver {
    /// Tells this run from all others. A job with checkpoints keeps it through all restarts.
    pub(super) run: u64,
    pub(super) env: Arc<dyn Env>,
    pub(super) cancel: Flag,
    pub(super) drain: Flag,
    pub(super) registry: Registry,
    pub(super) names: Vec<String>,
    /// Where checkpoints are kept, if the job makes any.
    pub(super) store: Option<Arc<JobStore>>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) progress: super::Progress,
}

impl Driver {
    pub(super) async fn run(mut self, graph: JobGraph) -> Result<JobReport, Failure> {
        let (job, began) = (graph.name.clone(), self.env.now());
        info!(job, chains = graph.vertices.len(), guarantee = graph.guarantee, "job starts");
        let result = self.run_to_end(graph).await;
        let elapsed = self.env.now().since(began);
        let elapsed_ms = elapsed.as_millis() as u64;
        self.report_skipped(&job);
        // The failure is handed to whoever started the job, who tells it; here it would be told twice.
        match &result {
            Ok(End::Finished) => info!(job, elapsed_ms, "job has ended"),
            Ok(End::Stopped(checkpoint)) => info!(job, elapsed_ms, checkpoint, "job was stopped with a checkpoint"),
            Err(failure) if failure.is_cancelled() => info!(job, elapsed_ms, "job was cancelled"),
            Err(failure) => info!(job, elapsed_ms, error = %failure, "job has failed"),
        }
        result.map(|end| JobReport { elapsed, stopped: end.stopped() })
    }

    /// Logs which operators have skipped records, and how many.
    fn report_skipped(&self, job: &str) {
        let mut skipped = BTreeMap::<String, u64>::new();
        for (id, metric) in self.registry.snapshot() {
            if let Metric::Counter(counter) = metric
                && id.name == RECORDS_SKIPPED
            {
                *skipped.entry(id.operator).or_default() += counter.get();
            }
        }
        for (operator, records) in skipped.into_iter().filter(|(_, records)| *records > 0) {
            warn!(job, operator, records, "records were skipped");
        }
    }

    async fn run_to_end(&mut self, mut graph: JobGraph) -> Result<End, Failure> {
        if graph.settings.checkpoints.dir.is_some() && !graph.keeps_state {
            warn!(job = graph.name, "the job promises best effort, so it makes no checkpoints and starts empty");
        }
        if graph.has_checkpoints() {
            let opened = JobStore::open(&graph.name, &graph.settings.checkpoints, &self.env);
            let store = Contained::new(opened).await?;
            self.run = store.run();
            self.store = Some(Arc::new(store));
        }
        let default = if graph.has_checkpoints() { RestartStrategy::EXPONENTIAL_DELAY } else { RestartStrategy::None };
        let mut restarts = Restarts::new(graph.settings.restart.clone().unwrap_or(default));
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.progress.attempt_begins(attempts);
            let completed = self.progress.completed();
            let failure = match self.attempt(&mut graph).await {
                Ok(end) => return Ok(end),
                Err(failure) if failure.is_cancelled() => return Err(failure),
                Err(failure) => failure,
            };
            if self.store.as_ref().is_some_and(|store| store.take_rejected()) {
                // Not for the restart strategy to decide: each checkpoint that is kept is tried once at most.
                error!(job = graph.name, error = %failure, "the checkpoint cannot be read: the one before is tried");
                continue;
            }
            if self.progress.completed() > completed {
                restarts.on_stable();
            }
            // What cannot even be begun is a mistake to be told at once.
            let decision = match self.progress.has_run() {
                true => restarts.on_failure(self.env.now(), self.env.random()),
                false => return Err(failure),
            };
            match decision {
                Decision::GiveUp(why) => {
                    if attempts > 1 {
                        warn!(job = graph.name, why, "the job is given up");
                    }
                    return Err(failure);
                }
                Decision::RestartAfter(delay) => {
                    let delay_ms = delay.as_millis() as u64;
                    warn!(job = graph.name, error = %failure, delay_ms, "the job has failed and is started again");
                    self.progress.failed(&failure);
                    self.pause(delay).await?;
                }
            }
        }
    }

    /// Waits until the job is to be started again.
    async fn pause(&mut self, delay: Duration) -> Result<(), Failure> {
        let mut sleep = self.env.sleep(delay);
        let cancel = self.cancel.clone();
        let mut cancelled = pin!(cancel.wait());
        loop {
            let waits = select(&mut sleep, &mut cancelled);
            match select(waits, self.requests.next()).await {
                Either::Left((Either::Left(_), _)) => return Ok(()),
                Either::Left((Either::Right(_), _)) => return Err(Failure::cancelled()),
                Either::Right((Some(request), _)) => {
                    request.refuse("the job has failed and is about to be started again: ask again then")
                }
                Either::Right((None, waits)) => match waits.await {
                    Either::Left(_) => return Ok(()),
                    Either::Right(_) => return Err(Failure::cancelled()),
                },
            }
        }
    }

    /// One try to run the job to its end.
    async fn attempt(&mut self, graph: &mut JobGraph) -> Result<End, Failure> {
        let restored = match &self.store {
            Some(store) => Contained::new(store.recover(&*self.env)).await?,
            None => None,
        };
        self.progress.restored(restored.as_ref().map(|manifest| manifest.checkpoint));
        if let Some(manifest) = &restored {
            self.run = manifest.run;
            let (job, checkpoint) = (&graph.name, manifest.checkpoint);
            info!(job, checkpoint, "the job goes on from a checkpoint");
            if manifest.kind != CheckpointKind::Final {
                known_operators(graph, manifest)?;
            }
        }
        let number = self.env.random();
        let mut sinks = self.sinks(graph, number)?;
        let result = self.attempt_with(graph, &mut sinks, number, restored).await;
        if result.is_err() && self.store.is_none() {
            abort_all(&mut sinks).await;
        }
        result
    }

    async fn attempt_with(
        &mut self,
        graph: &mut JobGraph,
        sinks: &mut Vec<JobSink>,
        number: u64,
        restored: Option<Arc<Manifest>>,
    ) -> Result<End, Failure> {
        let is_final = restored.as_ref().is_some_and(|manifest| manifest.kind == CheckpointKind::Final);
        if !is_final {
            self.check(graph, number).await?;
        }
        if self.store.is_some() {
            let of = |id: &str| Restored::of(restored.as_ref(), id);
            let to = restored.as_ref().map_or(0, |manifest| manifest.checkpoint);
            let gone_back = self.store.as_ref().is_some_and(|store| store.wants_full());
            let gone_back = gone_back.then_some(GoneBack { to, may_repeat: !graph.exactly_once });
            recover_all(sinks, of, From { last: is_final, gone_back }, &*self.env).await?;
        }
        if is_final {
            info!(job = graph.name, "the job had ended before: its output is complete");
            return Ok(End::Finished);
        }
        let (sender, events) = mpsc::channel(EVENTS_LIMIT);
        let attempt =
            Attempt { number, stop: Flag::default(), restored, events: self.store.is_some().then_some(sender) };
        let deployed = contain(|| self.deploy(graph, sinks, &attempt)).and_then(|deployed| deployed)?;
        self.progress.deployed();
        info!(job = graph.name, tasks = deployed.tasks.len(), "job is deployed");
        let coordination = Coordination::new(self, graph, deployed, attempt, events, std::mem::take(sinks));
        let (end, returned, settings) = coordination.run(&mut self.requests).await;
        *sinks = returned;
        graph.settings = settings; // what was set while it ran goes on to hold
        if self.store.is_none() {
            let end = end?;
            commit_all(&graph.name, sinks).await?;
            return Ok(end);
        }
        end
    }

    /// Lets sources and sinks look for mistakes before anything is started.
    async fn check(&self, graph: &mut JobGraph, attempt: u64) -> Result<(), Failure> {
        let contexts: Vec<_> = (0..graph.vertices.len())
            .map(|id| {
                let vertex = &graph.vertices[id];
                let connector = |operator| self.connector(graph, VertexId(id), operator, attempt);
                (connector(vertex.operators.first()), connector(vertex.last_operator()))
            })
            .collect();
        let vertices = std::mem::take(&mut graph.vertices);
        let (vertices, checked) = blocking(&*self.env, move || {
            let mut checked = Ok(());
            for (vertex, (source_cx, sink_cx)) in vertices.iter().zip(&contexts) {
                let blame = |failure: Failure, operator: Option<&OperatorInfo>| match operator {
                    Some(operator) => failure.at_operator(&operator.to_string(), Some(operator.location)),
                    None => failure,
                };
                if let (Ok(()), Some(source)) = (&checked, &vertex.source) {
                    let result = contain(|| source.check(source_cx)).and_then(|result| result);
                    checked = result.map_err(|failure| blame(failure, vertex.operators.first()));
                }
                if let (Ok(()), Some(sink)) = (&checked, &vertex.sink) {
                    let result = contain(|| sink.check(sink_cx)).and_then(|result| result);
                    checked = result.map_err(|failure| blame(failure, vertex.last_operator()));
                }
            }
            (vertices, checked)
        })
        .await;
        graph.vertices = vertices;
        checked
    }

    fn sinks(&self, graph: &JobGraph, attempt: u64) -> Result<Vec<JobSink>, Failure> {
        let mut sinks = Vec::new();
        for (id, vertex) in graph.vertices.iter().enumerate() {
            let (Some(sink), Some(operator)) = (&vertex.sink, vertex.last_operator()) else { continue };
            let name = operator.to_string();
            let cx = self.connector(graph, VertexId(id), Some(operator), attempt);
            let committer = contain(|| sink.committer(&cx))
                .and_then(|committer| committer)
                .map_err(|failure| failure.at_operator(&name, Some(operator.location)))?;
            sinks.push(JobSink {
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
}

/// Refuses a checkpoint with state that nobody would take: it would be lost without a word.
fn known_operators(graph: &JobGraph, manifest: &Manifest) -> Result<(), Failure> {
    let operators =
        || {
            graph.vertices.iter().enumerate().flat_map(|(id, vertex)| {
                vertex.operators.iter().map(move |operator| (VertexId(id), operator.id_or_name()))
            })
        };
    for state in &manifest.operators {
        let Some((vertex, _)) = operators().find(|(_, id)| *id == state.id) else {
            return Err(Failure::new(format!(
                "checkpoint {} has state of operator `{}`, which the job does not have",
                manifest.checkpoint, state.id
            ))
            .with_hint(format!(
                "give the operator that is to have it `.uid(\"{}\")`, or begin anew with `--fresh`",
                state.id
            )));
        };
        let groups = graph.max_parallelism(vertex);
        if let Some(part) = state.keyed.iter().find(|part| part.groups.of != groups) {
            return Err(Failure::new(format!(
                "checkpoint {} has the keys of operator `{}` in {} key groups, and the job now has {groups}",
                manifest.checkpoint, state.id, part.groups.of
            ))
            .with_hint(format!("set its max_parallelism to {} again: it cannot change", part.groups.of)));
        }
    }
    Ok(())
}
