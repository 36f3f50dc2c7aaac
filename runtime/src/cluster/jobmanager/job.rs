//! [`Job`]: what a leader has of a job that has not ended: its graph, its checkpoints, its sinks' committers, and the pools of its sources' splits.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use futures::{
    SinkExt,
    channel::mpsc,
    future::{Either, select},
    lock::{Mutex, OwnedMutexGuard},
};
use millstream_state::manifest::{CheckpointKind, Manifest, OperatorState};
use tracing::{info, warn};

use super::{Happening, archive::JobRecord};
use crate::{
    attempt::{
        chain_names, check,
        deploy::Connectors,
        report::{Gathered, Part, decode_output, decode_parts, parallelism},
        sinks::{From, GoneBack, JobSink, abort_all, commit_all, commit_checkpoint, job_sinks, recover_all},
        store::{JobStore, Use},
        wires::connected,
    },
    checkpoint::restored::Restored,
    cluster::spec::{JobSpec, Jobs, StartInfo, StoreInfo, vertex_key},
    control::{
        AttemptId, JobId, Vertex,
        job::{
            failure::JobFailure,
            machine::{JobSettings, Parallelism, Recovery, Restored as Found, SLOT_TIMEOUT},
        },
        message::TaskRef,
        topology::{Topology, VertexInfo},
    },
    env::{BoxFuture, Env, blocking},
    failure::{Failure, Location},
    graph::{JobGraph, SplitPool, VertexId},
    metrics::Registry,
    restart::RestartStrategy,
    task::{
        contain::{Contained, contain},
        flag::Flag,
    },
};

/// What is done beside the loop has been done.
pub(crate) enum Done {
    Recovered {
        attempt: AttemptId,
        result: Box<Result<(Recovery, Vec<Hosted>), JobFailure>>,
    },
    Stored {
        checkpoint: u64,
        result: Result<(), String>,
        deposed: bool,
    },
    Committed {
        checkpoint: u64,
        result: Result<(), JobFailure>,
    },
    OutputCommitted(Result<(), JobFailure>),
    Rebuilt {
        record: Box<JobRecord>,
        result: Result<(Topology, Box<Facts>), String>,
    },
    /// What is to be remembered of its end is remembered, or cannot be.
    Ended(Result<(), Failure>),
}

/// A pool of splits, and what fills it.
pub(crate) struct Hosted {
    pub(crate) vertex: Vertex,
    pub(crate) pool: Arc<dyn SplitPool>,
    /// Ends what fills it.
    pub(crate) stop: Flag,
    /// What fills it, until that is run; and what its failures are blamed on.
    discovery: Option<(BoxFuture<'static, Result<(), Failure>>, (String, Location))>,
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// A job that has not ended.
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) record: JobRecord,
    /// What has to be known of its graph beside the loop's work.
    pub(crate) facts: Facts,
    /// The checkpoint that it went on from last.
    pub(crate) restored: Option<u64>,
    core: Arc<Mutex<Core>>,
    /// By vertex, with the attempt to recover that they were made for.
    pools: BTreeMap<Vertex, (AttemptId, Hosted)>,
    /// What the pools had when a checkpoint began.
    begun: BTreeMap<u64, Result<Vec<Part>, Failure>>,
    /// What is complete and has to be committed.
    committing: BTreeMap<u64, Vec<OperatorState>>,
    /// The checkpoint that was recovered last cannot be read.
    rejected: Option<String>,
    /// Nothing more is done for it but to remember its end.
    pub(crate) ending: bool,
}

/// What has to be known of a job's graph.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Its vertices, as they are shown.
    pub(crate) shown: Vec<Shown>,
    /// How many members each alignment group has.
    pub(crate) groups: BTreeMap<String, u32>,
    /// How many subtasks every operator has, by its id.
    parallelism: BTreeMap<String, u32>,
}

impl Facts {
    fn of(graph: &JobGraph, spec: &JobSpec) -> Self {
        Self { shown: shown(graph, spec), groups: groups(graph), parallelism: parallelism(graph) }
    }
}

