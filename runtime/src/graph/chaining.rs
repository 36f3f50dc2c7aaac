//! Chaining: where a stream parts (`split`, `fork`, side outputs and so on), its branches go on in the same task rather than behind an exchange, if they
//! may.

use super::{Edge, EdgeKind, MakeHead, OperatorInfo, OutputId, Vertex, VertexId};
use crate::settings::Settings;

/// A chain that is written down to its end.
pub(crate) struct Ended {
    pub(crate) vertex: Vertex,
    /// True if it begins where a stream parts.
    pub(crate) is_branch: bool,
}

/// Where in a vertex a chain has its own: those of a branch follow those of the chains before it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) operators: usize,
    outputs: usize,
}

impl Place {
    /// The number that an output of the chain has in the vertex.
    pub(crate) fn output(self, OutputId(output): OutputId) -> OutputId {
        OutputId(self.outputs + output)
    }
}

/// A branch that runs in the task of its vertex.
pub(crate) struct Chained {
    /// The output of the vertex that it reads.
    pub(crate) reads: OutputId,
    pub(crate) place: Place,
    pub(crate) make: MakeHead,
    /// How many operators it has.
    operators: usize,
    /// The branch that it is a branch of; `None` if it begins at the chain that has the head.
    of: Option<usize>,
}

/// Where the chains have gone: to which vertex, to which place there, and as which of its branches.
type Gone = (VertexId, Place, Option<usize>);

/// Puts branches into the vertices in front of them. A branch has a larger number than the chain that it begins at, so that is where it belongs by then.
pub(super) fn chain(chains: Vec<Ended>, mut edges: Vec<Edge>, settings: &Settings) -> (Vec<Vertex>, Vec<Edge>) {
    let mut vertices = Vec::<Vertex>::with_capacity(chains.len());
    let mut gone = Vec::<Gone>::with_capacity(chains.len());
    let mut removed = vec![false; edges.len()];
    for (id, Ended { vertex, is_branch }) in chains.into_iter().enumerate() {
        let front = if is_branch { only_input(&edges, VertexId(id)) } else { None };
        let Some((edge, (into, place, of))) = front.and_then(|edge| {
            let front = *gone.get(edges[edge].from.0)?;
            fits(&vertex, &edges[edge], &vertices[front.0.0], settings).then_some((edge, front))
        }) else {
            gone.push((VertexId(vertices.len()), Place::default(), None));
            vertices.push(vertex);
            continue;
        };
        removed[edge] = true;
        let reads = place.output(edges[edge].output);
        let into_vertex = &mut vertices[into.0];
        let place = Place { operators: into_vertex.operators.len(), outputs: into_vertex.outputs };
        gone.push((into, place, Some(into_vertex.chained.len())));
        into_vertex.chained.push(Chained { reads, place, make: vertex.make, operators: vertex.operators.len(), of });
        into_vertex.operators.extend(vertex.operators);
        into_vertex.outputs += vertex.outputs;
    }
    for edge in &mut edges {
        let (from, place, _) = gone[edge.from.0];
        (edge.from, edge.output, edge.to) = (from, place.output(edge.output), gone[edge.to.0].0);
    }
    let mut removed = removed.into_iter();
    edges.retain(|_| removed.next() == Some(false));
    (vertices, edges)
}

/// The edge that leads to a chain, if it is the only one.
fn only_input(edges: &[Edge], to: VertexId) -> Option<usize> {
    let mut inputs = edges.iter().enumerate().filter(|(_, edge)| edge.to == to).map(|(number, _)| number);
    inputs.next().filter(|_| inputs.next().is_none())
}

/// True if a branch may run in the tasks of the vertex in front: as many, in the same slots, and without a sink, which would wait there for what it writes.
fn fits(branch: &Vertex, edge: &Edge, front: &Vertex, settings: &Settings) -> bool {
    let parallelism = |vertex: &Vertex| {
        let max_parallelism = vertex.max_parallelism.unwrap_or(settings.max_parallelism);
        (vertex.parallelism.unwrap_or(settings.parallelism), max_parallelism)
    };
    let in_its_slots = branch.slot_sharing_group.is_none() || branch.slot_sharing_group == front.slot_sharing_group;
    edge.kind == EdgeKind::Forward && branch.sink.is_none() && in_its_slots && parallelism(branch) == parallelism(front)
}

/// The operators of a vertex that belong to one of its branches, or to none.
pub(super) fn own(vertex: &Vertex, of: Option<usize>) -> &[OperatorInfo] {
    match of.map(|branch| &vertex.chained[branch]) {
        Some(Chained { place, operators, .. }) => &vertex.operators[place.operators..][..*operators],
        None => {
            let end = vertex.chained.first().map_or(vertex.operators.len(), |first| first.place.operators);
            &vertex.operators[..end]
        }
    }
}

/// The names of operators in order, with those of branches in parentheses: `split -> (map a | map b)`.
pub(super) fn path(vertex: &Vertex, of: Option<usize>, name: &impl Fn(&OperatorInfo) -> String) -> String {
    let mut parts: Vec<_> = own(vertex, of).iter().map(name).collect();
    let branches = vertex.chained.iter().enumerate().filter(|(_, chained)| chained.of == of);
    let branches = branches.map(|(branch, _)| path(vertex, Some(branch), name));
    let branches: Vec<_> = branches.filter(|path| !path.is_empty()).collect();
    if !branches.is_empty() {
        parts.push(format!("({})", branches.join(" | ")));
    }
    parts.join(" -> ")
}
