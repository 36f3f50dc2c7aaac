//! Regions, numbers and slots of small graphs.

use super::*;

fn vertex(parallelism: u32, group: u32, is_source: bool) -> VertexInfo {
    let connected = if is_source { 0 } else { parallelism };
    VertexInfo { name: "v".to_owned(), parallelism, group, connected }
}

fn edge(from: u32, to: u32) -> (Vertex, Vertex) {
    (Vertex(from), Vertex(to))
}

#[test]
fn subtasks_are_numbered_vertex_by_vertex() {
    let topology =
        Topology::new(vec![vertex(2, 0, true), vertex(3, 0, false), vertex(1, 0, true)], vec![edge(0, 1)]).unwrap();
    assert_eq!(topology.tasks(), 6);
    for task in (0..6).map(TaskIndex) {
        let subtask = topology.subtask(task).unwrap();
        assert_eq!(topology.task(subtask), Some(task));
    }
    assert_eq!(topology.subtask(TaskIndex(3)), Some(SubtaskId { vertex: Vertex(1), subtask: 1 }));
    assert_eq!(topology.subtask(TaskIndex(6)), None);
    assert_eq!(topology.task(SubtaskId { vertex: Vertex(1), subtask: 3 }), None);
    assert_eq!(topology.task(SubtaskId { vertex: Vertex(3), subtask: 0 }), None);
    assert_eq!(topology.sources().collect::<Vec<_>>(), [0, 1, 5]);
}

#[test]
fn regions_are_what_edges_connect_in_either_direction() {
    let vertices = (0..6).map(|_| vertex(1, 0, true)).collect();
    let topology = Topology::new(vertices, vec![edge(5, 3), edge(3, 0), edge(4, 2)]).unwrap();
    let regions: Vec<_> =
        (0..topology.regions()).map(|region| topology.vertices_of(RegionId(region)).to_vec()).collect();
    assert_eq!(regions, [vec![Vertex(0), Vertex(3), Vertex(5)], vec![Vertex(1)], vec![Vertex(2), Vertex(4)]]);
    assert_eq!(topology.region_of(TaskIndex(4)), RegionId(2));
    assert_eq!(topology.tasks_in(RegionId(0)).collect::<Vec<_>>(), [TaskIndex(0), TaskIndex(3), TaskIndex(5)]);
}

#[test]
fn a_sharing_group_takes_as_many_slots_as_its_widest_vertex_has_subtasks() {
    let topology =
        Topology::new(vec![vertex(2, 0, true), vertex(3, 0, false), vertex(2, 7, false)], Vec::new()).unwrap();
    let slot = |group, index| SharedSlot { group, index };
    assert_eq!(topology.slots(), [slot(0, 0), slot(0, 1), slot(0, 2), slot(7, 0), slot(7, 1)]);
    assert_eq!(topology.slot_of(TaskIndex(1)), slot(0, 1));
    assert_eq!(topology.slot_of(TaskIndex(3)), slot(0, 1), "shared with the first vertex");
    assert_eq!(topology.slot_of(TaskIndex(5)), slot(7, 0));
}

#[test]
fn what_is_no_graph_is_refused_with_what_is_wrong() {
    #[track_caller]
    fn check(vertices: Vec<VertexInfo>, edges: Vec<(Vertex, Vertex)>, wanted: &str) {
        let message = Topology::new(vertices, edges).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
    check(Vec::new(), Vec::new(), "no operators");
    check(vec![vertex(0, 0, true)], Vec::new(), "`v` has no subtasks");
    check(vec![vertex(1, 0, true)], vec![edge(0, 1)], "edge from 0 to 1");
    check(vec![vertex(u32::MAX, 0, true)], Vec::new(), "more than 1048576");
}