/// What is known of a vertex.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// What it is called where its number of subtasks is said.
    pub(crate) key: String,
    /// Its number of subtasks is said by the job's code, and no setting changes it.
    pub(crate) is_fixed: bool,
    pub(crate) max_parallelism: u32,
    pub(crate) operators: Vec<String>,
}

/// What work on a job needs, one piece of work after the other.
struct Core {
    env: Arc<dyn Env>,
    graph: JobGraph,
    names: Vec<String>,
    registry: Registry,
    /// Opened when it is first needed: that claims it.
    store: Option<Arc<JobStore>>,
    /// Tells the run of a job without checkpoints from all others.
    run: u64,
    /// The newest attempt, as sources and sinks know it.
    attempt: u64,
    sinks: Vec<JobSink>,
}

/// A graph that was built, and what control has to know of it.
pub(crate) struct Built {
    pub(crate) graph: JobGraph,
    pub(crate) topology: Topology,
    pub(crate) settings: JobSettings,
}

/// Builds a job. It may block.
pub(crate) fn build(record: &JobRecord, jobs: &dyn Jobs) -> Result<Built, Failure> {
    let graph = contain(|| record.spec.build(jobs)).and_then(|graph| graph)?;
    let topology = topology(&graph).map_err(Failure::new)?;
    let checkpoints = graph.has_checkpoints().then(|| graph.settings.checkpoints.clone());
    let default = if checkpoints.is_some() { RestartStrategy::EXPONENTIAL_DELAY } else { RestartStrategy::None };
    let restart = graph.settings.restart.clone().unwrap_or(default);
    Ok(Built { graph, topology, settings: JobSettings { checkpoints, restart, slot_timeout: SLOT_TIMEOUT } })
}

/// What control knows of a graph.
fn topology(graph: &JobGraph) -> Result<Topology, String> {
    let names = chain_names(graph);
    let vertices = names.into_iter().enumerate().map(|(id, name)| VertexInfo {
        name,
        parallelism: graph.parallelism(VertexId(id)) as u32,
        group: 0,
        connected: connected(graph, VertexId(id)) as u32,
    });
    let edges = graph.edges.iter().map(|edge| (Vertex(edge.from.0 as u32), Vertex(edge.to.0 as u32)));
    Topology::new(vertices.collect(), edges.collect())
}

impl Job {
    pub(crate) fn new(id: JobId, record: JobRecord, graph: JobGraph, env: &Arc<dyn Env>) -> Self {
        let facts = Facts::of(&graph, &record.spec);
        let core = Core {
            env: Arc::clone(env),
            names: chain_names(&graph),
            graph,
            registry: Registry::default(),
            store: None,
            run: env.random(),
            attempt: 0,
            sinks: Vec::new(),
        };
        Self {
            id,
            record,
            facts,
            restored: None,
            core: Arc::new(Mutex::new(core)),
            pools: BTreeMap::new(),
            begun: BTreeMap::new(),
            committing: BTreeMap::new(),
            rejected: None,
            ending: false,
        }
    }

    /// Runs work on the job beside the loop.
    fn work(
        &self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        work: impl FnOnce(OwnedMutexGuard<Core>) -> BoxFuture<'static, Done> + Send + 'static,
    ) {
        let (core, mut to, job) = (Arc::clone(&self.core), to.clone(), self.id);
        env.spawn(
            "work on a job",
            Box::pin(async move {
                let done = work(core.lock_owned().await).await;
                let _ = to.send(Happening::Done { job, done }).await; // the leader may be gone
            }),
        );
    }

    /// Finds the newest checkpoint, and lets the sinks and the sources of these vertices begin with it.
    pub(crate) fn recover(
        &mut self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        attempt: AttemptId,
        vertices: Vec<Vertex>,
    ) {
        let vertices: BTreeSet<Vertex> = vertices.into_iter().collect();
        self.pools.retain(|vertex, _| !vertices.contains(vertex));
        self.begun.clear();
        let (rejected, spec) = (self.rejected.take(), self.record.spec.clone());
        self.work(env, to, move |mut core| {
            Box::pin(async move {
                let recover = Contained::new(core.recover(rejected, spec, &vertices)).await;
                Done::Recovered { attempt, result: recover.map_err(|failure| JobFailure::of(&failure)).into() }
            })
        });
    }

