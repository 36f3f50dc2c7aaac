//! The job graph: chains as vertices, exchanges as edges, with the typed code of each chain erased to a function that makes its head.

mod build;
pub(crate) mod chaining;
pub mod check;
pub mod render;
mod state;

use std::{
    any::Any,
    collections::BTreeSet,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

pub(crate) use build::{Draft, SharedGraph};
use bytes::Bytes;
use chaining::Chained;
use millstream_core::record::Record;
use millstream_state::manifest::ValuePart;
pub use state::{StateInfo, StateKind};

use crate::{
    alignment::Alignment,
    attempt::sinks::From,
    checkpoint::{channels::Reroutes, restored::Restored},
    env::BoxFuture,
    exchange::gate::Validate,
    failure::{Failure, Location},
    operator::Operator,
    operators::source::SplitClient,
    settings::Settings,
    source::{Boundedness, ConnectorContext},
    task::{context::ChainContext, flag::Flag, head::Head},
};

/// The slot sharing group of chains that are in no other.
pub const DEFAULT_SLOT_SHARING_GROUP: &str = "default";

/// The kind of sinks.
pub(crate) const SINK: &str = "sink";

/// What is known of an operator apart from its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorInfo {
    /// `map`, `window`, `source` ..
    pub kind: &'static str,
    /// The name of its function, or what `.name(..)` says; may be empty.
    pub name: String,
    /// More of it for plans: `tumbling 1min`; may be empty.
    pub detail: String,
    /// What `.uid(..)` says.
    pub uid: Option<String>,
    /// Where it stands in the user's source.
    pub location: Location,
    /// True if it keeps state, positions or transactions, so that it needs an id that survives changes of the job.
    pub stateful: bool,
    /// What it keeps, by name.
    pub states: Vec<StateInfo>,
}

impl OperatorInfo {
    pub(crate) fn new(kind: &'static str, name: &str, location: Location) -> Self {
        let name = if name == kind { String::new() } else { name.to_owned() };
        Self { kind, name, detail: String::new(), uid: None, location, stateful: false, states: Vec::new() }
    }

    /// What is known of an operator on single records; `location` is where it is put in.
    pub(crate) fn of<T: Record, O: Operator<T>>(operator: &O, location: Location) -> Self {
        let location = operator.location().unwrap_or(location);
        Self::new(O::KIND, operator.name(), location).states(operator.states())
    }

    pub(crate) fn stateful(mut self) -> Self {
        self.stateful = true;
        self
    }

    /// Adds what it keeps: an operator with state is stateful.
    pub(crate) fn states(mut self, states: Vec<StateInfo>) -> Self {
        self.stateful |= !states.is_empty();
        self.states = states;
        self
    }

    pub(crate) fn detail(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    /// The id under which state is kept: the `uid`, otherwise kind and name. `None` if there is neither.
    pub fn id(&self) -> Option<String> {
        match &self.uid {
            Some(uid) => Some(uid.clone()),
            None if self.name.is_empty() => None,
            None => Some(self.to_string()),
        }
    }

    /// The id, or what the operator is called where it needs none.
    pub(crate) fn id_or_name(&self) -> String {
        self.id().unwrap_or_else(|| self.to_string())
    }
}

impl fmt::Display for OperatorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() { f.write_str(self.kind) } else { write!(f, "{} {}", self.kind, self.name) }
    }
}

/// The number of a vertex in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(pub usize);

/// The number of an output of a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutputId(pub usize);

/// How the records of an edge are spread over the receiving subtasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeKind {
    /// Subtask to subtask of the same number; in turns where the parallelism differs.
    Forward,
    /// In turns among the subtasks that are nearest by number.
    Rescale,
    /// Each record to every subtask.
    Broadcast,
    /// All to the first subtask.
    Global,
    /// Record by record; described in words, as `hash by industry`.
    Partitioned(String),
}

impl fmt::Display for EdgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Rescale => "rescale",
            Self::Broadcast => "broadcast",
            Self::Global => "global",
            Self::Partitioned(how) => how,
        })
    }
}

/// An exchange between two chains.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The sending chain.
    pub from: VertexId,
    /// Which of its outputs.
    pub output: OutputId,
    /// The receiving chain.
    pub to: VertexId,
    /// How records are spread.
    pub kind: EdgeKind,
    /// The type of the records, for plans.
    pub record: String,
    /// Which port of the receiving chain's head they are for; 0 unless the head has several.
    pub port: u8,
    /// Looks whether what comes from another process is of the record type.
    pub(crate) validate: Validate,
    /// The same for records of another type that come over it beside those, and the port that these are for.
    pub(crate) beside: Option<(u8, Validate)>,
    /// How records that were on its way are given to other numbers of receivers.
    pub(crate) reroutes: Reroutes,
}

