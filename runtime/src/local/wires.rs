//! The channels between the subtasks of a job, those in this process and those that lead to others.

use std::{collections::HashMap, sync::Arc};

use millstream_net::link::Link;

use crate::{
    exchange::{
        arrivals::{Address, Arrivals},
        channel::{Sender, Shared as ChannelShared},
        gate::{Gate, Port},
    },
    failure::Failure,
    graph::{Edge, EdgeKind, JobGraph, OperatorInfo, OutputId, VertexId},
    settings::{CHANNEL_CREDIT_MAX_BYTES, CHANNEL_CREDIT_MIN_BYTES},
    task::context::EdgeSenders,
};

/// The channels of a job, by receiving subtask.
pub(super) struct Wires {
    receivers: HashMap<Subtask, (Arc<ChannelShared>, Vec<Port>)>,
    senders: HashMap<(usize, usize), Vec<Sender>>,
}

/// A subtask of a chain.
pub(super) type Subtask = (VertexId, usize);

/// Where the subtasks of an attempt run.
pub(super) trait Placement {
    /// The connection to the process of a subtask; `None` if that is this one.
    fn link(&self, subtask: Subtask) -> Option<&Link>;
    /// Where channels from other processes come in.
    fn arrivals(&self) -> &Arrivals;
    /// Tells the attempt from all others.
    fn attempt(&self) -> u64;
}

impl Wires {
    /// The channels of those subtasks that are in this process: all of them, if nothing else is said.
    ///
    /// # Errors
    ///
    /// Fails if there is too little memory for so many channels, or if a connection that leads to others has ended.
    pub(super) fn new(graph: &JobGraph, placement: Option<&dyn Placement>) -> Result<Self, Failure> {
        let link = |subtask| placement.and_then(|placement| placement.link(subtask));
        // First see which channels each receiver has, then make them with their share of the memory.
        let mut ports = HashMap::<(VertexId, usize), Vec<Port>>::new();
        let (mut channels, mut in_process) = (Vec::new(), 0);
        for (number, edge) in graph.edges.iter().enumerate() {
            let (from, to) = (graph.parallelism(edge.from), graph.parallelism(edge.to));
            for sender in 0..from {
                for receiver in targets(&edge.kind, sender, from, to) {
                    let ports = ports.entry((edge.to, receiver)).or_default();
                    channels.push((number, sender, (edge.to, receiver), ports.len()));
                    ports.push(Port { number: edge.port, validate: edge.validate });
                    in_process +=
                        usize::from(link((edge.from, sender)).is_none() || link((edge.to, receiver)).is_none());
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
        for (edge, sender, receiver, channel) in channels {
            let shared = || Arc::clone(&receivers[&receiver].0);
            let address = |placement: &dyn Placement| Address {
                attempt: placement.attempt(),
                edge: edge as u32,
                sender: sender as u32,
                receiver: receiver.1 as u32,
            };
            let from = (graph.edges[edge].from, sender);
            let sender = match (placement, link(from), link(receiver)) {
                (Some(_), Some(_), Some(_)) => continue, // of no concern here
                (Some(placement), Some(_), None) => {
                    placement.arrivals().expect(address(placement), shared(), channel);
                    continue;
                }
                (Some(placement), None, Some(link)) => {
                    Sender::remote(link.open(&address(placement).encode()).map_err(Failure::from_error)?)
                }
                _ => Sender::new(shared(), channel),
            };
            senders.entry((edge, from.1)).or_default().push(sender);
        }
        Ok(Self { receivers, senders })
    }

    /// The sending ends of a subtask, by output.
    pub(super) fn outputs(
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

    pub(super) fn gate(&self, graph: &JobGraph, vertex: VertexId, subtask: usize) -> Gate {
        let (shared, ports) = &self.receivers[&(vertex, subtask)];
        Gate::new(Arc::clone(shared), ports.clone(), graph.exactly_once)
    }
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
