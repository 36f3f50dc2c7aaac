//! Wherever the subtasks of a job run, their channels lead from and to the same ones.

use std::{collections::BTreeMap, sync::Arc};

use futures::executor::LocalPool;
use millstream_core::{
    batch::Batch,
    buffer::{BufferBuilder, Received},
    time::Timestamp,
};
use millstream_net::{link::Options, window::WindowBytes};

use super::*;
use crate::{
    checkpoint::channels::Reroutes,
    exchange::{channel::Event, pipe::connect},
    graph::Vertex,
    settings::Settings,
};

const OPTIONS: Options =
    Options { body_bytes_limit: 1 << 20, channels_limit: 1_000, window: WindowBytes { first: 4 << 10, max: 4 << 10 } };
const ATTEMPT: AttemptKey = AttemptKey { job: 3, epoch: 1, number: 7 };

/// Chains of these numbers of subtasks, with edges of all kinds.
fn graph(parallelism: [usize; 3]) -> JobGraph {
    let vertex = |parallelism: usize| Vertex {
        operators: Vec::new(),
        parallelism: Some(parallelism),
        max_parallelism: None,
        slot_sharing_group: None,
        alignment: None,
        outputs: 1,
        make: Box::new(|_| Err(Failure::new("nothing runs here"))),
        chained: Vec::new(),
        source: None,
        sink: None,
    };
    let edge = |from: usize, to: usize, kind: EdgeKind| Edge {
        from: VertexId(from),
        output: OutputId(0),
        to: VertexId(to),
        kind,
        record: String::new(),
        port: 0,
        validate: Received::validate::<u64>,
        reroutes: Reroutes::default(),
        beside: None,
    };
    let edges = vec![
        edge(0, 1, EdgeKind::Forward),
        edge(0, 1, EdgeKind::Partitioned("hash".into())),
        edge(0, 2, EdgeKind::Rescale),
        edge(1, 2, EdgeKind::Broadcast),
        edge(1, 2, EdgeKind::Global),
    ];
    let vertices = parallelism.map(vertex).into();
    let (name, settings) = ("job".to_owned(), Settings::default());
    JobGraph { name, guarantee: "best effort", keeps_state: false, exactly_once: false, settings, vertices, edges }
}

/// A process: where it is connected to, by the number of the other one.
struct Process {
    number: usize,
    processes: usize,
    links: BTreeMap<usize, Link>,
    arrivals: Arc<Arrivals>,
}

impl Placement for Process {
    fn place(&self, (vertex, subtask): Subtask) -> Place<'_> {
        self.links.get(&((vertex.0 + subtask) % self.processes)).map_or(Place::Here, Place::At)
    }

    fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    fn attempt(&self) -> AttemptKey {
        ATTEMPT
    }
}

fn processes(pool: &LocalPool, count: usize) -> Vec<Process> {
    let arrivals: Vec<_> = (0..count).map(|_| Arc::<Arrivals>::default()).collect();
    let mut processes: Vec<_> = (0..count)
        .map(|number| Process {
            number,
            processes: count,
            links: BTreeMap::new(),
            arrivals: Arc::clone(&arrivals[number]),
        })
        .collect();
    for a in 0..count {
        for b in 0..a {
            let [to_b, to_a] = connect(pool, OPTIONS, [a, b].map(|process| Arc::clone(&arrivals[process])));
            processes[a].links.insert(b, to_b);
            processes[b].links.insert(a, to_a);
        }
    }
    processes
}

fn record(number: u64) -> Batch {
    let mut builder = BufferBuilder::<u64>::new(Default::default(), 100);
    builder.push(number, Timestamp::MIN, 0).expect("it fits");
    Batch::new(builder.seal(0), &[])
}

/// What each subtask has received: by its chain and number, the channel and what came on it.
type Came = BTreeMap<(usize, usize), Vec<(usize, u64)>>;

/// Sends a record on every channel, which says where it is from and to which of the receivers, and takes what has come.
fn exchange(graph: &JobGraph, pool: &mut LocalPool, wires: &mut [(Process, Wires)]) -> Came {
    let subtasks: Vec<Subtask> = (0..graph.vertices.len())
        .flat_map(|id| (0..graph.parallelism(VertexId(id))).map(move |subtask| (VertexId(id), subtask)))
        .collect();
    let mut senders = Vec::new();
    for (process, wires) in &mut *wires {
        for subtask in subtasks.iter().filter(|subtask| process.is_here(**subtask)) {
            let outputs = wires.outputs(graph, subtask.0, subtask.1, 1);
            for (edge, EdgeSenders { senders: of_edge, .. }) in outputs.into_iter().flatten().flatten().enumerate() {
                for (target, sender) in of_edge.into_iter().enumerate() {
                    let from = subtask.0.0 * 1_000 + subtask.1 * 100;
                    sender.send(Event::Data(record((from + edge * 10 + target) as u64)));
                    senders.push(sender);
                }
            }
        }
    }
    pool.run_until_stalled();
    let mut received = Came::new();
    for (process, wires) in &*wires {
        for subtask in subtasks.iter().filter(|subtask| process.is_here(**subtask)) {
            let gate = wires.gate(graph, subtask.0, subtask.1);
            let came = received.entry((subtask.0.0, subtask.1)).or_default();
            while let Some((channel, event)) = gate.try_next().expect("nothing is damaged") {
                let Event::Data(batch) = event else { panic!("{event:?}") };
                came.extend(batch.buffer.records::<u64>(0).map(|(number, _)| (channel, number)));
            }
            came.sort();
        }
    }
    received
}

#[test]
fn channels_lead_to_the_same_subtasks_wherever_these_run() {
    for parallelism in [[1, 1, 1], [2, 2, 2], [2, 3, 1], [3, 2, 4], [4, 1, 3]] {
        let (graph, mut pool) = (graph(parallelism), LocalPool::new());
        let alone = processes(&pool, 1).remove(0);
        let wires = Wires::new(&graph, &alone).expect("there is memory");
        let in_one = exchange(&graph, &mut pool, &mut [(alone, wires)]);
        let channels: usize = in_one.values().map(Vec::len).sum();
        assert!(channels >= 5, "{parallelism:?}: each edge has channels");
        for count in 2..=4 {
            let mut wires: Vec<_> = processes(&pool, count)
                .into_iter()
                .map(|process| {
                    let wires = Wires::new(&graph, &process).expect("there is memory");
                    pool.run_until_stalled(); // so that some are there before the others
                    (process, wires)
                })
                .collect();
            assert_eq!(exchange(&graph, &mut pool, &mut wires), in_one, "{parallelism:?} in {count} processes");
        }
    }
}

#[test]
fn channels_of_an_attempt_that_has_ended_are_refused() {
    let (graph, mut pool) = (graph([2, 2, 2]), LocalPool::new());
    let [first, second] = processes(&pool, 2).try_into().ok().expect("two");
    let mut wires = Wires::new(&graph, &first).expect("there is memory");
    pool.run_until_stalled();
    // Its tasks never come to the other process.
    second.arrivals.end(AttemptKey { number: 8, ..ATTEMPT });
    let senders: Vec<_> = wires.outputs(&graph, VertexId(0), first.number, 1).into_iter().flatten().flatten().collect();
    let remote = || senders.iter().flat_map(|edge| &edge.senders).filter(|sender| !sender.has_credit()).count();
    assert!(remote() > 0, "nobody has accepted those that lead to the other process");
    second.arrivals.end(ATTEMPT);
    pool.run_until_stalled();
    assert_eq!(remote(), 0, "they hold nobody up");
}
