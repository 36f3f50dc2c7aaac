//! [`Fake`]: a leader with a fixed history, which notes what it is told to do.

use std::{
    future::poll_fn,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
};

use crate::{
    control::JobId,
    env::BoxFuture,
    rest::{
        dispatcher::{Answer, Dispatcher, Refusal, Refused},
        prometheus::{Sample, Value},
        submission::{Rescale, SavepointWanted, Submission},
        views::{
            BinaryJob, BinaryJobs, Checkpoint, CheckpointKind, CheckpointState, Checkpoints, ClusterConfig,
            ClusterOverview, ConfigEntry, Exception, Exceptions, FailureClass, JobDetail, JobState, JobSummary, Jobs,
            Subtask, SubtaskMetrics, SubtaskState, TaskManagerInfo, TaskManagers, Vertex,
        },
    },
};

/// A job that runs, by the name `flights`.
pub(crate) const FLIGHTS: JobId = JobId(0xf1a9_0000_0000_0000_0000_0000_0000_0001);
/// The first of two that run by the name `twins`. Their ids begin alike.
pub(crate) const TWIN: JobId = JobId(0xabcd_e000_0000_0000_0000_0000_0000_0001);
/// The second.
pub(crate) const OTHER_TWIN: JobId = JobId(0xabcd_f000_0000_0000_0000_0000_0000_0002);
/// A job that has ended, by the name `flights`, too.
pub(crate) const OLD_FLIGHTS: JobId = JobId(0x0000_0000_0000_0000_0000_0000_0000_0007);
/// A job that has failed, by the name `broken`.
pub(crate) const BROKEN: JobId = JobId(0xbad0_0000_0000_0000_0000_0000_0000_0003);
/// What becomes of what is submitted.
pub(crate) const SUBMITTED: JobId = JobId(0x5ab0_0000_0000_0000_0000_0000_0000_0004);

pub(crate) const TASKMANAGER: &str = "00000000000000000000000000000a11";

/// A leader that answers from a script.
#[derive(Default)]
pub(crate) struct Fake {
    /// What all is refused with.
    pub(crate) refuses: Mutex<Option<Refused>>,
    /// Questions panic.
    pub(crate) panics: AtomicBool,
    /// Questions are not answered for as long as this is set.
    pub(crate) hangs: AtomicBool,
    /// The states that the job that was submitted goes through, one with every look at it; it stays in the last.
    pub(crate) course: Mutex<Vec<JobState>>,
    /// What it was told to do.
    pub(crate) told: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, what: String) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn answer<'a, T: Send + 'a>(&'a self, value: impl FnOnce() -> Result<T, Refused> + Send + 'a) -> Answer<'a, T> {
        Box::pin(async move {
            // Whoever waits is not woken, but may look again by himself.
            poll_fn(|_| if self.hangs.load(SeqCst) { Poll::Pending } else { Poll::Ready(()) }).await;
            assert!(!self.panics.load(SeqCst), "out of luck");
            match self.refuses.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                Some(refused) => Err(refused),
                None => value(),
            }
        })
    }

    /// The state that the submitted job is in now.
    fn next_state(&self) -> JobState {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        match course.len() {
            0 => JobState::Finished,
            1 => course[0],
            _ => course.remove(0),
        }
    }
}

fn summary(id: JobId, name: &str, state: JobState) -> JobSummary {
    JobSummary {
        id: id.to_string(),
        name: name.to_owned(),
        state,
        started_at_ms: 1_700_000_000_000,
        duration_ms: 245_000,
        restarts: 1,
        parallelism: 2,
        subtasks: 3,
        subtasks_running: if state == JobState::Running { 3 } else { 0 },
    }
}

fn all() -> Vec<JobSummary> {
    vec![
        summary(OLD_FLIGHTS, "flights", JobState::Finished),
        summary(FLIGHTS, "flights", JobState::Running),
        summary(TWIN, "twins", JobState::Running),
        summary(OTHER_TWIN, "twins", JobState::Waiting),
        summary(BROKEN, "broken", JobState::Failed),
    ]
}

