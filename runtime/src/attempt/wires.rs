//! The channels between the subtasks of a job, those in this process and those that lead to others.

use std::{collections::HashMap, sync::Arc};

use millstream_net::link::Link;

use super::edges::may_overtake;
use crate::{
    exchange::{
        arrivals::{Address, Arrivals, AttemptKey},
        channel::{Sender, Shared as ChannelShared},
        gate::{Gate, Port},
        in_flight::{ChannelId, Overtaken},
    },
    failure::Failure,
    graph::{Edge, EdgeKind, JobGraph, OperatorInfo, OutputId, VertexId},
    settings::{CHANNEL_CREDIT_MAX_BYTES, CHANNEL_CREDIT_MIN_BYTES},
    task::context::EdgeSenders,
};

/// The channels of a job, by receiving subtask.
pub(crate) struct Wires {
    receivers: HashMap<Subtask, (Arc<ChannelShared>, Vec<Port>)>,
    senders: HashMap<(usize, usize), Vec<Sender>>,
    /// What barriers overtake on its way to other processes, by sending subtask.
    overtaken: HashMap<Subtask, Overtaken>,
}

/// A subtask of a chain.
pub(crate) type Subtask = (VertexId, usize);

/// Where the subtasks of an attempt run.
pub(crate) trait Placement {
    /// Where a subtask is.
    fn place(&self, subtask: Subtask) -> Place<'_>;
    /// Where channels from other processes come in.
    fn arrivals(&self) -> &Arrivals;
    /// Tells the attempt from all others.
    fn attempt(&self) -> AttemptKey;

    /// True if all subtasks of the job are in this process, those of other attempts, too: all of them share its memory.
    fn is_whole(&self) -> bool {
        false
    }

    /// True if a subtask is in this process.
    fn is_here(&self, subtask: Subtask) -> bool {
        matches!(self.place(subtask), Place::Here)
    }
}

/// Where a subtask is.
pub(crate) enum Place<'a> {
    /// In this process.
    Here,
    /// In another one, at the end of this connection.
    At(&'a Link),
    /// In another attempt: that of a region that no channel of this one leads to.
    Absent,
}

impl Wires {
    /// The channels of those subtasks that are in this process.
    ///
    /// # Errors
    ///
    /// Fails if there is too little memory for so many channels, or if a connection that leads to others has ended.
    pub(crate) fn new(graph: &JobGraph, placement: &dyn Placement) -> Result<Self, Failure> {
        let (place, is_whole) = (|subtask| placement.place(subtask), placement.is_whole());
        // First see which channels each receiver has, then make them with their share of the memory.
        let mut ports = HashMap::<(VertexId, usize), Vec<Port>>::new();
        let (mut channels, mut in_process) = (Vec::new(), 0);
        for (number, edge) in graph.edges.iter().enumerate() {
            let (from, to) = (graph.parallelism(edge.from), graph.parallelism(edge.to));
            for sender in 0..from {
                for receiver in targets(&edge.kind, sender, from, to) {
                    let ports = ports.entry((edge.to, receiver)).or_default();
                    channels.push((number, sender, (edge.to, receiver), ports.len()));
                    let id = ChannelId { edge: number, sender, receiver };
                    let (may_overtake, (port, validate)) = (may_overtake(edge), (edge.port, edge.validate));
                    ports.push(Port { number: port, validate, beside: edge.beside, may_overtake, id });
                    let ends = [place((edge.from, sender)), place((edge.to, receiver))];
                    in_process += usize::from(is_whole || ends.iter().any(|end| matches!(end, Place::Here)));
                }
            }
        }
        let share = graph.settings.network_bytes() / in_process.max(1);
        if share < CHANNEL_CREDIT_MIN_BYTES {
            return Err(Failure::new(format!(
                "the job has {in_process} channels, and the network's share of the memory ({} bytes) gives each {share} bytes, less than {CHANNEL_CREDIT_MIN_BYTES}",
                graph.settings.network_bytes()
            ))
            .with_hint("raise the setting `memory`, as by `-D memory=1GiB`, or lower the parallelism"));
        }
        let credit = share.min(CHANNEL_CREDIT_MAX_BYTES);
        let receivers: HashMap<_, _> = (0..graph.vertices.len())
            .flat_map(|id| (0..graph.parallelism(VertexId(id))).map(move |subtask| (VertexId(id), subtask)))
            .map(|receiver| {
                let ports = ports.remove(&receiver).unwrap_or_default();
                (receiver, (ChannelShared::new(ports.len(), credit), ports))
            })
            .collect();
        let mut senders = HashMap::<_, Vec<_>>::new();
        let mut overtaken = HashMap::<Subtask, Overtaken>::new();
        for (edge, sender, receiver, channel) in channels {
            let shared = || Arc::clone(&receivers[&receiver].0);
            let address = || Address {
                attempt: placement.attempt(),
                edge: edge as u32,
                sender: sender as u32,
                receiver: receiver.1 as u32,
            };
            let from = (graph.edges[edge].from, sender);
            let sender = match (place(from), place(receiver)) {
                (Place::Here, Place::Here) => Sender::new(shared(), channel),
                (Place::At(_), Place::Here) => {
                    placement.arrivals().expect(address(), shared(), channel);
                    continue;
                }
                (Place::Here, Place::At(link)) => {
                    let id = ChannelId { edge, sender, receiver: receiver.1 };
                    let overtaken = overtaken.entry(from).or_default().clone();
                    let overtaken = may_overtake(&graph.edges[edge]).then_some((id, overtaken));
                    Sender::remote(link.open(&address().encode()).map_err(lost)?, overtaken)
                }
                _ => continue, // of no concern here
            };
            senders.entry((edge, from.1)).or_default().push(sender);
        }
        Ok(Self { receivers, senders, overtaken })
    }