    /// Takes the pools that were made for a recovery. Gives what has to be run for each: what finds splits, and what waits for answers.
    pub(crate) fn recovered(&mut self, attempt: AttemptId, pools: Vec<Hosted>, restored: Option<u64>) {
        self.restored = restored;
        self.pools.extend(pools.into_iter().map(|hosted| (hosted.vertex, (attempt, hosted))));
    }

    /// The checkpoint that an attempt went on from cannot be read.
    pub(crate) fn reject(&mut self, reason: String) {
        self.rejected = Some(reason);
    }

    /// Answers a request for a split, if there is anything to say, or says what is wrong with it.
    pub(crate) fn ask(&self, task: TaskRef, request: u64, payload: &[u8]) -> Option<Result<(u64, Bytes), JobFailure>> {
        let pool = self.pool(task)?;
        let answer = contain(|| pool.ask(task.subtask.subtask as usize, request, payload)).and_then(|answer| answer);
        answer
            .map(|answer| answer.map(|answer| (request, answer)))
            .map_err(|failure| JobFailure::of(&failure))
            .transpose()
    }

    /// Answers a request for a split that was kept.
    pub(crate) fn answer(
        &self,
        vertex: Vertex,
        of: AttemptId,
        subtask: usize,
    ) -> Option<Result<(u64, Bytes), JobFailure>> {
        let (_, hosted) = self.pools.get(&vertex).filter(|(attempt, _)| *attempt == of)?;
        let answer = contain(|| hosted.pool.answer(subtask)).and_then(|answer| answer);
        answer.map_err(|failure| JobFailure::of(&failure)).transpose()
    }

    /// The pool that a task draws from: none if the task is of an attempt before.
    fn pool(&self, task: TaskRef) -> Option<&Arc<dyn SplitPool>> {
        let (attempt, hosted) = self.pools.get(&task.subtask.vertex)?;
        (task.attempt > *attempt).then_some(&hosted.pool)
    }

    /// True if this is the attempt that the pool of a vertex was made for.
    pub(crate) fn is_of(&self, vertex: Vertex, attempt: AttemptId) -> bool {
        self.pools.get(&vertex).is_some_and(|(of, _)| *of == attempt)
    }

    /// A checkpoint begins: keeps what the pools have.
    pub(crate) fn begin(&mut self, checkpoint: u64) {
        let snapshots = self.pools.values().map(|(_, hosted)| {
            let (operator, values) = contain(|| hosted.pool.snapshot()).and_then(|snapshot| snapshot)?;
            Ok(Part { operator, keyed: Vec::new(), values })
        });
        let snapshots = snapshots.collect();
        self.begun.retain(|before, _| *before >= checkpoint); // what was given up
        self.begun.insert(checkpoint, snapshots);
    }

    /// Enters a checkpoint in the log.
    pub(crate) fn store(
        &mut self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        checkpoint: u64,
        kind: CheckpointKind,
        states: Vec<(TaskRef, Bytes)>,
    ) {
        let operators = self.gather(checkpoint, states);
        if let Ok(operators) = &operators {
            self.committing.insert(checkpoint, operators.clone());
        }
        self.work(env, to, move |core| {
            Box::pin(async move {
                let (log, job) = (core.store.clone(), core.graph.name.clone());
                let at = core.env.wall().millis();
                drop(core); // sinks may commit what was stored before
                let stored = async {
                    let log = log.ok_or_else(|| Failure::new("there is no store for checkpoints"))?;
                    Ok(log.commit(Manifest { job, run: log.run(), checkpoint, kind, at, operators: operators? }).await)
                };
                let stored = Contained::new(stored).await;
                let (result, deposed) = stored.unwrap_or_else(|failure| (Err(failure), false));
                Done::Stored { checkpoint, result: result.map_err(|failure| failure.to_string()), deposed }
            })
        });
    }