fn find(job: JobId) -> Result<JobSummary, Refused> {
    all().into_iter().find(|summary| summary.id == job.to_string()).ok_or_else(|| Refused::no_job(job))
}

fn exception() -> Exception {
    Exception {
        at_ms: 1_700_000_001_000,
        class: FailureClass::User,
        message: "a number is expected, not `x`".to_owned(),
        hint: Some("mend line 3 of the file".to_owned()),
        operator: Some("map".to_owned()),
        vertex: Some("source -> map".to_owned()),
        subtask: Some(1),
        taskmanager: Some(TASKMANAGER.to_owned()),
        regions: vec![0],
        followed_by: 2,
    }
}

fn detail(summary: JobSummary) -> JobDetail {
    let subtask = |index, metrics| Subtask {
        index,
        state: SubtaskState::Running,
        attempt: Some("3.1".to_owned()),
        taskmanager: Some(TASKMANAGER.to_owned()),
        slot: Some(index),
        metrics,
    };
    let metrics = SubtaskMetrics {
        records_in: 1_234_567,
        records_out: 12,
        bytes_in: 98_765_432,
        bytes_out: 1_000,
        busy: Some(0.75),
        backpressured: Some(0.0),
        idle: None,
    };
    let vertex = |id, name: &str, operators: &[&str], subtasks: Vec<Subtask>| Vertex {
        id,
        name: name.to_owned(),
        parallelism: subtasks.len() as u32,
        max_parallelism: 128,
        source: id == 0,
        operators: operators.iter().map(|name| (*name).to_owned()).collect(),
        subtasks,
    };
    JobDetail {
        status: (summary.state == JobState::Waiting).then(|| "3 slots are wanted, the cluster has 2".to_owned()),
        failure: (summary.state == JobState::Failed).then(exception),
        restored_checkpoint: Some(6),
        vertices: vec![
            vertex(0, "source -> map", &["source", "map"], vec![subtask(0, Some(metrics)), subtask(1, None)]),
            vertex(1, "sink", &["sink"], vec![subtask(0, None)]),
        ],
        summary,
    }
}

fn checkpoint(id: u64, state: CheckpointState, failure: Option<&str>) -> Checkpoint {
    Checkpoint {
        id,
        kind: CheckpointKind::Periodic,
        state,
        failure: failure.map(str::to_owned),
        triggered_at_ms: 1_700_000_002_000,
        duration_ms: 120,
        bytes: 1_234_000,
        channel_bytes: 0,
        unaligned: false,
        subtasks: 3,
        acknowledged: 3,
        alignment_ns: 1,
        sync_ns: 2,
        background_ns: 3,
    }
}

