//! What operators learn when they are opened, and what a chain is assembled from.

use std::{any::Any, sync::Arc};

use crate::{
    alignment::group::Member,
    attempt::segments::Segments,
    checkpoint::{
        keyed::{Snapshots, Spilling},
        restored::Restored,
        subtask::{StateAccess, SubtaskCheckpoints},
    },
    env::Env,
    exchange::{
        channel::Sender,
        lane::Lane,
        output::{Consumer, Output, Spread, columns},
        partitioned::Senders,
    },
    failure::Failure,
    graph::{
        EdgeKind, OperatorInfo, OutputId, VertexId,
        chaining::{Chained, Place},
    },
    metrics::{Counter, Gauge, Histogram, MetricId, Registry, TaskMetrics},
    operators::{
        outlet::{Branch, Outlet},
        sink::Committables,
    },
    settings::Settings,
    source::{ConnectorContext, run_of},
    task::{clock::StepClock, flag::Flag},
};
use millstream_core::record::Record;
use millstream_state::{groups::GroupRange, manifest::Manifest, row::RowKey, spill::Spill};

/// What an operator may know of where it runs; handed to `open`.
pub struct OpenContext<'a> {
    task: &'a TaskInfo,
    operator: &'a OperatorInfo,
}

/// What all operators of a subtask share.
pub(crate) struct TaskInfo {
    pub(crate) job: String,
    pub(crate) subtask: usize,
    pub(crate) parallelism: usize,
    /// How many key groups the chain has.
    pub(crate) max_parallelism: u32,
    /// The number of the run.
    pub(crate) run: u64,
    pub(crate) vertex: VertexId,
    /// See [`ConnectorContext::attempt`].
    pub(crate) attempt: u64,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) env: Arc<dyn Env>,
}

impl OpenContext<'_> {
    /// The job's name.
    pub fn job(&self) -> &str {
        &self.task.job
    }

    /// The number of this subtask, from 0.
    pub fn subtask(&self) -> usize {
        self.task.subtask
    }

    /// How many subtasks the chain has.
    pub fn parallelism(&self) -> usize {
        self.task.parallelism
    }

    /// How many key groups there are.
    pub fn max_parallelism(&self) -> u32 {
        self.task.max_parallelism
    }

    /// The clock, files and so on.
    pub fn env(&self) -> &Arc<dyn Env> {
        &self.task.env
    }

    fn id(&self, name: &str) -> MetricId {
        MetricId { operator: self.operator.to_string(), subtask: self.task.subtask, name: name.to_owned() }
    }

    /// A counter of this operator and subtask.
    pub fn counter(&self, name: &str) -> Counter {
        self.task.registry.counter(self.id(name))
    }

    /// A gauge of this operator and subtask.
    pub fn gauge(&self, name: &str) -> Gauge {
        self.task.registry.gauge(self.id(name))
    }

    /// A histogram of this operator and subtask.
    pub fn histogram(&self, name: &str) -> Histogram {
        self.task.registry.histogram(self.id(name))
    }
}

/// What a chain is assembled from: metadata of its operators, the sending ends of its outputs, and the job's shared parts.
pub struct ChainContext<'a> {
    pub(crate) task: &'a TaskInfo,
    pub(crate) operators: &'a [OperatorInfo],
    /// The branches that run in this task, and where in the vertex the chain has its own that is being made.
    pub(crate) chained: &'a [Chained],
    pub(crate) place: Place,
    pub(crate) outputs: Vec<Option<Vec<EdgeSenders>>>,
    pub(crate) metrics: TaskMetrics,
    /// The splits that the subtasks of a source share.
    pub(crate) splits: Option<Box<dyn Any + Send>>,
    /// Where sinks leave what is to be committed.
    pub(crate) committables: Committables,
    /// Set if sources should come to an end.
    pub(crate) drain: Flag,
    /// Processing time, for stages that need it record by record.
    pub(crate) clock: StepClock,
    /// The place of a source among those that it is aligned with.
    pub(crate) member: Option<Member>,
    /// Set by operators that make watermarks.
    pub(crate) wants_ticks: bool,
    pub(crate) preaggregation_bytes: usize,
    /// Where keyed state lies that is not in memory; `None` if all is.
    pub(crate) spill: Option<Spill>,
    /// Where the task says what its keyed state takes; `None` if it has none.
    pub(crate) state_bytes: Option<Gauge>,
    /// And what it takes in files.
    pub(crate) state_file_bytes: Option<Gauge>,
    /// Set by operators that write to the outside, and must not be interrupted while they do.
    pub(crate) waits_to_write: bool,
    /// The checkpoint that the job goes on from.
    pub(crate) restored: Option<Arc<Manifest>>,
    /// `None` in a job without checkpoints.
    pub(crate) checkpoints: Option<SubtaskCheckpoints>,
    /// Where they are kept.
    pub(crate) store: Option<Arc<Segments>>,
}

/// The sending ends of one edge, of one subtask.
pub(crate) struct EdgeSenders {
    pub(crate) kind: EdgeKind,
    pub(crate) senders: Vec<Sender>,
    /// The port at which they arrive.
    pub(crate) port: u8,
    /// How many key groups the receiving chain has.
    pub(crate) max_parallelism: u32,
    /// The id of the operator at its head.
    pub(crate) receiver: String,
}

