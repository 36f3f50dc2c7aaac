//! [`Attendant`]: sits in front of a job for its handles: starts a cluster for it, passes on what is asked, and waits for the end.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures::{StreamExt, channel::mpsc, stream::FuturesUnordered};
use millstream_state::manifest::CheckpointKind;
use tracing::{info, warn};

use super::{JobReport, RECORDS_SKIPPED, REQUESTS_LIMIT, Request, Savepoint};
use crate::{
    attempt::savepoint,
    cluster::{
        Envs, MiniCluster,
        attendance::Attendance,
        jobmanager::End,
        spec::{JobSpec, Jobs, SharedGraph},
    },
    control::{
        JobId,
        heartbeats::HeartbeatSettings,
        job::{lifecycle::JobState, machine::Input},
        slots::SLOTS_PER_TASKMANAGER_LIMIT,
    },
    env::{BoxFuture, Env, memory::MemoryEnv},
    failure::Failure,
    graph::{JobGraph, VertexId},
    metrics::Metric,
    settings::Settings,
    task::flag::Flag,
};

/// Reports that have arrived are noted so often. Nobody is lost by silence: all are in this process, which may be stopped for as long as one likes.
const HEARTBEATS: HeartbeatSettings =
    HeartbeatSettings { interval: Duration::from_secs(1), timeout: Duration::from_secs(365 * 24 * 3600) };

pub(super) struct Attendant {
    pub(super) name: String,
    pub(super) env: Arc<dyn Env>,
    pub(super) cancel: Flag,
    pub(super) attendance: Attendance,
    pub(super) requests: mpsc::Receiver<Request>,
}

/// A job that was built already, and cannot be built again.
struct OneGraph {
    graph: SharedGraph,
    attendance: Attendance,
}

impl Jobs for OneGraph {
    fn build(&self, _: &JobSpec) -> Result<SharedGraph, String> {
        Ok(Arc::clone(&self.graph))
    }

    fn attendance(&self) -> Option<&Attendance> {
        Some(&self.attendance)
    }
}

/// What an attendant has to react to.
enum Happening {
    Over(Result<End, Failure>),
    Lost(Failure),
    Cancelled,
    Request(Request),
}

impl Attendant {
    pub(super) async fn run(mut self, graph: JobGraph) -> Result<JobReport, Failure> {
        let began = self.env.now();
        let job = self.name.clone();
        info!(job, chains = graph.vertices.len(), guarantee = graph.guarantee, "job starts");
        if graph.settings.checkpoints.dir.is_some() && !graph.keeps_state {
            warn!(job, "the job promises best effort, so it makes no checkpoints and starts empty");
        }
        let result = self.run_to_end(graph).await;
        let elapsed = self.env.now().since(began);
        let elapsed_ms = elapsed.as_millis() as u64;
        self.report_skipped();
        // The failure is handed to whoever started the job, who tells it; here it would be told twice.
        match &result {
            Ok(None) => info!(job, elapsed_ms, "job has ended"),
            Ok(Some(checkpoint)) => info!(job, elapsed_ms, checkpoint, "job was stopped with a checkpoint"),
            Err(failure) if failure.is_cancelled() => info!(job, elapsed_ms, "job was cancelled"),
            Err(failure) => info!(job, elapsed_ms, error = %failure, "job has failed"),
        }
        result.map(|stopped| JobReport { elapsed, stopped })
    }

    /// Gives the checkpoint that the job was stopped with, if it was.
    async fn run_to_end(&mut self, graph: JobGraph) -> Result<Option<u64>, Failure> {
        let (slots, settings) = (slots(&graph), graph.settings.clone());
        if slots > SLOTS_PER_TASKMANAGER_LIMIT {
            let most = SLOTS_PER_TASKMANAGER_LIMIT;
            let what = format!("the job takes {slots} slots, and one process has at most {most}");
            return Err(Failure::new(what).with_hint("lower its parallelism, or run it in a cluster"));
        }
        let files = graph.files();
        let apart = MemoryEnv::wrap(Arc::clone(&self.env));
        let envs = Envs { control: apart.clone(), data: apart.clone(), worker: Arc::clone(&self.env) };
        let jobs = OneGraph { graph: Arc::new(Mutex::new(graph)), attendance: self.attendance.clone() };
        let mut cluster = MiniCluster::with(envs, Arc::new(jobs), 1, slots, HEARTBEATS).await?;
        let job = cluster.submit(self.name.clone()).await?;
        let end = self.attend(&mut cluster, job, settings).await;
        let stopped = cluster.stop().await;
        apart.settled().await;
        let (state, failure) = end?;
        stopped?;
        match (state, failure) {
            (JobState::Finished, _) => {
                let history = self.attendance.progress.status().checkpoints;
                let last = history.last_completed().filter(|last| last.kind == CheckpointKind::Stop);
                Ok(last.map(|last| last.checkpoint))
            }
            (_, Some(failure)) => Err(failure.into_failure(&files)),
            (_, None) => Err(Failure::cancelled()),
        }
    }

