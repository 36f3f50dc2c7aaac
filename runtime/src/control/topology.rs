//! [`Topology`]: what control knows of a job's graph, as data: vertices, edges, which of them restart together, and which slots they take.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::ids::{RegionId, SubtaskId, TaskIndex, Vertex};

/// A job of more subtasks is refused: what is kept of each is small, but not nothing.
pub(crate) const SUBTASKS_LIMIT: usize = 1 << 20;

/// What is known of a vertex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VertexInfo {
    /// What messages call it.
    pub(crate) name: String,
    /// How many subtasks it has; at least 1.
    pub(crate) parallelism: u32,
    /// Its slot sharing group: subtasks of vertices of one group may be in one slot.
    pub(crate) group: u32,
    /// How many of its subtasks others send to: the first ones. Barriers begin at the rest: all of a source, and all but the first behind `global()`.
    pub(crate) connected: u32,
}

/// A slot that a job takes: the `index`-th of a sharing group, which holds the subtask of that number of every vertex of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SharedSlot {
    pub(crate) group: u32,
    pub(crate) index: u32,
}

/// A job's graph. Does not change: a job that is rescaled gets another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topology {
    vertices: Vec<VertexInfo>,
    /// From which vertex to which. All of them are pipelined: records flow while both ends run.
    edges: Vec<(Vertex, Vertex)>,
    /// The number of each vertex's first subtask, and at the end how many subtasks there are.
    first_tasks: Vec<usize>,
    /// The vertex of each subtask.
    owners: Vec<Vertex>,
    region_of: Vec<RegionId>,
    regions: Vec<Vec<Vertex>>,
    slots: Vec<SharedSlot>,
}

impl Topology {
    /// # Errors
    ///
    /// There is no vertex, one without subtasks, an edge of a vertex that there is not, or too many subtasks; says which.
    pub(crate) fn new(vertices: Vec<VertexInfo>, edges: Vec<(Vertex, Vertex)>) -> Result<Self, String> {
        if vertices.is_empty() {
            return Err("the job has no operators".to_owned());
        }
        if let Some(vertex) = vertices.iter().find(|vertex| vertex.parallelism == 0) {
            return Err(format!("`{}` has no subtasks: its parallelism must be at least 1", vertex.name));
        }
        let known = |vertex: &Vertex| (vertex.0 as usize) < vertices.len();
        if let Some((from, to)) = edges.iter().find(|(from, to)| !(known(from) && known(to))) {
            return Err(format!("the job has {} vertices and an edge from {} to {}", vertices.len(), from.0, to.0));
        }
        let tasks: usize = vertices.iter().map(|vertex| vertex.parallelism as usize).sum();
        if tasks > SUBTASKS_LIMIT {
            return Err(format!("the job has {tasks} subtasks, more than {SUBTASKS_LIMIT}: lower its parallelism"));
        }
        let mut first_tasks = vec![0];
        let mut owners = Vec::with_capacity(tasks);
        for (vertex, number) in vertices.iter().zip(0..) {
            owners.extend((0..vertex.parallelism).map(|_| Vertex(number)));
            first_tasks.push(owners.len());
        }
        let (region_of, regions) = connected(vertices.len(), &edges);
        let slots = shared_slots(&vertices);
        Ok(Self { vertices, edges, first_tasks, owners, region_of, regions, slots })
    }

    pub(crate) fn vertices(&self) -> &[VertexInfo] {
        &self.vertices
    }

    #[cfg(test)]
    pub(crate) fn edges(&self) -> &[(Vertex, Vertex)] {
        &self.edges
    }

    pub(crate) fn vertex(&self, vertex: Vertex) -> &VertexInfo {
        &self.vertices[vertex.0 as usize]
    }

    /// How many subtasks there are in all.
    pub(crate) fn tasks(&self) -> usize {
        self.owners.len()
    }

    /// The subtask of a number; `None` if there are not so many.
    pub(crate) fn subtask(&self, task: TaskIndex) -> Option<SubtaskId> {
        let vertex = *self.owners.get(task.0)?;
        let first = self.first_tasks[vertex.0 as usize];
        Some(SubtaskId { vertex, subtask: (task.0 - first) as u32 })
    }

