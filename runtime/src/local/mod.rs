//! Running a job in this process: wires its chains together, runs every subtask as a task, and commits or aborts at the end.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    channel::oneshot,
    future::{Either, Shared, select},
    stream::FuturesUnordered,
};
use tracing::{Instrument, Span, debug, error_span, info, warn};

use crate::{
    env::{Env, blocking},
    exchange::{
        channel::{Sender, Shared as ChannelShared},
        gate::Gate,
    },
    failure::{Failure, Location},
    graph::{DynCommitter, Edge, EdgeKind, JobGraph, OutputId, VertexId},
    metrics::{Metric, Registry, TaskMetrics},
    settings::{CHANNEL_CREDIT_MAX_BYTES, CHANNEL_CREDIT_MIN_BYTES},
    source::ConnectorContext,
    task::{
        contain::{Contained, contain},
        context::{ChainContext, EdgeSenders, TaskInfo},
        flag::Flag,
        run::Subtask,
    },
};

/// The least that a sender gets for its pre-aggregation table, in bytes.
const PREAGGREGATION_MIN_BYTES: usize = 64 << 10;

/// The counter of records that an operator or a source rejects and goes on without. What it counts is logged when the job ends.
pub(crate) const RECORDS_SKIPPED: &str = "records_skipped";

/// A job that runs. Dropping the handle leaves it running.
#[derive(Clone)]
pub struct JobHandle {
    name: Arc<str>,
    cancel: Flag,
    drain: Flag,
    registry: Registry,
    chains: Arc<[ChainSummary]>,
    done: Shared<oneshot::Receiver<Result<JobReport, Failure>>>,
}

/// What is known of a chain that runs.
#[derive(Debug, Clone)]
pub struct ChainSummary {
    /// Its name, under which its metrics are found.
    pub name: String,
    /// How many subtasks it has.
    pub parallelism: usize,
    /// True if it reads a source.
    pub is_source: bool,
    /// True if it writes to a sink.
    pub is_sink: bool,
}

/// What is said of a job that has ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// How long it ran.
    pub elapsed: Duration,
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl JobHandle {
    /// The job's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the job has ended and its output is committed. Cancel safe; may be called again.
    ///
    /// # Errors
    ///
    /// Why it failed; [`Failure::is_cancelled`] if it was cancelled.
    pub async fn wait(&self) -> Result<JobReport, Failure> {
        self.done.clone().await.unwrap_or_else(|_| Err(Failure::new("the environment stopped before the job ended")))
    }

    /// Stops the job at once. What it wrote is not committed.
    pub fn cancel(&self) {
        self.cancel.set();
    }

    /// Lets the sources come to an end where they are; what they read so far flows through and is committed.
    pub fn drain(&self) {
        self.drain.set();
    }

    /// The job's metrics.
    pub fn metrics(&self) -> &Registry {
        &self.registry
    }

    /// Its chains.
    pub fn chains(&self) -> &[ChainSummary] {
        &self.chains
    }
}

/// Starts a job.
pub fn start(graph: JobGraph, env: Arc<dyn Env>) -> JobHandle {
    let (sender, done) = oneshot::channel();
    let names = chain_names(&graph);
    let summary = |(id, name): (usize, &String)| ChainSummary {
        name: name.clone(),
        parallelism: graph.parallelism(VertexId(id)),
        is_source: graph.vertices[id].source.is_some(),
        is_sink: graph.vertices[id].sink.is_some(),
    };
    let handle = JobHandle {
        name: graph.name.as_str().into(),
        cancel: Flag::default(),
        drain: Flag::default(),
        registry: Registry::default(),
        chains: names.iter().enumerate().map(summary).collect(),
        done: done.shared(),
    };
    let driver = Driver {
        run: env.random(),
        env: Arc::clone(&env),
        cancel: handle.cancel.clone(),
        drain: handle.drain.clone(),
        registry: handle.registry.clone(),
        names,
    };
    let name = format!("job {}", graph.name);
    env.spawn(
        &name,
        Box::pin(async move {
            let _ = sender.send(driver.run(graph).await); // nobody may be waiting
        }),
    );
    handle
}