impl Dispatcher for Fake {
    fn overview(&self) -> Answer<'_, ClusterOverview> {
        self.answer(|| {
            Ok(ClusterOverview {
                version: "0.1.0".to_owned(),
                leader_epoch: 3,
                uptime_ms: 60_000,
                taskmanagers: 1,
                slots_total: 4,
                slots_free: 1,
                jobs: [(JobState::Running, 2), (JobState::Failed, 1)].into(),
            })
        })
    }

    fn jobs(&self) -> Answer<'_, Jobs> {
        self.answer(|| Ok(Jobs { jobs: all() }))
    }

    fn job(&self, job: JobId) -> Answer<'_, JobDetail> {
        self.answer(move || match job {
            SUBMITTED => Ok(detail(summary(SUBMITTED, "flights", self.next_state()))),
            _ => find(job).map(detail),
        })
    }

    fn exceptions(&self, job: JobId) -> Answer<'_, Exceptions> {
        self.answer(move || find(job).map(|_| Exceptions { count: 20, exceptions: vec![exception()] }))
    }

    fn checkpoints(&self, job: JobId) -> Answer<'_, Checkpoints> {
        self.answer(move || {
            find(job)?;
            let (completed, failed) = (
                checkpoint(7, CheckpointState::Completed, None),
                checkpoint(8, CheckpointState::Failed, Some("disk full")),
            );
            Ok(Checkpoints {
                completed: 7,
                failed: 1,
                in_progress: 0,
                latest_completed: Some(completed.clone()),
                latest_failed: Some(failed.clone()),
                history: vec![failed, completed],
            })
        })
    }

    fn taskmanagers(&self) -> Answer<'_, TaskManagers> {
        self.answer(|| {
            let taskmanager = TaskManagerInfo {
                id: TASKMANAGER.to_owned(),
                address: "127.0.0.1:4711".to_owned(),
                slots: 4,
                slots_free: 1,
                since_ms: 1_700_000_000_000,
                heartbeat_age_ms: 250,
            };
            Ok(TaskManagers { taskmanagers: vec![taskmanager] })
        })
    }

    fn binary_jobs(&self) -> Answer<'_, BinaryJobs> {
        self.answer(|| {
            let (name, doc, file) = ("flights".to_owned(), "Departures.".to_owned(), "flights.rs".to_owned());
            Ok(BinaryJobs { jobs: vec![BinaryJob { name, doc, file, line: 7, column: 1 }] })
        })
    }

    fn config(&self) -> Answer<'_, ClusterConfig> {
        self.answer(|| {
            let setting = ConfigEntry {
                key: "memory".to_owned(),
                value: "1GiB".to_owned(),
                default: "512MiB".to_owned(),
                origin: "millstream.toml:3".to_owned(),
                doc: "What it is for".to_owned(),
                live: false,
            };
            Ok(ClusterConfig { settings: vec![setting] })
        })
    }

    fn submit(&self, submission: Submission) -> Answer<'_, JobId> {
        self.answer(move || {
            self.note(format!("submit {}", serde_json::to_string(&submission).expect("it came as JSON")));
            Ok(SUBMITTED)
        })
    }

    fn cancel(&self, job: JobId) -> Answer<'_, ()> {
        self.answer(move || {
            if find(job)?.state.has_ended() {
                return Err(Refused::new(Refusal::Conflict, format!("job `{job}` has ended already")));
            }
            self.note(format!("cancel {job}"));
            Ok(())
        })
    }

    fn stop(&self, job: JobId) -> Answer<'_, u64> {
        self.answer(move || {
            find(job)?;
            self.note(format!("stop {job}"));
            Ok(9)
        })
    }

    fn savepoint(&self, job: JobId, wanted: SavepointWanted) -> Answer<'_, (u64, String)> {
        self.answer(move || {
            find(job)?;
            let to = wanted.to.unwrap_or_default();
            self.note(format!("savepoint {job} {to} {:?}", wanted.then));
            Ok((9, format!("{to}/savepoint-flights-1")))
        })
    }

    fn checkpoint(&self, job: JobId) -> Answer<'_, u64> {
        self.answer(move || {
            find(job)?;
            self.note(format!("checkpoint {job}"));
            Ok(8)
        })
    }

    fn rescale(&self, job: JobId, rescale: Rescale) -> Answer<'_, ()> {
        self.answer(move || {
            find(job)?;
            self.note(format!("rescale {job} {:?} {:?}", rescale.parallelism, rescale.operators));
            Ok(())
        })
    }

    fn metrics(&self) -> Answer<'_, Vec<Sample>> {
        self.answer(|| {
            let labels = vec![("operator", "map \"a\"".to_owned()), ("subtask", "0".to_owned())];
            Ok(vec![Sample { name: "records_in".to_owned(), help: None, labels, value: Value::Counter(5) }])
        })
    }

    fn is_ready(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.refuses.lock().unwrap_or_else(PoisonError::into_inner).is_none() })
    }
}
