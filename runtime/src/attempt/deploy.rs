//! From a graph to tasks: opens every chain once per subtask and connects them.

use std::{any::Any, sync::Arc};

use futures::channel::mpsc;
use millstream_core::time::Timestamp;
use millstream_state::{
    manifest::Manifest,
    spill::{Scratch, Spill, Workers},
};
use tracing::{Span, error_span};

use super::{
    edges::{self, edge_names},
    segments::Segments,
    wires::{Placement, Subtask, Wires},
};
use crate::{
    alignment::group::{Elsewhere, Groups},
    checkpoint::{
        channels::{ChannelKeeper, EdgeName},
        inbox::Inbox,
        subtask::{SubtaskCheckpoints, TaskEvent},
    },
    env::{BoxFuture, Env},
    failure::Failure,
    graph::{JobGraph, OperatorInfo, Vertex, VertexId, chaining::Place},
    metrics::{Registry, TaskMetrics},
    operators::sink::Committables,
    settings::StateBackend,
    source::{ConnectorContext, run_of},
    task::{
        clock::StepClock,
        contain::contain,
        context::{ChainContext, TaskInfo},
        flag::Flag,
        run,
        state_memory::{StateMemory, StateMeter},
    },
};

/// The least that a sender gets for its pre-aggregation table, in bytes.
const PREAGGREGATION_MIN_BYTES: usize = 64 << 10;

/// What sources and sinks are told, wherever they are opened.
#[derive(Clone, Copy)]
pub(crate) struct Connectors<'a> {
    pub(crate) env: &'a Arc<dyn Env>,
    pub(crate) registry: &'a Registry,
    /// Tells the run from all others.
    pub(crate) run: u64,
    /// Tells the attempt from all others.
    pub(crate) attempt: u64,
}

impl Connectors<'_> {
    /// What the source or the sink of a vertex is told.
    pub(crate) fn context(
        &self,
        graph: &JobGraph,
        vertex: VertexId,
        operator: Option<&OperatorInfo>,
    ) -> ConnectorContext {
        ConnectorContext {
            env: Arc::clone(self.env),
            operator: operator.map_or(String::new(), ToString::to_string),
            subtask: 0,
            parallelism: graph.parallelism(vertex),
            run: run_of(self.run, operator, vertex, graph.has_checkpoints()),
            attempt: self.attempt,
            checkpoints: graph.has_checkpoints(),
            registry: self.registry.clone(),
        }
    }
}

/// A task that is to be run.
pub(crate) struct Task {
    pub(crate) name: String,
    /// What is logged in it, by user code too, has its job, operator and subtask.
    pub(crate) span: Span,
    pub(crate) future: BoxFuture<'static, Result<(), Failure>>,
}

/// The tasks of an attempt that run in this process.
#[derive(Default)]
pub(crate) struct Deployed {
    /// What each runs, and the number under which it reports.
    pub(crate) subtasks: Vec<Subtask>,
    pub(crate) tasks: Vec<Task>,
    /// How to reach each.
    pub(crate) inboxes: Vec<Inbox>,
    /// The numbers of those that barriers begin at.
    pub(crate) sources: Vec<usize>,
    /// Where sources that are here wait for some that are not.
    pub(crate) elsewhere: Vec<Elsewhere>,
}

/// What the subtasks of a vertex are given that the graph does not have.
#[derive(Default)]
pub(crate) struct Given<'a> {
    /// Where writers leave what is to be committed at the end of a job without checkpoints.
    pub(crate) committables: Committables,
    /// Where readers get their splits.
    pub(crate) splits: Option<SplitsHandle<'a>>,
}

/// Makes what the subtask of a source with this number reads splits from; it hears of barriers by its inbox.
pub(crate) type SplitsHandle<'a> = Box<dyn Fn(usize, &Inbox) -> Box<dyn Any + Send> + 'a>;