    /// What every subtask and every pool has said of a checkpoint.
    fn gather(&mut self, checkpoint: u64, states: Vec<(TaskRef, Bytes)>) -> Result<Vec<OperatorState>, Failure> {
        let mut gathered = Gathered::default();
        for (_, state) in states {
            gathered.add(decode_parts(&state)?, &self.facts.parallelism);
        }
        let pools = self.begun.remove(&checkpoint);
        gathered.add(pools.unwrap_or_else(|| Ok(Vec::new()))?, &self.facts.parallelism);
        Ok(gathered.into_operators())
    }

    /// Lets the sinks commit a checkpoint that is in the log.
    pub(crate) fn commit(
        &mut self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        checkpoint: u64,
        kind: CheckpointKind,
    ) {
        let operators = self.committing.remove(&checkpoint).unwrap_or_default();
        self.committing.retain(|of, _| *of > checkpoint);
        self.work(env, to, move |mut core| {
            Box::pin(async move {
                let Core { env, sinks, store, .. } = &mut *core;
                let last = kind == CheckpointKind::Final;
                let committed = Contained::new(async {
                    commit_checkpoint(sinks, &operators, last, &**env).await?;
                    if let Some(store) = store {
                        store.retain().await;
                    }
                    Ok(())
                });
                Done::Committed { checkpoint, result: committed.await.map_err(|failure| JobFailure::of(&failure)) }
            })
        });
    }

    /// Lets the sinks of a job without checkpoints commit what their writers have left.
    pub(crate) fn commit_output(
        &mut self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        outputs: Vec<(TaskRef, Bytes)>,
    ) {
        self.work(env, to, move |mut core| {
            Box::pin(async move {
                let committed = Contained::new(core.commit_output(&outputs)).await;
                Done::OutputCommitted(committed.map_err(|failure| JobFailure::of(&failure)))
            })
        });
    }

    /// Builds the job for other numbers of subtasks. `keep` makes it last.
    pub(crate) fn rebuild(
        &mut self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        jobs: &Arc<dyn Jobs>,
        parallelism: &Parallelism,
        keep: impl AsyncKeep,
    ) {
        let mut record = self.record.clone();
        for (vertex, subtasks) in parallelism {
            if let Some(shown) = self.facts.shown.get(vertex.0 as usize) {
                record.spec.parallelism.insert(shown.key.clone(), *subtasks);
            }
        }
        let jobs = Arc::clone(jobs);
        self.work(env, to, move |mut core| {
            Box::pin(async move {
                let (build, of) = (record.clone(), Arc::clone(&core.env));
                let rebuilt = Contained::new(async {
                    let built = blocking(&*of, move || self::build(&build, &*jobs)).await?;
                    keep(record.clone()).await?;
                    let facts = Facts::of(&built.graph, &record.spec).into();
                    (core.names, core.graph) = (chain_names(&built.graph), built.graph);
                    Ok((built.topology, facts))
                });
                let result = rebuilt.await.map_err(|failure| failure.to_string());
                Done::Rebuilt { record: record.into(), result }
            })
        });
    }

    /// The job goes on with other numbers of subtasks.
    pub(crate) fn rebuilt(&mut self, record: JobRecord, facts: Facts) {
        (self.record, self.facts) = (record, facts);
    }

    /// The job has ended: removes what it has not committed and can never commit, and remembers how it ended.
    pub(crate) fn end(
        &mut self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        finished: bool,
        remember: BoxFuture<'static, Result<(), Failure>>,
    ) {
        self.pools.clear();
        let job = self.id;
        self.work(env, to, move |mut core| {
            Box::pin(async move {
                if !finished && core.store.is_none() {
                    abort_all(&mut core.sinks).await;
                }
                core.store = None;
                let remembered = remember.await;
                if let Err(failure) = &remembered {
                    warn!(%job, error = %failure, "how the job ended could not be remembered: the next leader runs it again");
                }
                Done::Ended(remembered)
            })
        });
    }
}

/// Makes a changed job last.
pub(crate) trait AsyncKeep:
    FnOnce(JobRecord) -> BoxFuture<'static, Result<(), Failure>> + Send + 'static
{
}
impl<F: FnOnce(JobRecord) -> BoxFuture<'static, Result<(), Failure>> + Send + 'static> AsyncKeep for F {}