    /// What barriers overtake on its way from a subtask to other processes.
    pub(crate) fn overtaken(&self, subtask: Subtask) -> Overtaken {
        self.overtaken.get(&subtask).cloned().unwrap_or_default()
    }

    /// The sending ends of a subtask, by output.
    pub(crate) fn outputs(
        &mut self,
        graph: &JobGraph,
        vertex: VertexId,
        subtask: usize,
        outputs: usize,
    ) -> Vec<Option<Vec<EdgeSenders>>> {
        let mut of_output: Vec<Option<Vec<EdgeSenders>>> = (0..outputs).map(|_| None).collect();
        for (number, Edge { from, output: OutputId(output), to, kind, port, .. }) in graph.edges.iter().enumerate() {
            if *from == vertex {
                let senders = self.senders.remove(&(number, subtask)).unwrap_or_default();
                of_output[*output].get_or_insert_default().push(EdgeSenders {
                    kind: kind.clone(),
                    senders,
                    port: *port,
                    max_parallelism: graph.max_parallelism(*to),
                    receiver: graph.vertices[to.0].operators.first().map_or(String::new(), OperatorInfo::id_or_name),
                });
            }
        }
        of_output
    }

    pub(crate) fn gate(&self, graph: &JobGraph, vertex: VertexId, subtask: usize) -> Gate {
        let (shared, ports) = &self.receivers[&(vertex, subtask)];
        Gate::new(Arc::clone(shared), ports.clone(), graph.exactly_once)
    }
}

/// How many subtasks of a vertex others send to: the first ones. To the rest of those behind `global()` nobody does.
pub(crate) fn connected(graph: &JobGraph, vertex: VertexId) -> usize {
    let edges = graph.edges.iter().filter(|edge| edge.to == vertex);
    let reached = edges.flat_map(|edge| {
        let (from, to) = (graph.parallelism(edge.from), graph.parallelism(edge.to));
        (0..from).filter_map(move |sender| targets(&edge.kind, sender, from, to).into_iter().max())
    });
    reached.max().map_or(0, |last| last + 1)
}

/// A connection to another process has ended before the channels were there.
fn lost(error: impl std::error::Error) -> Failure {
    Failure::from_error(error).of_environment()
}

/// The subtasks that a subtask sends to over an edge.
fn targets(kind: &EdgeKind, sender: usize, from: usize, to: usize) -> Vec<usize> {
    match kind {
        EdgeKind::Forward if from == to => vec![sender],
        EdgeKind::Rescale if to >= from => (0..to).filter(|receiver| receiver * from / to == sender).collect(),
        EdgeKind::Rescale => vec![sender * to / from],
        EdgeKind::Global => vec![0],
        EdgeKind::Forward | EdgeKind::Broadcast | EdgeKind::Partitioned(_) => (0..to).collect(),
    }
}

#[cfg(test)]
mod tests;
