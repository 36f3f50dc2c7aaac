//! What the operators of a subtask have to say at a barrier, gathered into one report to the coordinator.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::channel::mpsc;
use millstream_core::record::Record;
use millstream_state::manifest::{KeyedPart, Spread, ValuePart};
use tracing::warn;

use super::{
    Barrier,
    channels::ChannelUpload,
    restored::Restored,
    values::{encode, encode_views},
};
use crate::{
    env::{BoxFuture, Env, Instant},
    failure::Failure,
};

/// Rows on their way to the store; gives what the manifest has to say of them.
pub(crate) type Upload = BoxFuture<'static, Result<KeyedPart, Failure>>;

/// What an operator has to say at a barrier.
#[derive(Default)]
pub(crate) struct OperatorReport {
    pub(crate) values: Vec<ValuePart>,
    pub(crate) uploads: Vec<Upload>,
}

/// What a subtask tells the coordinator.
pub(crate) enum TaskEvent {
    /// All its operators have passed a barrier.
    Snapshot(Snapshot),
    /// A source subtask has come to the end of its input.
    Drained { task: usize },
}

/// The reports of all operators of a subtask.
pub(crate) struct Snapshot {
    pub(crate) task: usize,
    pub(crate) checkpoint: u64,
    pub(crate) operators: Vec<(String, OperatorReport)>,
    /// Why the subtask cannot take part, if it cannot.
    pub(crate) declined: Option<Failure>,
    /// What its barrier has overtaken, if anything.
    pub(crate) channels: Option<ChannelUpload>,
    /// The barrier has overtaken what was in front of this subtask.
    pub(crate) unaligned: bool,
    /// From the first barrier to the last.
    pub(crate) alignment: Duration,
    /// From the last barrier until every operator had passed it.
    pub(crate) sync: Duration,
}

/// The checkpoints of a subtask. Clones are the same.
#[derive(Clone)]
pub(crate) struct SubtaskCheckpoints(Arc<Inner>);

struct Inner {
    /// The subtask's number among all of the job.
    task: usize,
    env: Arc<dyn Env>,
    gathering: Mutex<Gathering>,
}

struct Gathering {
    events: mpsc::Sender<TaskEvent>,
    /// How many operators report.
    reporters: usize,
    /// How many have yet to.
    waiting: usize,
    began: Instant,
    snapshot: Option<Snapshot>,
}

impl SubtaskCheckpoints {
    pub(crate) fn new(task: usize, env: Arc<dyn Env>, events: mpsc::Sender<TaskEvent>) -> Self {
        let gathering = Gathering { events, reporters: 0, waiting: 0, began: Instant::default(), snapshot: None };
        Self(Arc::new(Inner { task, env, gathering: Mutex::new(gathering) }))
    }

    fn lock(&self) -> MutexGuard<'_, Gathering> {
        self.0.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The barrier is about to be passed down the chain.
    pub(crate) fn begin(&self, barrier: Barrier, alignment: Duration) {
        self.0.env.step("barrier arrives");
        let mut gathering = self.lock();
        // The task itself has to say that the barrier has gone down the whole chain.
        gathering.waiting = gathering.reporters + 1;
        gathering.began = self.0.env.now();
        gathering.snapshot = Some(Snapshot {
            task: self.0.task,
            checkpoint: barrier.checkpoint,
            operators: Vec::new(),
            declined: None,
            channels: None,
            unaligned: false,
            alignment,
            sync: Duration::ZERO,
        });
    }

    /// What the barrier that is being passed has overtaken, and whether that was in front of this subtask.
    pub(crate) fn overtaken(&self, unaligned: bool, channels: Option<ChannelUpload>) {
        if let Some(snapshot) = &mut self.lock().snapshot {
            (snapshot.unaligned, snapshot.channels) = (unaligned, channels);
        }
    }

    /// The barrier has been passed down the chain.
    pub(crate) fn passed(&self, barrier: Barrier) {
        self.settle(barrier, |_| {});
    }

    /// The source has come to the end of its input.
    pub(crate) fn drained(&self) {
        let task = self.0.task;
        self.lock().send(TaskEvent::Drained { task });
    }