    /// The number of a subtask; `None` if the job has no such subtask.
    pub(crate) fn task(&self, subtask: SubtaskId) -> Option<TaskIndex> {
        let vertex = self.vertices.get(subtask.vertex.0 as usize)?;
        (subtask.subtask < vertex.parallelism)
            .then(|| TaskIndex(self.first_tasks[subtask.vertex.0 as usize] + subtask.subtask as usize))
    }

    /// The numbers of a vertex's subtasks.
    pub(crate) fn tasks_of(&self, vertex: Vertex) -> Range<usize> {
        self.first_tasks[vertex.0 as usize]..self.first_tasks[vertex.0 as usize + 1]
    }

    /// The numbers of the subtasks that barriers begin at.
    pub(crate) fn sources(&self) -> impl Iterator<Item = usize> + '_ {
        let vertices = self.vertices.iter().zip(0..);
        vertices.flat_map(|(vertex, number)| self.tasks_of(Vertex(number)).skip(vertex.connected as usize))
    }

    /// How many regions there are.
    pub(crate) fn regions(&self) -> usize {
        self.regions.len()
    }

    /// The region of a subtask.
    ///
    /// A region is a connected component of *vertices*, not of subtasks: the subtasks of a source draw from one pool of splits, which a restore
    /// sets back as a whole, so they have to go back together even where no channel connects them.
    pub(crate) fn region_of(&self, task: TaskIndex) -> RegionId {
        self.region_of[self.owners[task.0].0 as usize]
    }

    /// The vertices of a region.
    pub(crate) fn vertices_of(&self, region: RegionId) -> &[Vertex] {
        &self.regions[region.0]
    }

    /// The numbers of the subtasks of a region.
    pub(crate) fn tasks_in(&self, region: RegionId) -> impl Iterator<Item = TaskIndex> + '_ {
        self.regions[region.0].iter().flat_map(|vertex| self.tasks_of(*vertex)).map(TaskIndex)
    }

    /// The slots that the job takes, in order: of each sharing group as many as its widest vertex has subtasks.
    pub(crate) fn slots(&self) -> &[SharedSlot] {
        &self.slots
    }

    /// The slot that a subtask is in.
    pub(crate) fn slot_of(&self, task: TaskIndex) -> SharedSlot {
        let vertex = self.owners[task.0];
        let index = (task.0 - self.first_tasks[vertex.0 as usize]) as u32;
        SharedSlot { group: self.vertex(vertex).group, index }
    }
}

/// Connected components: the region of each vertex, and the vertices of each region, numbered by their first vertex.
fn connected(vertices: usize, edges: &[(Vertex, Vertex)]) -> (Vec<RegionId>, Vec<Vec<Vertex>>) {
    let mut parents: Vec<usize> = (0..vertices).collect();
    fn root(parents: &mut [usize], mut vertex: usize) -> usize {
        while parents[vertex] != vertex {
            parents[vertex] = parents[parents[vertex]];
            vertex = parents[vertex];
        }
        vertex
    }
    for (from, to) in edges {
        let (from, to) = (root(&mut parents, from.0 as usize), root(&mut parents, to.0 as usize));
        parents[from.max(to)] = from.min(to); // the root is the first vertex
    }
    let mut regions: Vec<Vec<Vertex>> = Vec::new();
    let mut region_of = Vec::with_capacity(vertices);
    for vertex in 0..vertices {
        let root = root(&mut parents, vertex);
        let region = if root == vertex { RegionId(regions.len()) } else { region_of[root] };
        if root == vertex {
            regions.push(Vec::new());
        }
        regions[region.0].push(Vertex(vertex as u32));
        region_of.push(region);
    }
    (region_of, regions)
}

fn shared_slots(vertices: &[VertexInfo]) -> Vec<SharedSlot> {
    let mut widest = std::collections::BTreeMap::<u32, u32>::new();
    for vertex in vertices {
        let width = widest.entry(vertex.group).or_default();
        *width = vertex.parallelism.max(*width);
    }
    let of_group = |(group, width)| (0..width).map(move |index| SharedSlot { group, index });
    widest.into_iter().flat_map(of_group).collect()
}