/// Makes the head of a subtask's chain.
pub(crate) type MakeHead = Box<dyn Fn(&mut ChainContext<'_>) -> Result<Box<dyn Head>, Failure> + Send>;

/// A chain of operators that run in one task.
pub struct Vertex {
    /// Its operators, from the head on; then those of the branches that run in the same task.
    pub operators: Vec<OperatorInfo>,
    /// How many subtasks it has, if it says so itself.
    pub parallelism: Option<usize>,
    /// How many key groups it has, if it says so itself.
    pub max_parallelism: Option<u32>,
    /// Which slots it may be in, if it says so itself; see [`JobGraph::slot_sharing_groups`].
    pub slot_sharing_group: Option<String>,
    /// How it keeps together with other sources, if it is a source that does.
    pub(crate) alignment: Option<Alignment>,
    pub(crate) outputs: usize,
    pub(crate) make: MakeHead,
    /// The branches of streams that part in it and go on in the same task.
    pub(crate) chained: Vec<Chained>,
    pub(crate) source: Option<Box<dyn SourceDriver>>,
    pub(crate) sink: Option<Box<dyn SinkDriver>>,
}

impl Vertex {
    /// What messages and metrics call it: its operators' names; `pass on` if it has none and only passes records from one exchange to the next.
    pub fn name(&self) -> String {
        self.named(ToString::to_string)
    }

    /// As [`Vertex::name`], with the operators' details: for plans.
    pub fn title(&self) -> String {
        self.named(|operator| match operator.detail.as_str() {
            "" => operator.to_string(),
            detail => format!("{operator} ({detail})"),
        })
    }

    fn named(&self, name: impl Fn(&OperatorInfo) -> String) -> String {
        match chaining::path(self, None, &name) {
            nothing if nothing.is_empty() => "pass on".into(),
            path => path,
        }
    }

    /// The last of its operators that is in no branch: its sink, if it has one.
    pub(crate) fn last_operator(&self) -> Option<&OperatorInfo> {
        chaining::own(self, None).last()
    }

    /// Whether it ends by itself, if it is a source.
    pub fn boundedness(&self) -> Option<Boundedness> {
        self.source.as_ref().map(|source| source.boundedness())
    }
}

/// A job, ready to be deployed.
pub struct JobGraph {
    /// The job's name.
    pub name: String,
    /// `best effort`, `exactly once` or `at least once`.
    pub guarantee: &'static str,
    /// True if state is restored after a failure, from checkpoints if the settings have a directory for them.
    pub keeps_state: bool,
    /// True if each record is to count exactly once.
    pub exactly_once: bool,
    /// Its settings.
    pub settings: Settings,
    /// Its chains, in the order in which the job names them.
    pub vertices: Vec<Vertex>,
    /// Its exchanges.
    pub edges: Vec<Edge>,
}

impl JobGraph {
    /// How many subtasks a chain has.
    pub fn parallelism(&self, vertex: VertexId) -> usize {
        self.vertices[vertex.0].parallelism.unwrap_or(self.settings.parallelism)
    }

    /// The files of the user's source that its operators stand in.
    pub(crate) fn files(&self) -> Vec<&'static str> {
        let operators = self.vertices.iter().flat_map(|vertex| &vertex.operators);
        let files: BTreeSet<_> = operators.map(|operator| operator.location.file).collect();
        files.into_iter().collect()
    }

    /// How many key groups a chain has.
    pub fn max_parallelism(&self, vertex: VertexId) -> u32 {
        self.vertices[vertex.0].max_parallelism.unwrap_or(self.settings.max_parallelism)
    }

    /// The slot sharing group of each chain: subtasks of one number, of chains of one group, are put into one slot. A chain that does not say in which it is goes with those
    /// that it reads, if they are all in one, and otherwise into [`DEFAULT_SLOT_SHARING_GROUP`].
    ///
    /// Semantics: Apache Flink, DataStream API, "Operators", "Set slot sharing group".
    pub fn slot_sharing_groups(&self) -> Vec<&str> {
        let mut groups: Vec<_> = self.vertices.iter().map(|vertex| vertex.slot_sharing_group.as_deref()).collect();
        // A chain may stand in front of one that it reads; none reads itself by whatever way.
        for _ in 0..self.vertices.len() {
            let mut is_done = true;
            for id in 0..groups.len() {
                if groups[id].is_some() {
                    continue;
                }
                let read = self.edges.iter().filter(|edge| edge.to.0 == id).map(|edge| groups[edge.from.0]);
                let read: Option<BTreeSet<_>> = read.collect();
                match read.as_ref().map(|read| (read.len(), read.first())) {
                    Some((1, Some(group))) => groups[id] = Some(group),
                    Some(_) => groups[id] = Some(DEFAULT_SLOT_SHARING_GROUP),
                    None => is_done = false,
                }
            }
            if is_done {
                break;
            }
        }
        groups.into_iter().map(|group| group.unwrap_or(DEFAULT_SLOT_SHARING_GROUP)).collect()
    }

    /// True if the job makes checkpoints.
    pub fn has_checkpoints(&self) -> bool {
        self.keeps_state && self.settings.checkpoints.dir.is_some()
    }

    /// Whether the job ends by itself.
    pub fn boundedness(&self) -> Boundedness {
        let mut sources = self.vertices.iter().filter_map(Vertex::boundedness);
        if sources.any(|boundedness| boundedness == Boundedness::Unbounded) {
            Boundedness::Unbounded
        } else {
            Boundedness::Bounded
        }
    }
}

