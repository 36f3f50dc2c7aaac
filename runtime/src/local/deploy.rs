//! From a graph to tasks: opens every chain once per subtask and connects them.

use std::{pin::pin, sync::Arc};

use futures::{
    channel::mpsc,
    future::{Either, select},
};
use millstream_state::manifest::Manifest;
use tracing::{Span, error_span};

use super::{driver::Driver, sinks::JobSink, wires::Wires};
use crate::{
    alignment::group::Groups,
    checkpoint::{
        inbox::Inbox,
        restored::Restored,
        subtask::{SubtaskCheckpoints, TaskEvent},
    },
    env::BoxFuture,
    failure::Failure,
    graph::{JobGraph, OperatorInfo, Vertex, VertexId, chaining::Place},
    metrics::TaskMetrics,
    source::{ConnectorContext, run_of},
    task::{
        clock::StepClock,
        contain::contain,
        context::{ChainContext, TaskInfo},
        flag::Flag,
        run::Subtask,
        state_memory::{StateMemory, StateMeter},
    },
};
use millstream_core::time::Timestamp;

/// The least that a sender gets for its pre-aggregation table, in bytes.
const PREAGGREGATION_MIN_BYTES: usize = 64 << 10;

/// A task that is to be run.
pub(super) struct Task {
    pub(super) name: String,
    /// What is logged in it, by user code too, has its job, operator and subtask.
    pub(super) span: Span,
    pub(super) future: BoxFuture<'static, Result<(), Failure>>,
}

/// One try to run the job to its end.
pub(super) struct Attempt {
    /// Tells it from all others.
    pub(super) number: u64,
    /// Stops its tasks.
    pub(super) stop: Flag,
    /// The checkpoint that it goes on from.
    pub(super) restored: Option<Arc<Manifest>>,
    /// Where subtasks report to; `None` without checkpoints.
    pub(super) events: Option<mpsc::Sender<TaskEvent>>,
}

/// The tasks of an attempt, and how to reach those that take part in checkpoints.
#[derive(Default)]
pub(super) struct Deployed {
    pub(super) tasks: Vec<Task>,
    /// By the number under which subtasks report.
    pub(super) inboxes: Vec<Inbox>,
    /// The numbers of those that barriers begin at.
    pub(super) sources: Vec<usize>,
}

impl Driver {
    /// What the source or the sink of a vertex is told.
    pub(super) fn connector(
        &self,
        graph: &JobGraph,
        vertex: VertexId,
        operator: Option<&OperatorInfo>,
        attempt: u64,
    ) -> ConnectorContext {
        ConnectorContext {
            env: Arc::clone(&self.env),
            operator: operator.map_or(String::new(), ToString::to_string),
            subtask: 0,
            parallelism: graph.parallelism(vertex),
            run: run_of(self.run, operator, vertex, graph.has_checkpoints()),
            attempt,
            checkpoints: graph.has_checkpoints(),
            registry: self.registry.clone(),
        }
    }