    /// Passes on what is asked until the job has ended.
    async fn attend(&mut self, cluster: &mut MiniCluster, job: JobId, mut settings: Settings) -> Result<End, Failure> {
        let mut over = cluster.end_of(job);
        let mut answers = FuturesUnordered::<BoxFuture<'static, ()>>::new();
        let cancel = self.cancel.clone();
        let (mut cancelled, mut is_cancelled) = (pin!(cancel.wait()), false);
        loop {
            let happening = poll_fn(|cx| {
                if let Poll::Ready(end) = over.as_mut().poll(cx) {
                    return Poll::Ready(Happening::Over(end));
                }
                if let Poll::Ready(failure) = cluster.poll_lost(cx) {
                    return Poll::Ready(Happening::Lost(failure));
                }
                if !is_cancelled && cancelled.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Happening::Cancelled);
                }
                while let Poll::Ready(Some(())) = answers.poll_next_unpin(cx) {}
                self.poll_request(answers.len(), cx).map(Happening::Request)
            })
            .await;
            match happening {
                Happening::Over(end) => {
                    while answers.next().await.is_some() {}
                    return end;
                }
                Happening::Lost(failure) => return Err(failure),
                Happening::Cancelled => {
                    is_cancelled = true;
                    let cancels = cluster.order(job, |request| Input::Cancel { request });
                    answers.push(Box::pin(async { drop(cancels.await) }));
                }
                Happening::Request(Request::Checkpoint(answer)) => {
                    let made = cluster.order(job, |request| Input::Checkpoint { request });
                    answers.push(Box::pin(async { drop(answer.send(made.await.map(Option::unwrap_or_default))) }));
                }
                Happening::Request(Request::Stop(answer)) => {
                    let stopped = cluster.order(job, |request| Input::Stop { request });
                    answers.push(Box::pin(async { drop(answer.send(stopped.await.map(Option::unwrap_or_default))) }));
                }
                Happening::Request(Request::Savepoint { to, then, answer }) => {
                    let (set, env) = (settings.checkpoints.savepoints.as_ref(), Arc::clone(&self.env));
                    match savepoint::place(to.as_ref(), set, &self.name, &*env) {
                        Ok(place) => {
                            let to = Arc::new(place.clone());
                            let made = cluster.order(job, move |request| Input::Savepoint { request, to, then });
                            let reached_by = settings.checkpoints.object_store.clone();
                            answers.push(Box::pin(async move {
                                let written = async {
                                    // Before anything is stopped for it.
                                    let created = savepoint::create(&place, &reached_by, &env).await;
                                    created.map_err(|failure| failure.to_string())?;
                                    let checkpoint = made.await?.unwrap_or_default();
                                    Ok(Savepoint { checkpoint, place: place.clone() })
                                };
                                drop(answer.send(written.await));
                            }));
                        }
                        Err(why) => drop(answer.send(Err(why))),
                    }
                }
                Happening::Request(Request::Set { key, value, answer }) => {
                    let set = changed(&settings, &key, &value);
                    if let Ok(changed) = &set {
                        settings = changed.clone();
                        cluster.tell(job, Input::Changed(settings.checkpoints.clone())).await;
                    }
                    let _ = answer.send(set.map(drop)); // nobody may be waiting any more
                }
            }
        }
    }

    /// The next request, once the job can answer it: while it is being started, requests wait.
    fn poll_request(&mut self, answering: usize, cx: &mut Context<'_>) -> Poll<Request> {
        let starts = match self.attendance.progress.state(cx.waker()) {
            None => true,
            Some(state) => matches!(state, JobState::Created | JobState::Waiting | JobState::Deploying),
        };
        if starts || answering >= REQUESTS_LIMIT {
            return Poll::Pending;
        }
        match Pin::new(&mut self.requests).poll_next_unpin(cx) {
            Poll::Ready(Some(request)) => Poll::Ready(request),
            _ => Poll::Pending,
        }
    }

    /// Logs which operators have skipped records, and how many.
    fn report_skipped(&self) {
        let mut skipped = BTreeMap::<String, u64>::new();
        for (id, metric) in self.attendance.registry.snapshot() {
            if let Metric::Counter(counter) = metric
                && id.name == RECORDS_SKIPPED
            {
                *skipped.entry(id.operator).or_default() += counter.get();
            }
        }
        for (operator, records) in skipped.into_iter().filter(|(_, records)| *records > 0) {
            warn!(job = self.name, operator, records, "records were skipped");
        }
    }
}

/// The settings with another one changed.
fn changed(settings: &Settings, key: &str, value: &str) -> Result<Settings, String> {
    let mut changed = settings.clone();
    changed.set_while_running(key, value)?;
    changed.check()?;
    Ok(changed)
}

/// How many slots a job takes.
fn slots(graph: &JobGraph) -> u32 {
    let mut most = BTreeMap::<&str, usize>::new();
    for (id, group) in graph.slot_sharing_groups().into_iter().enumerate() {
        let most = most.entry(group).or_default();
        *most = (*most).max(graph.parallelism(VertexId(id)));
    }
    most.values().sum::<usize>() as u32
}
