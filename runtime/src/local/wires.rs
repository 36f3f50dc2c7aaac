//! The channels between the subtasks of a job.

use std::{collections::HashMap, sync::Arc};

use crate::{
    exchange::{
        channel::{Sender, Shared as ChannelShared},
        gate::Gate,
    },
    failure::Failure,
    graph::{Edge, EdgeKind, JobGraph, OperatorInfo, OutputId, VertexId},
    settings::{CHANNEL_CREDIT_MAX_BYTES, CHANNEL_CREDIT_MIN_BYTES},
    task::context::EdgeSenders,
};

/// The channels of a job, by receiving subtask.
pub(super) struct Wires {
    receivers: HashMap<(VertexId, usize), (Arc<ChannelShared>, usize)>,
    senders: HashMap<(usize, usize), Vec<Sender>>,
}

impl Wires {
    pub(super) fn new(graph: &JobGraph) -> Result<Self, Failure> {
        // First count the channels of each receiver, then make them with their share of the memory.
        let mut counts = HashMap::<(VertexId, usize), usize>::new();
        let mut channels = Vec::new();
        for (number, edge) in graph.edges.iter().enumerate() {
            let (from, to) = (graph.parallelism(edge.from), graph.parallelism(edge.to));
            for sender in 0..from {
                for receiver in targets(&edge.kind, sender, from, to) {
                    let count = counts.entry((edge.to, receiver)).or_default();
                    channels.push((number, sender, (edge.to, receiver), *count));
                    *count += 1;
                }
            }
        }
        let share = graph.settings.network_bytes() / channels.len().max(1);
        if share < CHANNEL_CREDIT_MIN_BYTES {
            return Err(Failure::new(format!(
                "the job has {} channels, and the network's share of the memory ({} bytes) gives each {share} bytes, less than {CHANNEL_CREDIT_MIN_BYTES}",
                channels.len(),
                graph.settings.network_bytes()
            ))
            .with_hint("raise the setting `memory`, as by `-D memory=1GiB`, or lower the parallelism"));
        }
        let credit = share.min(CHANNEL_CREDIT_MAX_BYTES);
        let receivers: HashMap<_, _> = (0..graph.vertices.len())
            .flat_map(|id| (0..graph.parallelism(VertexId(id))).map(move |subtask| (VertexId(id), subtask)))
            .map(|receiver| {
                let count = counts.get(&receiver).copied().unwrap_or(0);
                (receiver, (ChannelShared::new(count, credit), count))
            })
            .collect();
        let mut senders = HashMap::<_, Vec<_>>::new();
        for (edge, sender, receiver, channel) in channels {
            let shared = Arc::clone(&receivers[&receiver].0);
            senders.entry((edge, sender)).or_default().push(Sender::new(shared, channel));
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
        let (shared, channels) = &self.receivers[&(vertex, subtask)];
        Gate::new(Arc::clone(shared), *channels, graph.exactly_once)
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