/// Runs a job to its end.
///
/// # Errors
///
/// Why it failed.
pub async fn run(graph: JobGraph, env: Arc<dyn Env>) -> Result<JobReport, Failure> {
    start(graph, env).wait().await
}

/// The names of the chains, each made unique.
fn chain_names(graph: &JobGraph) -> Vec<String> {
    let mut seen = HashMap::<String, usize>::new();
    let name = |vertex: &crate::graph::Vertex| {
        let name = vertex.name();
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name} #{count}") }
    };
    graph.vertices.iter().map(name).collect()
}

struct Driver {
    /// Tells this run from all others.
    run: u64,
    env: Arc<dyn Env>,
    cancel: Flag,
    drain: Flag,
    registry: Registry,
    names: Vec<String>,
}

/// What the writers of a sink leave, and who commits it.
struct PendingSink {
    committer: Box<dyn DynCommitter>,
    committables: Arc<Mutex<Vec<Box<dyn Any + Send>>>>,
    name: String,
    location: Location,
    /// What it holds is visible: it must not be aborted, whatever becomes of the other sinks.
    committed: bool,
}

type TaskFuture = crate::env::BoxFuture<'static, Result<(), Failure>>;

/// A task that is to be run.
struct Task {
    name: String,
    /// What is logged in it, by user code too, has its job, operator and subtask.
    span: Span,
    future: TaskFuture,
}