impl Core {
    fn connectors(&self) -> Connectors<'_> {
        let run = self.store.as_ref().map_or(self.run, |store| store.run());
        Connectors { env: &self.env, registry: &self.registry, run, attempt: self.attempt }
    }

    /// Finds the newest checkpoint, and lets the sinks and the sources of these vertices begin with it.
    async fn recover(
        &mut self,
        rejected: Option<String>,
        spec: JobSpec,
        vertices: &BTreeSet<Vertex>,
    ) -> Result<(Recovery, Vec<Hosted>), Failure> {
        if self.store.is_none() && self.graph.has_checkpoints() {
            let opened = JobStore::open(&self.graph.name, &self.graph.settings.checkpoints, Use::Shared, &self.env);
            self.store = Some(Arc::new(opened.await.map_err(Failure::of_environment)?));
        }
        let restored = match &self.store {
            Some(store) => {
                if let Some(reason) = rejected {
                    store.reject(&reason).await;
                }
                store.recover(&*self.env).await.map_err(Failure::of_environment)?
            }
            None => None,
        };
        let is_final = restored.as_ref().is_some_and(|manifest| manifest.kind == CheckpointKind::Final);
        if let Some(manifest) = restored.as_ref().filter(|manifest| manifest.kind != CheckpointKind::Final) {
            check::known_operators(&self.graph, manifest)?;
            info!(job = self.graph.name, checkpoint = manifest.checkpoint, "the job goes on from a checkpoint");
        }
        self.attempt = self.env.random();
        self.begin_sinks(restored.as_ref(), is_final, vertices).await?;
        let pools = if is_final { Vec::new() } else { self.begin_sources(restored.as_ref(), vertices)? };
        let store = self.store.as_ref();
        let info = StartInfo {
            spec,
            run: self.connectors().run,
            attempt: self.attempt,
            checkpoints: store.map(|store| StoreInfo {
                dir: self.graph.settings.checkpoints.dir.clone().unwrap_or_default(),
                claim: store.segments().claim(),
                entry: store.entry(),
                wants_full: store.segments().wants_full(),
            }),
        };
        let payload = postcard::to_stdvec(&info).expect("it is plain data: all of it can be written").into();
        let found = restored.map(|manifest| Found { checkpoint: manifest.checkpoint, kind: manifest.kind });
        let next_checkpoint = store.map_or(1, |store| store.next_checkpoint());
        Ok((Recovery { restored: found, next_checkpoint, payload }, pools))
    }

    /// Makes the committers of these vertices, which clear up what was there before.
    async fn begin_sinks(
        &mut self,
        restored: Option<&Arc<Manifest>>,
        is_final: bool,
        vertices: &BTreeSet<Vertex>,
    ) -> Result<(), Failure> {
        let is_one = |sink: &JobSink| vertices.contains(&Vertex(sink.vertex.0 as u32));
        let mut over: Vec<JobSink> = self.sinks.extract_if(.., |sink| is_one(sink)).collect();
        if self.store.is_none() {
            abort_all(&mut over).await;
        }
        drop(over);
        if !is_final {
            let (env, registry) = (Arc::clone(&self.env), self.registry.clone());
            let Connectors { run, attempt, .. } = self.connectors();
            let connectors = Connectors { env: &env, registry: &registry, run, attempt };
            check::connectors(&mut self.graph, &connectors).await?;
        }
        let mut made: Vec<_> = job_sinks(&self.graph, &self.connectors())?;
        made.retain(is_one);
        if let Some(store) = &self.store {
            let of = |id: &str| Restored::of(restored, id);
            let to = restored.map_or(0, |manifest| manifest.checkpoint);
            let gone_back = store.segments().wants_full();
            let gone_back = gone_back.then_some(GoneBack { to, may_repeat: !self.graph.exactly_once });
            recover_all(&mut made, of, From { last: is_final, gone_back }, &*self.env).await?;
        }
        self.sinks.append(&mut made);
        Ok(())
    }

    /// Makes the pools of the sources among these vertices.
    fn begin_sources(
        &self,
        restored: Option<&Arc<Manifest>>,
        vertices: &BTreeSet<Vertex>,
    ) -> Result<Vec<Hosted>, Failure> {
        let mut pools = Vec::new();
        for vertex in vertices {
            let id = VertexId(vertex.0 as usize);
            let of = &self.graph.vertices[id.0];
            let (Some(source), Some(info)) = (&of.source, of.operators.first()) else { continue };
            let cx = self.connectors().context(&self.graph, id, Some(info));
            let restored = Restored::of(restored, &info.id_or_name());
            let record_bytes = self.graph.settings.max_record_size;
            let hosted = contain(|| source.host(&cx, info, record_bytes, &restored))
                .and_then(|hosted| hosted)
                .map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
            let blame = (info.to_string(), info.location);
            pools.push(Hosted {
                vertex: *vertex,
                pool: hosted.pool,
                stop: Flag::default(),
                discovery: Some((hosted.discovery, blame)),
            });
        }
        Ok(pools)
    }

    async fn commit_output(&mut self, outputs: &[(TaskRef, Bytes)]) -> Result<(), Failure> {
        for (_, output) in outputs.iter().filter(|(_, output)| !output.is_empty()) {
            for (vertex, parts) in decode_output(output)? {
                if let Some(sink) = self.sinks.iter().find(|sink| sink.vertex.0 == vertex as usize) {
                    sink.committables.lock().unwrap_or_else(PoisonError::into_inner).extend(parts);
                }
            }
        }
        commit_all(&self.graph.name, &mut self.sinks).await
    }
}

