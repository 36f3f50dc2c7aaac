//! A job graph for people: as a tree, as Mermaid, as DOT.

use std::fmt::Write;

use super::{Edge, JobGraph, VertexId};

/// A tree, sources first, each chain below the chain it reads from, with what its operators keep.
pub fn tree(graph: &JobGraph) -> String {
    let mut out = format!("job {} ({})\n", graph.name, graph.guarantee);
    let mut shown = vec![false; graph.vertices.len()];
    let roots: Vec<_> = (0..graph.vertices.len()).filter(|id| inputs(graph, VertexId(*id)).next().is_none()).collect();
    for (i, root) in roots.iter().enumerate() {
        branch(graph, VertexId(*root), None, "", i + 1 == roots.len(), &mut shown, &mut out);
    }
    out
}

fn inputs(graph: &JobGraph, vertex: VertexId) -> impl Iterator<Item = &Edge> {
    graph.edges.iter().filter(move |edge| edge.to == vertex)
}

fn branch(
    graph: &JobGraph,
    id: VertexId,
    by: Option<&Edge>,
    indent: &str,
    last: bool,
    shown: &mut [bool],
    out: &mut String,
) {
    let (branch_mark, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
    let how = by.map_or(String::new(), |edge| format!("[{}: {}] ", edge.kind, edge.record));
    let again = if std::mem::replace(&mut shown[id.0], true) { " (shown above)" } else { "" };
    let name = graph.vertices[id.0].title();
    let slots = match &graph.vertices[id.0].slot_sharing_group {
        Some(group) => format!(" in slots `{group}`"),
        None => String::new(),
    };
    writeln!(out, "{indent}{branch_mark}{how}{name} x{}{slots}{again}", graph.parallelism(id))
        .expect("a string takes all");
    if !again.is_empty() {
        return;
    }
    let edges: Vec<_> = graph.edges.iter().filter(|edge| edge.from == id).collect();
    let bar = if edges.is_empty() { "   " } else { "│  " };
    for operator in graph.vertices[id.0].operators.iter().filter(|operator| !operator.states.is_empty()) {
        let states: Vec<_> = operator.states.iter().map(ToString::to_string).collect();
        writeln!(out, "{indent}{below}{bar}{operator} keeps {}", states.join(", ")).expect("a string takes all");
    }
    for (i, edge) in edges.iter().enumerate() {
        branch(graph, edge.to, Some(edge), &format!("{indent}{below}"), i + 1 == edges.len(), shown, out);
    }
}

/// A Mermaid flowchart.
pub fn mermaid(graph: &JobGraph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (id, vertex) in graph.vertices.iter().enumerate() {
        let name = vertex.title().split(" -> ").map(mermaid_text).collect::<Vec<_>>().join("<br>");
        writeln!(out, "    v{id}[\"{name}<br>x{}\"]", graph.parallelism(VertexId(id))).expect("a string takes all");
    }
    for Edge { from, to, kind, record, .. } in &graph.edges {
        writeln!(out, "    v{} -->|\"{}\"| v{}", from.0, mermaid_text(&format!("{kind}: {record}")), to.0)
            .expect("a string takes all");
    }
    out
}

/// Text that Mermaid takes literally: labels are HTML, with entities of Mermaid's own.
fn mermaid_text(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

/// A graph for Graphviz.
pub fn dot(graph: &JobGraph) -> String {
    let mut out = format!("digraph {:?} {{\n    rankdir=LR; node [shape=box];\n", graph.name);
    for (id, vertex) in graph.vertices.iter().enumerate() {
        let name = vertex.title().replace(" -> ", "\n");
        let label = format!("{name}\nx{}", graph.parallelism(VertexId(id)));
        writeln!(out, "    v{id} [label={label:?}];").expect("a string takes all");
    }
    for Edge { from, to, kind, record, .. } in &graph.edges {
        writeln!(out, "    v{} -> v{} [label={:?}];", from.0, to.0, format!("{kind}: {record}"))
            .expect("a string takes all");
    }
    out.push_str("}\n");
    out
}