/// The part of a source that is one per job, its types erased.
pub(crate) trait SourceDriver: Send {
    fn boundedness(&self) -> Boundedness;
    fn check(&self, cx: &ConnectorContext) -> Result<(), Failure>;
    /// Makes the pool of splits: a handle for every subtask, and what fills it.
    fn start(&self, cx: &ConnectorContext, drain: Flag, restored: &Restored) -> Result<Splits, Failure>;
    /// Makes the pool of splits for subtasks in other processes, and what fills it. `max_record_size` bounds a split, in bytes.
    fn host(
        &self,
        cx: &ConnectorContext,
        operator: &OperatorInfo,
        max_record_size: usize,
        restored: &Restored,
    ) -> Result<HostedSplits, Failure>;
    /// Makes a subtask's handle to a pool that is hosted in another process.
    fn remote(&self, client: Arc<SplitClient>) -> Box<dyn Any + Send>;
}

/// The splits of a running source.
pub(crate) struct Splits {
    /// Makes a handle to the pool.
    pub(crate) handle: Box<dyn Fn() -> Box<dyn Any + Send> + Send>,
    /// Looks for splits until there are no more.
    pub(crate) discovery: BoxFuture<'static, Result<(), Failure>>,
}

/// The splits of a running source whose subtasks are in other processes.
pub(crate) struct HostedSplits {
    pub(crate) pool: Arc<dyn SplitPool>,
    /// Looks for splits until there are no more. Dropped when the subtasks are to come to an end.
    pub(crate) discovery: BoxFuture<'static, Result<(), Failure>>,
}

/// A pool of splits that is asked by messages, its types erased.
///
/// One task asks it, hands each answer to the connection of the subtask before it does anything else for this job, and takes the snapshot of it before it
/// triggers a checkpoint. Then an answer comes to its subtask before the trigger of a checkpoint if, and only if, what it gives is not in the snapshot.
pub(crate) trait SplitPool: Send + Sync {
    /// Handles an ask, and gives the answer if there is anything to say. Otherwise the ask is kept, in place of the subtask's one before. An ask that comes
    /// twice, or late, is ignored: whoever passes messages on says again what was answered.
    ///
    /// # Errors
    ///
    /// Bytes that are no ask, and an ask that makes no sense.
    fn ask(&self, subtask: usize, request: u64, payload: &[u8]) -> Result<Option<Bytes>, Failure>;
    /// Ready when kept asks may have an answer: those of these subtasks, each of which [`SplitPool::answer`] is to be called for. Says so once for each change
    /// of the pool. One task waits.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Vec<usize>>;
    /// The answer to the ask that is kept of a subtask, with the number of the ask, if there is anything to say.
    ///
    /// # Errors
    ///
    /// A split that is too large.
    fn answer(&self, subtask: usize) -> Result<Option<(u64, Bytes)>, Failure>;
    /// What a checkpoint that is triggered now has to have of the pool, and the id of the operator that it belongs to: the splits that no subtask was given, and
    /// what discovery has found.
    ///
    /// # Errors
    ///
    /// A split or a state that is too large.
    fn snapshot(&self) -> Result<(String, Vec<ValuePart>), Failure>;
}

/// The part of a sink that is one per job, its types erased.
pub(crate) trait SinkDriver: Send {
    fn check(&self, cx: &ConnectorContext) -> Result<(), Failure>;
    fn committer(&self, cx: &ConnectorContext) -> Result<Box<dyn DynCommitter>, Failure>;
}

/// A committer, its types erased.
pub(crate) trait DynCommitter: Send {
    fn abort(&mut self) -> BoxFuture<'_, ()>;
    /// Clears up after dead attempts, and commits what the checkpoint holds that the job goes on from.
    fn recover(&mut self, restored: Restored, from: &From) -> BoxFuture<'_, Result<(), Failure>>;
    /// Commits what the writers handed over at a checkpoint, or (`last`) at the end of a job.
    fn commit_parts(&mut self, parts: Vec<ValuePart>, last: bool) -> BoxFuture<'_, Result<(), Failure>>;
}

/// Why a job could not be built: every mistake that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// One message a mistake.
    pub mistakes: Vec<String>,
}

impl BuildError {
    /// An error of one mistake.
    pub fn new(mistake: impl Into<String>) -> Self {
        Self { mistakes: vec![mistake.into()] }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistakes.join("\n"))
    }
}

impl std::error::Error for BuildError {}