/// What is to be deployed.
pub(crate) struct Deployment<'a> {
    pub(crate) graph: &'a JobGraph,
    /// The names of its chains.
    pub(crate) names: &'a [String],
    pub(crate) connectors: Connectors<'a>,
    /// Where the subtasks are.
    pub(crate) placement: &'a dyn Placement,
    /// What the keyed state of the job takes in this process.
    pub(crate) state: &'a Arc<StateMemory>,
    /// Stops the tasks.
    pub(crate) stop: &'a Flag,
    /// Lets sources come to an end.
    pub(crate) drain: &'a Flag,
    /// The checkpoint to go on from.
    pub(crate) restored: Option<&'a Arc<Manifest>>,
    /// Where subtasks report to; `None` without checkpoints.
    pub(crate) events: Option<&'a mpsc::Sender<TaskEvent>>,
    /// Where their rows are kept; `None` without checkpoints.
    pub(crate) segments: Option<&'a Arc<Segments>>,
}

impl<'a> Deployment<'a> {
    /// Makes the channels and the future of every subtask that is here. `given` is asked once for each vertex that has subtasks here.
    pub(crate) fn deploy(
        &self,
        mut given: impl FnMut(VertexId, &'a Vertex) -> Result<Given<'a>, Failure>,
    ) -> Result<Deployed, Failure> {
        let Self { graph, .. } = *self;
        let wires = Wires::new(graph, self.placement)?;
        let is_here = |subtask| self.placement.is_here(subtask);
        let all = (0..graph.vertices.len()).map(VertexId);
        let here = all.flat_map(|id| (0..graph.parallelism(id)).map(move |subtask| (id, subtask)));
        let here = here.filter(|subtask| self.placement.is_whole() || is_here(*subtask)).count();
        let shares = Shares {
            preaggregation_bytes: (graph.settings.preaggregation_bytes() / here.max(1)).max(PREAGGREGATION_MIN_BYTES),
            state: Arc::clone(self.state),
            spill: Some(self.spill()?),
        };
        let (groups, edges) = (Groups::of(graph, is_here), edge_names(graph));
        let mut making = Making { wires, groups, shares, edges, deployed: Deployed::default() };
        for (id, vertex) in graph.vertices.iter().enumerate() {
            let id = VertexId(id);
            let subtasks: Vec<_> = (0..graph.parallelism(id)).filter(|subtask| is_here((id, *subtask))).collect();
            if subtasks.is_empty() {
                continue;
            }
            let given = given(id, vertex)?;
            for subtask in subtasks {
                self.subtask((id, subtask), vertex, &given, &mut making)?;
            }
        }
        let Making { groups, mut deployed, .. } = making;
        deployed.elsewhere = groups.elsewhere();
        Ok(deployed)
    }

    /// Where keyed state goes that does not fit into its share of the memory.
    fn spill(&self) -> Result<Spill, Failure> {
        let (settings, env) = (&self.graph.settings.state, Arc::clone(self.connectors.env));
        // Nobody waits for it: what fails or panics there is told by the tables whose files they are.
        let workers: Workers = Arc::new(move |work| drop(env.blocking(work)));
        let (dir, at_once) = (settings.scratch_dir(), settings.backend == StateBackend::Redb);
        let scratch =
            if at_once { Scratch::directory(&dir, workers) } else { Ok(Scratch::directory_if_needed(&dir, workers)) };
        let scratch = scratch.map_err(|error| {
            Failure::new(format!("no files for keyed state can be made in {}: {error}", dir.display())).with_hint(
                "set `state.dir` to a directory that this process may write to, or `state.backend` to `memory`",
            )
        })?;
        Ok(Spill { scratch: Arc::new(scratch), budget: Arc::clone(self.state.budget()), at_once })
    }

    fn subtask(
        &self,
        (id, subtask): Subtask,
        vertex: &Vertex,
        given: &Given<'_>,
        making: &mut Making,
    ) -> Result<(), Failure> {
        let Self { graph, connectors, .. } = *self;
        let Making { wires, groups, shares, edges, deployed } = making;
        let (name, parallelism) = (&self.names[id.0], graph.parallelism(id));
        let info = TaskInfo {
            job: graph.name.clone(),
            subtask,
            parallelism,
            max_parallelism: graph.max_parallelism(id),
            run: connectors.run,
            vertex: id,
            attempt: connectors.attempt,
            settings: graph.settings.clone(),
            registry: connectors.registry.clone(),
            env: Arc::clone(connectors.env),
        };
        let gate = vertex.source.is_none().then(|| wires.gate(graph, id, subtask));
        let number = deployed.inboxes.len();
        if gate.as_ref().is_none_or(|gate| gate.is_unconnected()) {
            deployed.sources.push(number);
        }
        let inbox = Inbox::default();
        let checkpoints =
            self.events.map(|events| SubtaskCheckpoints::new(number, Arc::clone(connectors.env), events.clone()));
        let metrics = TaskMetrics::new(connectors.registry, name, subtask);
        let member = vertex.alignment.as_ref();
        let member = member.map(|alignment| groups.join(alignment, connectors.registry, name, subtask));
        let clock = StepClock::new(connectors.env.wall());
        let mut cx = ChainContext {
            task: &info,
            operators: &vertex.operators,
            chained: &vertex.chained,
            place: Place::default(),
            outputs: wires.outputs(graph, id, subtask, vertex.outputs),
            metrics: metrics.clone(),
            splits: given.splits.as_ref().map(|handle| handle(subtask, &inbox)),
            committables: Arc::clone(&given.committables),
            drain: self.drain.clone(),
            clock: clock.clone(),
            member,
            wants_ticks: false,
            preaggregation_bytes: shares.preaggregation_bytes,
            spill: shares.spill.clone(),
            state_bytes: None,
            state_file_bytes: None,
            waits_to_write: false,
            restored: self.restored.cloned(),
            checkpoints: checkpoints.clone(),
            store: self.segments.cloned(),
        };
        let head = contain(|| (vertex.make)(&mut cx))
            .and_then(|head| head)
            .map_err(|failure| failure.at_operator(name, None))?;
        let replay = match (self.restored, self.segments) {
            (Some(manifest), Some(segments)) => edges::replay(graph, edges, (id, subtask), manifest, segments)?,
            _ => None,
        };
        let patience = graph.settings.checkpoints.alignment_timeout;
        let overtakes = graph.exactly_once && !patience.is_zero();
        let overtaking = self.segments.filter(|_| overtakes).map(|segments| run::Overtaking {
            patience,
            interrupts_output: !cx.waits_to_write,
            keeper: ChannelKeeper {
                segments: Arc::clone(segments),
                env: Arc::clone(connectors.env),
                edges: Arc::clone(edges),
                subtask,
                overtaken: wires.overtaken((id, subtask)),
            },
        });
        let tick_interval = cx.wants_ticks.then_some(graph.settings.watermark_interval);
        let task = run::Subtask {
            head,
            gate,
            env: Arc::clone(connectors.env),
            clock,
            metrics,
            cancel: self.stop.clone(),
            tick_interval,
            inbox: inbox.clone(),
            checkpoints,
            state: cx.state_bytes.map(|gauge| StateMeter::new(gauge, Arc::clone(&shares.state))),
            passed_on: Timestamp::MIN,
            overtaking,
            replay,
        };
        deployed.subtasks.push((id, subtask));
        deployed.inboxes.push(inbox);
        deployed.tasks.push(Task {
            name: format!("{name} {}/{parallelism}", subtask + 1),
            // At the level of errors, so that it is there for whatever is logged.
            span: error_span!("task", job = graph.name, operator = name, subtask),
            future: Box::pin(task.run()),
        });
        Ok(())
    }
}

/// What the subtasks of an attempt are made from, one after the other, and what has been made.
struct Making {
    wires: Wires,
    groups: Groups,
    shares: Shares,
    edges: Arc<[EdgeName]>,
    deployed: Deployed,
}

/// What the subtasks of a process share of its memory.
struct Shares {
    preaggregation_bytes: usize,
    state: Arc<StateMemory>,
    spill: Option<Spill>,
}