    /// Wires everything and makes the future of every subtask.
    pub(super) fn deploy(&self, graph: &JobGraph, sinks: &[JobSink], attempt: &Attempt) -> Result<Deployed, Failure> {
        let mut wires = Wires::new(graph, None)?;
        let subtasks: usize = (0..graph.vertices.len()).map(|id| graph.parallelism(VertexId(id))).sum();
        let preaggregation_bytes =
            (graph.settings.preaggregation_bytes() / subtasks.max(1)).max(PREAGGREGATION_MIN_BYTES);
        let state_memory = Arc::new(StateMemory::new(graph.settings.state_bytes()));
        let mut groups = Groups::of(graph);
        let mut sinks = sinks.iter();
        let mut deployed = Deployed::default();
        for (id, vertex) in graph.vertices.iter().enumerate() {
            let (id, name) = (VertexId(id), &self.names[id]);
            let parallelism = graph.parallelism(id);
            let committables = match &vertex.sink {
                Some(_) => Arc::clone(&sinks.next().expect("every sink has a committer").committables),
                None => Arc::default(),
            };
            let splits = self.start_source(graph, id, vertex, attempt, &mut deployed)?;
            for subtask in 0..parallelism {
                let info = TaskInfo {
                    job: graph.name.clone(),
                    subtask,
                    parallelism,
                    max_parallelism: graph.max_parallelism(id),
                    run: self.run,
                    vertex: id,
                    attempt: attempt.number,
                    settings: graph.settings.clone(),
                    registry: self.registry.clone(),
                    env: Arc::clone(&self.env),
                };
                let gate = vertex.source.is_none().then(|| wires.gate(graph, id, subtask));
                let number = deployed.inboxes.len();
                if gate.as_ref().is_none_or(|gate| gate.is_unconnected()) {
                    deployed.sources.push(number);
                }
                let inbox = Inbox::default();
                deployed.inboxes.push(inbox.clone());
                let checkpoints = attempt
                    .events
                    .as_ref()
                    .map(|events| SubtaskCheckpoints::new(number, Arc::clone(&self.env), events.clone()));
                let metrics = TaskMetrics::new(&self.registry, name, subtask);
                let member = vertex.alignment.as_ref();
                let member = member.map(|alignment| groups.join(alignment, &self.registry, name, subtask));
                let clock = StepClock::new(self.env.wall());
                let mut cx = ChainContext {
                    task: &info,
                    operators: &vertex.operators,
                    chained: &vertex.chained,
                    place: Place::default(),
                    outputs: wires.outputs(graph, id, subtask, vertex.outputs),
                    metrics: metrics.clone(),
                    splits: splits.as_ref().map(|handle| handle()),
                    committables: Arc::clone(&committables),
                    drain: self.drain.clone(),
                    clock: clock.clone(),
                    member,
                    wants_ticks: false,
                    preaggregation_bytes,
                    state_bytes: None,
                    restored: attempt.restored.clone(),
                    checkpoints: checkpoints.clone(),
                    store: self.store.clone(),
                };
                let head = contain(|| (vertex.make)(&mut cx))
                    .and_then(|head| head)
                    .map_err(|failure| failure.at_operator(name, None))?;
                let tick_interval = cx.wants_ticks.then_some(graph.settings.watermark_interval);
                let task = Subtask {
                    head,
                    gate,
                    env: Arc::clone(&self.env),
                    clock,
                    metrics,
                    cancel: attempt.stop.clone(),
                    tick_interval,
                    inbox,
                    checkpoints,
                    state: cx.state_bytes.map(|gauge| StateMeter::new(gauge, Arc::clone(&state_memory))),
                    passed_on: Timestamp::MIN,
                };
                deployed.tasks.push(Task {
                    name: format!("{name} {}/{parallelism}", subtask + 1),
                    // At the level of errors, so that it is there for whatever is logged.
                    span: error_span!("task", job = graph.name, operator = name, subtask),
                    future: Box::pin(task.run()),
                });
            }
        }
        Ok(deployed)
    }

    /// Makes the pool of splits of a source, and the task that fills it.
    fn start_source(
        &self,
        graph: &JobGraph,
        id: VertexId,
        vertex: &Vertex,
        attempt: &Attempt,
        deployed: &mut Deployed,
    ) -> Result<Option<SplitsHandle>, Failure> {
        let Some(source) = &vertex.source else { return Ok(None) };
        let (info, name) = (vertex.operators.first(), &self.names[id.0]);
        let operator = info.map_or(String::new(), ToString::to_string);
        let location = info.map(|operator| operator.location);
        let cx = self.connector(graph, id, info, attempt.number);
        let state = info.map(|info| info.id_or_name()).unwrap_or_default();
        let restored = Restored::of(attempt.restored.as_ref(), &state);
        let splits = contain(|| source.start(&cx, self.drain.clone(), &restored))
            .and_then(|splits| splits)
            .map_err(|failure| failure.at_operator(&operator, location))?;
        let (discovery, stop) = (splits.discovery, attempt.stop.clone());
        let discovery = async move {
            match select(discovery, pin!(stop.wait())).await {
                Either::Left((result, _)) => result.map_err(|failure| failure.at_operator(&operator, location)),
                Either::Right(_) => Err(Failure::cancelled()),
            }
        };
        deployed.tasks.push(Task {
            name: format!("{name} discovery"),
            span: error_span!("discovery", job = graph.name, operator = name),
            future: Box::pin(discovery),
        });
        Ok(Some(splits.handle))
    }
}

type SplitsHandle = Box<dyn Fn() -> Box<dyn std::any::Any + Send> + Send>;
