//! The graph while a job is being written down: drafts of chains, which become vertices when an exchange or a sink ends them.

use std::{cell::RefCell, rc::Rc};

use millstream_core::{buffer::Received, record::Record};

use super::{
    BuildError, Edge, EdgeKind, JobGraph, MakeHead, OperatorInfo, OutputId, SinkDriver, SourceDriver, Vertex, VertexId,
    chaining::{self, Ended},
    check,
};
use crate::{
    alignment::Alignment,
    checkpoint::channels::{Reroute, Reroutes},
    exchange::gate::Validate,
    failure::Location,
    settings::Settings,
};

pub(crate) type SharedGraph = Rc<RefCell<GraphBuilder>>;

/// A graph that grows.
#[derive(Default)]
pub(crate) struct GraphBuilder {
    /// `Err` holds the last operator of a chain that has not ended yet.
    vertices: Vec<Result<Ended, Option<OperatorInfo>>>,
    edges: Vec<Edge>,
    mistakes: Vec<String>,
}

impl GraphBuilder {
    pub(crate) fn mistake(&mut self, mistake: String) {
        self.mistakes.push(mistake);
    }

    /// The finished graph, if nothing is wrong with it.
    pub(crate) fn finish(
        &mut self,
        name: &str,
        guarantee: &'static str,
        (keeps_state, exactly_once): (bool, bool),
        settings: Settings,
    ) -> Result<JobGraph, BuildError> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        let mut vertices = Vec::new();
        for vertex in self.vertices.drain(..) {
            match vertex {
                Ok(ended) => vertices.push(ended),
                Err(last) => mistakes.push(check::no_sink(last.as_ref())),
            }
        }
        if !mistakes.is_empty() {
            return Err(BuildError { mistakes });
        }
        let (vertices, edges) = chaining::chain(vertices, std::mem::take(&mut self.edges), &settings);
        let name = name.to_owned();
        let graph = JobGraph { name, guarantee, keeps_state, exactly_once, settings, vertices, edges };
        check::graph(&graph, &mut mistakes);
        if mistakes.is_empty() { Ok(graph) } else { Err(BuildError { mistakes }) }
    }
}

/// A chain that has not ended yet.
pub struct Draft {
    graph: SharedGraph,
    id: VertexId,
    operators: Vec<OperatorInfo>,
    outputs: usize,
    parallelism: Option<(usize, Location)>,
    max_parallelism: Option<u32>,
    slot_sharing_group: Option<(String, Location)>,
    source: Option<Box<dyn SourceDriver>>,
    alignment: Option<(Alignment, Location)>,
    /// See [`Draft::branch`].
    is_branch: bool,
}

impl Draft {
    pub(crate) fn new(graph: &SharedGraph) -> Self {
        let mut builder = graph.borrow_mut();
        let id = VertexId(builder.vertices.len());
        builder.vertices.push(Err(None));
        drop(builder);
        Self {
            graph: Rc::clone(graph),
            id,
            operators: Vec::new(),
            outputs: 0,
            parallelism: None,
            max_parallelism: None,
            slot_sharing_group: None,
            source: None,
            alignment: None,
            is_branch: false,
        }
    }

    /// Makes it one that begins where a stream parts, with a head that only reads: if nothing speaks against it, it runs in the task in front.
    pub(crate) fn branch(self) -> Self {
        Self { is_branch: true, ..self }
    }

    /// What no other operator of the graph has: the numbers of the chain and of the operator that comes next.
    pub(crate) fn place(&self) -> [u64; 2] {
        [self.id.0 as u64, self.operators.len() as u64]
    }

    pub(crate) fn graph(&self) -> &SharedGraph {
        &self.graph
    }

    pub(crate) fn source(mut self, source: Box<dyn SourceDriver>) -> Self {
        self.source = Some(source);
        self
    }

    /// Appends an operator; its number is that under which its code finds its metadata.
    pub(crate) fn operator(&mut self, operator: OperatorInfo) -> usize {
        self.graph.borrow_mut().vertices[self.id.0] = Err(Some(operator.clone()));
        self.operators.push(operator);
        self.operators.len() - 1
    }

    /// The operators so far.
    pub(crate) fn operators(&self) -> &[OperatorInfo] {
        &self.operators
    }

    /// The operator that was appended last.
    pub(crate) fn last(&mut self) -> Option<&mut OperatorInfo> {
        self.operators.last_mut()
    }

    /// A further output of this chain.
    pub(crate) fn output(&mut self) -> OutputId {
        self.outputs += 1;
        OutputId(self.outputs - 1)
    }