impl ChainContext<'_> {
    /// The metadata of an operator of this chain, by its number from the head on.
    ///
    /// # Panics
    ///
    /// If the chain has no such operator.
    pub fn operator(&self, index: usize) -> OperatorInfo {
        self.operators[self.place.operators + index].clone()
    }

    /// What an operator's `open` is told; a head of one's own takes clocks and metrics from it.
    pub fn open_context<'b>(&'b self, operator: &'b OperatorInfo) -> OpenContext<'b> {
        OpenContext { task: self.task, operator }
    }

    /// How an operator takes part in checkpoints. It then reports at each barrier.
    pub(crate) fn state(&self, operator: &OperatorInfo) -> StateAccess {
        self.state_of(operator.id().unwrap_or_else(|| operator.to_string()))
    }

    /// As [`ChainContext::state`], for an operator of another chain that has a part of its state here.
    pub(crate) fn state_of(&self, id: String) -> StateAccess {
        let restored = Restored::of(self.restored.as_ref(), &id);
        let (subtask, parallelism) = (self.task.subtask, self.task.parallelism);
        let record_bytes = self.task.settings.max_record_size;
        StateAccess::new(id, (subtask, parallelism), record_bytes, restored, self.checkpoints.clone())
    }

    /// Announces that the head of the chain has keyed state, whose size is measured from now on.
    pub(crate) fn measure_state(&mut self, operator: &OperatorInfo) {
        let of = self.open_context(operator);
        let (memory, files) = (of.gauge("state_bytes"), self.spill.is_some().then(|| of.gauge("state_file_bytes")));
        (self.state_bytes, self.state_file_bytes) = (Some(memory), files);
    }

    /// The snapshots of a keyed state of an operator.
    pub(crate) fn snapshots<R: RowKey, V: Record>(&self, state: &str, access: &StateAccess) -> Snapshots<R, V> {
        let TaskInfo { subtask, parallelism, max_parallelism, .. } = *self.task;
        let groups = GroupRange::owned_by(subtask as u32, parallelism as u32, max_parallelism);
        let spilling = self.spill.as_ref().map(|spill| Spilling {
            spill: spill.clone(),
            file_bytes: self.state_file_bytes.clone().unwrap_or_default(),
            said: 0,
            told: spill.at_once,
        });
        Snapshots::new(state, groups, access.clone(), self.store.clone(), Arc::clone(&self.task.env), spilling)
    }

    /// What connectors are told.
    pub(crate) fn connector_context(&self, operator: &OperatorInfo) -> ConnectorContext {
        ConnectorContext {
            env: Arc::clone(&self.task.env),
            operator: operator.to_string(),
            subtask: self.task.subtask,
            parallelism: self.task.parallelism,
            run: run_of(self.task.run, Some(operator), self.task.vertex, self.checkpoints.is_some()),
            attempt: self.task.attempt,
            checkpoints: self.checkpoints.is_some(),
            registry: self.task.registry.clone(),
        }
    }

    /// The writer of an output for those that read whole buffers, or are chained. An output that nothing reads (late records that nobody wants) has neither.
    ///
    /// # Errors
    ///
    /// What an operator of a chained branch says to being opened.
    pub(crate) fn output<T: Record>(&mut self, id: OutputId, timed: bool) -> Result<Outlet<T>, Failure> {
        let id = self.place.output(id);
        let edges = self.outputs.get_mut(id.0).and_then(Option::take).unwrap_or_default();
        let exchange = (!edges.is_empty()).then(|| self.exchange(edges, timed));
        let chained = self.chained.iter().filter(|chained| chained.reads == id);
        let chained = chained.map(|chained| self.branch(chained)).collect::<Result<_, _>>()?;
        Ok(Outlet::new(chained, exchange))
    }

    /// Makes the code of a branch that is chained.
    fn branch<T: Record>(&mut self, chained: &Chained) -> Result<Box<dyn Branch<T>>, Failure> {
        let before = std::mem::replace(&mut self.place, chained.place);
        let head = (chained.make)(self);
        self.place = before;
        let branch =
            head?.into_branch().expect("a branch begins with a head that only reads: no other draft is a branch");
        Ok(*branch.downcast().expect("a branch takes the records of the output that it reads"))
    }

    fn exchange<T: Record>(&self, edges: Vec<EdgeSenders>, timed: bool) -> Output<T> {
        let turns = self.task.subtask;
        let consumer = |edge: EdgeSenders| {
            let spread = match edge.kind {
                EdgeKind::Broadcast => Spread::All,
                _ if edge.senders.len() == 1 => Spread::One,
                _ => Spread::Turns(turns % edge.senders.len()),
            };
            Consumer { senders: edge.senders, spread }
        };
        // One buffer goes to all consumers, so they have it on one port: only an output with one reader leads to another than 0.
        let port = edges.first().map_or(0, |edge| edge.port);
        debug_assert!(edges.iter().all(|edge| edge.port == port), "the readers of an output share a port");
        let lane = Lane::new(&self.task.settings, columns(timed), port);
        let consumers = edges.into_iter().map(consumer).collect();
        Output::new(lane, consumers, self.metrics.clone(), Arc::clone(&self.task.env))
    }

    /// The sending ends of an output whose records are spread one by one: it has one edge.
    pub(crate) fn senders(&mut self, id: OutputId) -> Senders {
        let id = self.place.output(id);
        let mut edges = self.outputs.get_mut(id.0).and_then(Option::take).unwrap_or_default();
        let edge = edges.pop().expect("a partitioned output has an edge: the graph made them together");
        assert!(edges.is_empty(), "a partitioned output has one edge only");
        Senders::new(edge, self.metrics.clone(), Arc::clone(&self.task.env))
    }
}