impl Driver {
    async fn run(self, graph: JobGraph) -> Result<JobReport, Failure> {
        let (job, began) = (graph.name.clone(), self.env.now());
        info!(job, chains = graph.vertices.len(), guarantee = graph.guarantee, "job starts");
        let result = self.run_to_end(graph).await;
        let elapsed = self.env.now().since(began);
        let elapsed_ms = elapsed.as_millis() as u64;
        self.report_skipped(&job);
        // The failure is handed to whoever started the job, who tells it; here it would be told twice.
        match &result {
            Ok(()) => info!(job, elapsed_ms, "job has ended"),
            Err(failure) if failure.is_cancelled() => info!(job, elapsed_ms, "job was cancelled"),
            Err(failure) => info!(job, elapsed_ms, error = %failure, "job has failed"),
        }
        result.map(|()| JobReport { elapsed })
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

    async fn run_to_end(&self, graph: JobGraph) -> Result<(), Failure> {
        let job = graph.name.clone();
        let mut sinks = self.sinks(&graph)?;
        let result = self.check_and_run(graph, &mut sinks).await;
        match self.settle(&job, result, &mut sinks).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                for sink in sinks.iter_mut().rev().filter(|sink| !sink.committed) {
                    // The last one first: sinks undo what they did before the job, each on what those before it had done.
                    // The job has its failure to tell already; that this one panics, too, would hide it.
                    let abort = sink.committer.abort();
                    let abort = async {
                        abort.await;
                        Ok(())
                    };
                    let _ = Contained::new(abort).await;
                }
                Err(failure)
            }
        }
    }

    async fn check_and_run(&self, graph: JobGraph, sinks: &mut [PendingSink]) -> Result<(), Failure> {
        let graph = self.check(graph).await?;
        let tasks = contain(|| self.deploy(&graph, sinks)).and_then(|tasks| tasks)?;
        info!(job = graph.name, tasks = tasks.len(), "job is deployed");
        self.supervise(tasks).await
    }

    /// Commits what a job that ended well has written.
    async fn settle(&self, job: &str, result: Result<(), Failure>, sinks: &mut [PendingSink]) -> Result<(), Failure> {
        result?;
        for sink in sinks {
            let what = std::mem::take(&mut *sink.committables.lock().unwrap_or_else(PoisonError::into_inner));
            let parts = what.len();
            let committed = Contained::new(sink.committer.commit(what)).await;
            committed.map_err(|failure| failure.at_operator(&sink.name, Some(sink.location)))?;
            sink.committed = true;
            info!(job, operator = sink.name, parts, "sink has committed");
        }
        Ok(())
    }

    /// What [`ConnectorContext::run`] says of a vertex: it has one source or one sink at most.
    fn run_of(&self, vertex: VertexId) -> u64 {
        self.run.wrapping_add(vertex.0 as u64)
    }

    fn connector(&self, graph: &JobGraph, vertex: VertexId, operator: &str) -> ConnectorContext {
        ConnectorContext {
            env: Arc::clone(&self.env),
            operator: operator.to_owned(),
            subtask: 0,
            parallelism: graph.parallelism(vertex),
            run: self.run_of(vertex),
            attempt: self.run_of(vertex),
            checkpoints: false,
            registry: self.registry.clone(),
        }
    }

    /// Lets sources and sinks look for mistakes before anything is started.
    async fn check(&self, graph: JobGraph) -> Result<JobGraph, Failure> {
        let contexts: Vec<_> = (0..graph.vertices.len())
            .map(|id| {
                let operators = &graph.vertices[id].operators;
                let name =
                    |operator: Option<&crate::graph::OperatorInfo>| operator.map_or(String::new(), ToString::to_string);
                let (source, sink) = (name(operators.first()), name(operators.last()));
                (self.connector(&graph, VertexId(id), &source), self.connector(&graph, VertexId(id), &sink))
            })
            .collect();
        blocking(&*self.env, move || {
            for (vertex, (source_cx, sink_cx)) in graph.vertices.iter().zip(&contexts) {
                if let (Some(source), Some(operator)) = (&vertex.source, vertex.operators.first()) {
                    let checked = contain(|| source.check(source_cx)).and_then(|result| result);
                    checked.map_err(|failure| failure.at_operator(&operator.to_string(), Some(operator.location)))?;
                }
                if let (Some(sink), Some(operator)) = (&vertex.sink, vertex.operators.last()) {
                    let checked = contain(|| sink.check(sink_cx)).and_then(|result| result);
                    checked.map_err(|failure| failure.at_operator(&operator.to_string(), Some(operator.location)))?;
                }
            }
            Ok(graph)
        })
        .await
    }

    fn sinks(&self, graph: &JobGraph) -> Result<Vec<PendingSink>, Failure> {
        let mut sinks = Vec::new();
        for (id, vertex) in graph.vertices.iter().enumerate() {
            let (Some(sink), Some(operator)) = (&vertex.sink, vertex.operators.last()) else { continue };
            let name = operator.to_string();
            let cx = self.connector(graph, VertexId(id), &name);
            let committer = contain(|| sink.committer(&cx))
                .and_then(|committer| committer)
                .map_err(|failure| failure.at_operator(&name, Some(operator.location)))?;
            sinks.push(PendingSink {
                committer,
                committables: Arc::default(),
                name,
                location: operator.location,
                committed: false,
            });
        }
        Ok(sinks)
    }

    /// Wires everything and makes the future of every subtask.
    fn deploy(&self, graph: &JobGraph, sinks: &[PendingSink]) -> Result<Vec<Task>, Failure> {
        let mut wires = Wires::new(graph)?;
        let subtasks: usize = (0..graph.vertices.len()).map(|id| graph.parallelism(VertexId(id))).sum();
        let preaggregation_bytes =
            (graph.settings.preaggregation_bytes() / subtasks.max(1)).max(PREAGGREGATION_MIN_BYTES);
        let mut sinks = sinks.iter();
        let mut tasks = Vec::with_capacity(subtasks);
        for (id, vertex) in graph.vertices.iter().enumerate() {
            let (id, name) = (VertexId(id), &self.names[id]);
            let parallelism = graph.parallelism(id);
            let committables = match &vertex.sink {
                Some(_) => Arc::clone(&sinks.next().expect("every sink has a committer").committables),
                None => Arc::default(),
            };
            let splits = match &vertex.source {
                Some(source) => {
                    let operator = vertex.operators.first().map_or(String::new(), ToString::to_string);
                    let location = vertex.operators.first().map(|operator| operator.location);
                    let cx = self.connector(graph, id, &operator);
                    let splits = contain(|| source.start(&cx, self.drain.clone()))
                        .and_then(|splits| splits)
                        .map_err(|failure| failure.at_operator(&operator, location))?;
                    let (discovery, cancel) = (splits.discovery, self.cancel.clone());
                    let discovery = async move {
                        match select(discovery, pin!(cancel.wait())).await {
                            Either::Left((result, _)) => {
                                result.map_err(|failure| failure.at_operator(&operator, location))
                            }
                            Either::Right(_) => Err(Failure::cancelled()),
                        }
                    };
                    tasks.push(Task {
                        name: format!("{name} discovery"),
                        span: error_span!("discovery", job = graph.name, operator = name),
                        future: Box::pin(discovery),
                    });
                    Some(splits.handle)
                }
                None => None,
            };
            for subtask in 0..parallelism {
                let info = TaskInfo {
                    job: graph.name.clone(),
                    subtask,
                    parallelism,
                    run: self.run_of(id),
                    settings: graph.settings.clone(),
                    registry: self.registry.clone(),
                    env: Arc::clone(&self.env),
                };
                let metrics = TaskMetrics::new(&self.registry, name, subtask);
                let mut cx = ChainContext {
                    task: &info,
                    operators: &vertex.operators,
                    outputs: wires.outputs(graph, id, subtask, vertex.outputs),
                    metrics: metrics.clone(),
                    splits: splits.as_ref().map(|handle| handle()),
                    committables: Arc::clone(&committables),
                    drain: self.drain.clone(),
                    wants_ticks: false,
                    preaggregation_bytes,
                };
                let head = contain(|| (vertex.make)(&mut cx))
                    .and_then(|head| head)
                    .map_err(|failure| failure.at_operator(name, None))?;
                let tick_interval = cx.wants_ticks.then_some(graph.settings.watermark_interval);
                let gate = vertex.source.is_none().then(|| wires.gate(id, subtask));
                let task = Subtask {
                    head,
                    gate,
                    env: Arc::clone(&self.env),
                    metrics,
                    cancel: self.cancel.clone(),
                    tick_interval,
                };
                tasks.push(Task {
                    name: format!("{name} {}/{parallelism}", subtask + 1),
                    // At the level of errors, so that it is there for whatever is logged.
                    span: error_span!("task", job = graph.name, operator = name, subtask),
                    future: Box::pin(task.run()),
                });
            }
        }
        Ok(tasks)
    }

    /// Runs the tasks; when one fails the others are stopped. The first failure is the job's.
    async fn supervise(&self, tasks: Vec<Task>) -> Result<(), Failure> {
        let mut running: FuturesUnordered<_> = tasks
            .into_iter()
            .map(|Task { name, span, future }| {
                let (sender, ended) = oneshot::channel();
                let task = Contained::new(future);
                let failing = name.clone();
                let task = async move {
                    debug!("task starts");
                    let result = task.await.map_err(|failure: Failure| failure.at_operator(&failing, None));
                    match &result {
                        Err(failure) if !failure.is_cancelled() => info!(error = %failure, "task has failed"),
                        Err(_) => debug!("task was cancelled"),
                        Ok(()) => debug!("task has ended"),
                    }
                    let _ = sender.send(result); // the driver waits, unless it is gone with its environment
                };
                self.env.spawn(&name, Box::pin(task.instrument(span)));
                ended
            })
            .collect();
        let mut result = Ok(());
        while let Some(ended) = running.next().await {
            let ended = ended.unwrap_or_else(|_| Err(Failure::new("a task was dropped by its environment")));
            if let Err(failure) = ended {
                self.cancel.set();
                let caused = matches!(&result, Err(before) if Failure::is_cancelled(before)) && !failure.is_cancelled();
                if result.is_ok() || caused {
                    result = Err(failure);
                }
            }
        }
        result
    }
}

