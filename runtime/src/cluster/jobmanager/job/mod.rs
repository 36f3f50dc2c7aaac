//! [`Job`]: what a leader has of a job that has not ended: its graph, its checkpoints, its sinks' committers, and the pools of its sources' splits.

mod copying;
mod facts;
mod hosted;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use futures::{
    SinkExt,
    channel::mpsc,
    future::join_all,
    lock::{Mutex, OwnedMutexGuard},
};
use millstream_state::{
    location::Location,
    manifest::{ChannelPart, CheckpointKind, Manifest, OperatorState},
};
use tracing::warn;

use self::{copying::Copying, work::Core};
pub(crate) use self::{
    facts::{Built, Facts, build},
    hosted::{Hosted, attend},
};
use super::{Happening, archive::JobRecord, lead::Over};
use crate::{
    attempt::{
        report::{Gathered, Part, Parts, decode_parts},
        sinks::{abort_all, commit_checkpoint},
    },
    checkpoint::CheckpointHistory,
    cluster::{
        attendance::Attendance,
        progress::Look,
        spec::{Jobs, SharedGraph, locked},
    },
    control::{
        AttemptId, JobId, RequestId, Vertex,
        job::{
            failure::{Exceptions, JobFailure},
            lifecycle::JobState,
            machine::{Parallelism, Recovery},
        },
        message::TaskRef,
        topology::Topology,
    },
    env::{BoxFuture, Env, blocking},
    failure::Failure,
    graph::SplitPool,
    task::contain::{Contained, contain},
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
    /// A savepoint has been written, or cannot be.
    SavepointWritten {
        request: RequestId,
        result: Result<(), String>,
    },
    /// What is to be remembered of its end is remembered, or cannot be.
    Ended(Result<(), Failure>),
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
    /// How it has ended. Nothing more is done for it but to remember that.
    pub(crate) over: Option<Over>,
}

impl Job {
    pub(crate) fn new(
        id: JobId,
        record: JobRecord,
        graph: SharedGraph,
        attendance: Option<Attendance>,
        env: &Arc<dyn Env>,
    ) -> Self {
        let facts = Facts::of(&locked(&graph), &record.spec);
        let name = locked(&graph).name.clone();
        let core = Core {
            env: Arc::clone(env),
            graph,
            name,
            registry: attendance.as_ref().map(|attendance| attendance.registry.clone()).unwrap_or_default(),
            attendance,
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
            over: None,
        }
    }

    /// How it is doing, for whoever sits in front of it.
    pub(crate) fn look<'a>(
        &'a self,
        state: JobState,
        exceptions: &'a Exceptions,
        checkpoints: &'a CheckpointHistory,
    ) -> Look<'a> {
        let (job, files) = (&self.record.name, &self.facts.files);
        Look { job, state, restored: self.restored, exceptions, checkpoints, files }
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

    /// Takes the pools that were made for a recovery, and the checkpoint that it goes on from.
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
        let pool = hosted.pool.as_ref()?;
        let answer = contain(|| pool.answer(subtask)).and_then(|answer| answer);
        answer.map_err(|failure| JobFailure::of(&failure)).transpose()
    }

    /// The pool that a task draws from: none if the task is of an attempt before.
    fn pool(&self, task: TaskRef) -> Option<&Arc<dyn SplitPool>> {
        let (attempt, hosted) = self.pools.get(&task.subtask.vertex)?;
        hosted.pool.as_ref().filter(|_| task.attempt > *attempt)
    }

    /// True if this is the attempt that the pool of a vertex was made for.
    pub(crate) fn is_of(&self, vertex: Vertex, attempt: AttemptId) -> bool {
        self.pools.get(&vertex).is_some_and(|(of, _)| *of == attempt)
    }

    /// A checkpoint begins: keeps what the pools have.
    pub(crate) fn begin(&mut self, env: &dyn Env, checkpoint: u64) {
        // Subtasks that draw from a pool directly tell of it themselves.
        let pools = self.pools.values().filter_map(|(_, hosted)| hosted.pool.as_ref());
        let snapshots = pools.map(|pool| {
            let (operator, values) = contain(|| pool.snapshot()).and_then(|snapshot| snapshot)?;
            Ok(Part { operator, keyed: Vec::new(), values })
        });
        let began = contain(|| env.step("checkpoint begins"));
        let snapshots = began.and_then(|()| snapshots.collect());
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
        let gathered = self.gather(checkpoint, states);
        if let Ok((operators, _)) = &gathered {
            self.committing.insert(checkpoint, operators.clone());
        }
        self.work(env, to, move |core| {
            Box::pin(async move {
                let (log, job) = (core.store.clone(), core.name.clone());
                let at = core.env.wall().millis();
                drop(core); // sinks may commit what was stored before
                let stored = async {
                    let log = log.ok_or_else(|| Failure::new("there is no store for checkpoints"))?;
                    let (run, origin, (operators, channels)) = (log.run(), log.origin(), gathered?);
                    Ok(log.commit(Manifest { job, run, checkpoint, kind, at, origin, operators, channels }).await)
                };
                let stored = Contained::new(stored).await;
                let (result, deposed) = stored.unwrap_or_else(|failure| (Err(failure), false));
                Done::Stored { checkpoint, result: result.map_err(|failure| failure.to_string()), deposed }
            })
        });
    }

    /// What every subtask and every pool has said of a checkpoint.
    fn gather(
        &mut self,
        checkpoint: u64,
        states: Vec<(TaskRef, Bytes)>,
    ) -> Result<(Vec<OperatorState>, Vec<ChannelPart>), Failure> {
        let mut gathered = Gathered::default();
        for (_, state) in states {
            let Parts { operators, channels } = decode_parts(&state)?;
            gathered.add(operators, &self.facts.parallelism);
            gathered.add_channels(channels);
        }
        let pools = self.begun.remove(&checkpoint);
        gathered.add(pools.unwrap_or_else(|| Ok(Vec::new()))?, &self.facts.parallelism);
        Ok(gathered.into_parts())
    }

    /// Lets the sinks commit a checkpoint that is in the log.
    pub(crate) fn commit(
        &mut self,
        env: &Arc<dyn Env>,
        to: &mpsc::Sender<Happening>,
        (checkpoint, kind): (u64, CheckpointKind),
        savepoints: Vec<(RequestId, Arc<Location>)>,
    ) {
        let operators = self.committing.remove(&checkpoint).unwrap_or_default();
        self.committing.retain(|of, _| *of > checkpoint);
        let (job, told) = (self.id, to.clone());
        self.work(env, to, move |mut core| {
            Box::pin(async move {
                let Core { env, sinks, store, .. } = &mut *core;
                let last = kind == CheckpointKind::Final;
                let committed = Contained::new(async {
                    commit_checkpoint(sinks, &operators, last, &**env).await?;
                    if let Some(store) = store {
                        // What is to be copied must stay until it is.
                        for (request, place) in savepoints {
                            Copying { job, request, place, checkpoint }.start(store, env, &told).await;
                        }
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
                    let facts = Facts::of(&locked(&built.graph), &record.spec).into();
                    core.graph = built.graph;
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
        let pools = std::mem::take(&mut self.pools);
        let job = self.id;
        self.work(env, to, move |mut core| {
            Box::pin(async move {
                join_all(pools.into_values().map(|(_, hosted)| hosted.end())).await;
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