/// How many members each alignment group of a graph has.
fn groups(graph: &JobGraph) -> BTreeMap<String, u32> {
    let mut groups = BTreeMap::new();
    for (id, vertex) in graph.vertices.iter().enumerate() {
        if let Some(alignment) = &vertex.alignment {
            *groups.entry(alignment.group().to_owned()).or_default() += graph.parallelism(VertexId(id)) as u32;
        }
    }
    groups
}

/// What is known of the vertices of a graph.
fn shown(graph: &JobGraph, spec: &JobSpec) -> Vec<Shown> {
    let of_vertex = |id: usize| Shown {
        key: vertex_key(graph, VertexId(id)),
        is_fixed: graph.vertices[id].parallelism.is_some() && !spec.overrides(graph, VertexId(id)),
        max_parallelism: graph.max_parallelism(VertexId(id)),
        operators: graph.vertices[id].operators.iter().map(|info| info.id_or_name()).collect(),
    };
    (0..graph.vertices.len()).map(of_vertex).collect()
}

/// Fills a pool of splits, and tells when it has answers to requests that it kept.
pub(crate) fn attend(env: &Arc<dyn Env>, to: &mpsc::Sender<Happening>, job: JobId, of: AttemptId, hosted: &mut Hosted) {
    let (vertex, stop, mut tell) = (hosted.vertex, hosted.stop.clone(), to.clone());
    if let Some((discovery, (operator, location))) = hosted.discovery.take() {
        env.spawn(
            "discovery of splits",
            Box::pin(async move {
                let discovery = Contained::new(discovery);
                if let Either::Left((Err(failure), _)) = select(discovery, pin!(stop.wait())).await {
                    let failure = JobFailure::of(&failure.at_operator(&operator, Some(location)));
                    let _ = tell.send(Happening::SourceFailed { job, vertex, of, failure }).await; // the leader may be gone
                }
            }),
        );
    }
    let (pool, stop, mut tell) = (Arc::clone(&hosted.pool), hosted.stop.clone(), to.clone());
    env.spawn(
        "splits",
        Box::pin(async move {
            loop {
                let ready = poll_fn(|cx| pool.poll_ready(cx));
                let Either::Left((subtasks, _)) = select(ready, pin!(stop.wait())).await else { return };
                if tell.send(Happening::PoolReady { job, vertex, of, subtasks }).await.is_err() {
                    return;
                }
            }
        }),
    );
}
