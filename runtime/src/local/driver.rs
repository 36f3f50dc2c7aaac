//! A job from start to end: attempt after attempt, as its restart strategy allows, each from the last complete checkpoint.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use millstream_state::manifest::{CheckpointKind, Manifest};
use tracing::{error, error_span, info, warn};

use super::{
    JobReport, RECORDS_SKIPPED, Request,
    coordination::{Coordination, End},
};
use crate::{
    attempt::{
        check,
        deploy::{Connectors, Deployed, Deployment, Given, SplitsHandle, Task},
        sinks::{From, GoneBack, JobSink, abort_all, commit_all, job_sinks, recover_all},
        store::{JobStore, Use},
    },
    checkpoint::{restored::Restored, subtask::TaskEvent},
    env::Env,
    failure::Failure,
    graph::{JobGraph, Vertex, VertexId},
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
            let opened = JobStore::open(&graph.name, &graph.settings.checkpoints, Use::Alone, &self.env);
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
            if let Some(store) = &self.store
                && let Some(reason) = store.segments().take_rejected()
            {
                store.reject(&reason).await;
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
                check::known_operators(graph, manifest)?;
            }
        }
        let number = self.env.random();
        let mut sinks = job_sinks(graph, &self.connectors(number))?;
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
            check::connectors(graph, &self.connectors(number)).await?;
        }
        if self.store.is_some() {
            let of = |id: &str| Restored::of(restored.as_ref(), id);
            let to = restored.as_ref().map_or(0, |manifest| manifest.checkpoint);
            let gone_back = self.store.as_ref().is_some_and(|store| store.segments().wants_full());
            let gone_back = gone_back.then_some(GoneBack { to, may_repeat: !graph.exactly_once });
            recover_all(sinks, of, From { last: is_final, gone_back }, &*self.env).await?;
        }
        if is_final {
            info!(job = graph.name, "the job had ended before: its output is complete");
            return Ok(End::Finished);
        }
        let (sender, events) = mpsc::channel(EVENTS_LIMIT);
        let stop = Flag::default();
        let deployed = self.deploy(graph, sinks, number, restored.as_ref(), &sender, &stop)?;
        drop(sender);
        self.progress.deployed();
        info!(job = graph.name, tasks = deployed.tasks.len(), "job is deployed");
        let coordination = Coordination::new(self, graph, deployed, stop, events, std::mem::take(sinks));
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

    fn connectors(&self, attempt: u64) -> Connectors<'_> {
        Connectors { env: &self.env, registry: &self.registry, run: self.run, attempt }
    }

    /// Makes the tasks of an attempt: its subtasks, and what looks for the splits of its sources.
    fn deploy(
        &self,
        graph: &JobGraph,
        sinks: &[JobSink],
        number: u64,
        restored: Option<&Arc<Manifest>>,
        events: &mpsc::Sender<TaskEvent>,
        stop: &Flag,
    ) -> Result<Deployed, Failure> {
        let segments = self.store.as_ref().map(|store| store.segments());
        let mut discoveries = Vec::new();
        let deployment = Deployment {
            graph,
            names: &self.names,
            connectors: self.connectors(number),
            placement: None,
            stop,
            drain: &self.drain,
            restored,
            events: segments.map(|_| events),
            segments,
        };
        let given = |id: VertexId, vertex: &Vertex| {
            let sink = sinks.iter().find(|sink| sink.vertex == id);
            let committables = sink.map(|sink| Arc::clone(&sink.committables)).unwrap_or_default();
            let splits = self.start_source(graph, id, vertex, &deployment, &mut discoveries)?;
            Ok(Given { committables, splits })
        };
        let mut deployed = contain(|| deployment.deploy(given)).and_then(|deployed| deployed)?;
        discoveries.append(&mut deployed.tasks);
        Ok(Deployed { tasks: discoveries, ..deployed })
    }

    /// Makes the pool of splits of a source, and the task that fills it.
    fn start_source(
        &self,
        graph: &JobGraph,
        id: VertexId,
        vertex: &Vertex,
        deployment: &Deployment<'_>,
        discoveries: &mut Vec<Task>,
    ) -> Result<Option<SplitsHandle<'static>>, Failure> {
        let Some(source) = &vertex.source else { return Ok(None) };
        let (info, name) = (vertex.operators.first(), &self.names[id.0]);
        let operator = info.map_or(String::new(), ToString::to_string);
        let location = info.map(|operator| operator.location);
        let cx = deployment.connectors.context(graph, id, info);
        let state = info.map(|info| info.id_or_name()).unwrap_or_default();
        let restored = Restored::of(deployment.restored, &state);
        let splits = contain(|| source.start(&cx, self.drain.clone(), &restored))
            .and_then(|splits| splits)
            .map_err(|failure| failure.at_operator(&operator, location))?;
        let (discovery, stop, handle) = (splits.discovery, deployment.stop.clone(), splits.handle);
        let discovery = async move {
            match select(discovery, pin!(stop.wait())).await {
                Either::Left((result, _)) => result.map_err(|failure| failure.at_operator(&operator, location)),
                Either::Right(_) => Err(Failure::cancelled()),
            }
        };
        discoveries.push(Task {
            name: format!("{name} discovery"),
            span: error_span!("discovery", job = graph.name, operator = name),
            future: Box::pin(discovery),
        });
        Ok(Some(Box::new(move |_, _| handle())))
    }
}