    fn settle(&self, barrier: Barrier, add: impl FnOnce(&mut Snapshot)) {
        let mut gathering = self.lock();
        let Some(snapshot) = gathering.snapshot.as_mut().filter(|snapshot| snapshot.checkpoint == barrier.checkpoint)
        else {
            return;
        };
        add(snapshot);
        gathering.waiting -= 1;
        if gathering.waiting == 0
            && let Some(mut snapshot) = gathering.snapshot.take()
        {
            snapshot.sync = self.0.env.now().since(gathering.began);
            gathering.send(TaskEvent::Snapshot(snapshot));
            drop(gathering);
            self.0.env.step("snapshot taken");
        }
    }
}

impl Gathering {
    fn send(&mut self, event: TaskEvent) {
        // One checkpoint is made at a time, so the channel has room for what a subtask says, unless the coordinator is gone.
        if let Err(error) = self.events.try_send(event)
            && error.is_full()
        {
            warn!("the coordinator does not listen: a subtask's report is lost");
        }
    }
}

/// How an operator takes part in checkpoints: what it gets back, and where it reports.
#[derive(Clone)]
pub struct StateAccess {
    /// The operator's id.
    operator: String,
    subtask: usize,
    parallelism: usize,
    max_record_size: usize,
    restored: Restored,
    /// `None` in a job without checkpoints.
    checkpoints: Option<SubtaskCheckpoints>,
}

impl StateAccess {
    /// The id of the operator.
    pub(crate) fn operator(&self) -> &str {
        &self.operator
    }

    pub(crate) fn new(
        operator: String,
        (subtask, parallelism): (usize, usize),
        max_record_size: usize,
        restored: Restored,
        checkpoints: Option<SubtaskCheckpoints>,
    ) -> Self {
        if let Some(checkpoints) = &checkpoints {
            checkpoints.lock().reporters += 1;
        }
        Self { operator, subtask, parallelism, max_record_size, restored, checkpoints }
    }

    /// True of the subtask that stores what all of them have.
    pub(crate) fn is_first(&self) -> bool {
        self.subtask == 0
    }

    /// True if the job makes checkpoints: then the operator has to report at each barrier, once.
    pub(crate) fn is_checkpointed(&self) -> bool {
        self.checkpoints.is_some()
    }

    /// What the checkpoint has of the operator.
    pub(crate) fn restored(&self) -> &Restored {
        &self.restored
    }

    /// This subtask's share of the values of a state.
    pub(crate) fn share<T: Record>(&self, state: &str) -> Result<Vec<T>, Failure> {
        self.restored.share(state, self.subtask, self.parallelism)
    }

    /// As [`Restored::own`], for this subtask.
    pub(crate) fn own<T: Record>(&self, state: &str) -> Result<Vec<T>, Failure> {
        self.restored.own(state, self.subtask, self.parallelism)
    }

    /// As [`Restored::own_only`], for this subtask.
    pub(crate) fn own_only<T: Record>(&self, state: &str) -> Result<Option<Vec<T>>, Failure> {
        self.restored.own_only(state, self.subtask, self.parallelism)
    }

    /// Encodes values of a state, of which there are views.
    pub(crate) fn encode_views<'a, T: Record>(
        &self,
        state: &str,
        spread: Spread,
        values: impl Iterator<Item = T::View<'a>>,
    ) -> Result<ValuePart, Failure> {
        encode_views::<T>(state, self.subtask, spread, values, self.max_record_size)
    }

    /// Encodes values of a state.
    pub(crate) fn encode<T: Record>(&self, state: &str, spread: Spread, values: &[T]) -> Result<ValuePart, Failure> {
        encode(state, self.subtask, spread, values, self.max_record_size)
    }

    /// Says what the operator has to say at a barrier; without checkpoints nobody listens.
    pub(crate) fn report(&self, barrier: Barrier, report: Result<OperatorReport, Failure>) {
        let Some(checkpoints) = &self.checkpoints else { return };
        checkpoints.settle(barrier, |snapshot| match report {
            Ok(report) => snapshot.operators.push((self.operator.clone(), report)),
            Err(failure) => {
                snapshot.declined.get_or_insert(failure.at_operator(&self.operator, None));
            }
        });
    }
}