    pub(crate) fn parallelism(&mut self, parallelism: usize, location: Location) {
        match self.parallelism {
            Some((before, at)) if before != parallelism => self.graph.borrow_mut().mistake(format!(
                "{location}: parallelism {parallelism} for a chain that has parallelism {before} (set at {at}): the operators of a chain run in the same \
                 subtasks. Put `.rebalance()` or `.rescale()` between the two"
            )),
            _ => self.parallelism = Some((parallelism, location)),
        }
    }

    /// Makes the source of this chain wait for others that are behind.
    pub(crate) fn align(&mut self, alignment: Alignment, location: Location) {
        let mistake = match &self.alignment {
            _ if self.source.is_none() => {
                "but no source is in this chain, and only a source can wait for others: put `.event_time(..)` before what begins another chain \
                 (`union`, `key_by`, `rebalance` ..)"
                    .to_owned()
            }
            Some((_, at)) => format!("but the source of this chain is aligned already, at {at}: align it once"),
            None => {
                self.alignment = Some((alignment, location));
                return;
            }
        };
        let group = alignment.group();
        self.graph.borrow_mut().mistake(format!("{location}: event_time: aligned in group `{group}`, {mistake}"));
    }

    pub(crate) fn max_parallelism(&mut self, max_parallelism: u32) {
        self.max_parallelism = Some(max_parallelism);
    }

    pub(crate) fn slot_sharing_group(&mut self, group: &str, location: Location) {
        match &self.slot_sharing_group {
            _ if group.is_empty() => self.graph.borrow_mut().mistake(format!(
                "{location}: a slot sharing group without a name: give it one, as in `.slot_sharing_group(\"heavy\")`"
            )),
            Some((before, at)) if before != group => self.graph.borrow_mut().mistake(format!(
                "{location}: slot sharing group `{group}` for a chain that is in `{before}` (set at {at}): the operators of a chain run in the same \
                 subtasks. Put `.rebalance()` or `.rescale()` between the two"
            )),
            _ => self.slot_sharing_group = Some((group.to_owned(), location)),
        }
    }

    /// A new chain that reads an output of this one.
    pub(crate) fn reader<T: Record>(&self, output: OutputId, kind: EdgeKind) -> Draft {
        let reader = Draft::new(&self.graph);
        reader.read::<T>(self, output, kind, 0);
        reader
    }

    /// Makes this chain read an output of another, on a port of its head.
    pub(crate) fn read<T: Record>(&self, from: &Draft, output: OutputId, kind: EdgeKind, port: u8) {
        let (record, validate) = (T::SCHEMA.to_string(), Received::validate::<T>);
        let edge = Edge {
            from: from.id,
            output,
            to: self.id,
            kind,
            record,
            port,
            validate,
            beside: None,
            reroutes: Reroutes::default(),
        };
        self.graph.borrow_mut().edges.push(edge);
    }

    /// As [`Draft::read`], where records of another type come beside those, for another port.
    pub(crate) fn read_both<T: Record, B: Record>(
        &self,
        from: &Draft,
        output: OutputId,
        kind: EdgeKind,
        [port, beside]: [u8; 2],
    ) {
        self.read::<T>(from, output, kind, port);
        let beside = Some((beside, Received::validate::<B> as Validate));
        self.graph.borrow_mut().edges.last_mut().expect("it was just made").beside = beside;
    }

    /// Says how the records for a port, on the edge that was made last, are given to other numbers of receivers.
    pub(crate) fn reroute(&self, port: u8, reroute: Reroute) {
        self.graph.borrow_mut().edges.last_mut().expect("it was just made").reroutes.0.push((port, reroute));
    }

    /// Ends the chain.
    pub(crate) fn end(self, make: MakeHead, sink: Option<Box<dyn SinkDriver>>) {
        let Self { graph, id, operators, outputs, max_parallelism, source, is_branch, .. } = self;
        let parallelism = self.parallelism.map(|(parallelism, _)| parallelism);
        let slot_sharing_group = self.slot_sharing_group.map(|(group, _)| group);
        let alignment = self.alignment.map(|(alignment, _)| alignment);
        let vertex = Vertex {
            operators,
            parallelism,
            max_parallelism,
            slot_sharing_group,
            alignment,
            outputs,
            make,
            chained: Vec::new(),
            source,
            sink,
        };
        graph.borrow_mut().vertices[id.0] = Ok(Ended { vertex, is_branch });
    }
}
