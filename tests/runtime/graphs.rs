//! What only the whole graph shows: streams without an end, ids, parallelism; and how a graph is shown to people.

use millstream::{graph::render, prelude::*, stream::Guarantee};

use crate::{
    spy::{Spy, Wrong},
    support::parallel,
};

fn spy() -> Spy {
    Spy::new(Wrong::Nothing)
}

/// The mistakes in a job.
fn mistakes<G: Guarantee>(build: impl FnOnce(&mut Job<G>)) -> Vec<String> {
    let mut job = Job::<G>::new("test", parallel(2));
    build(&mut job);
    job.build().map(|_| ()).expect_err("there is a mistake in the job").mistakes
}

/// A source that can be read again, as jobs with state need it.
#[derive(Clone)]
struct Log(millstream::connectors::records::Records<u64>);

impl Log {
    fn new() -> Self {
        Self(records(vec![1_u64, 2, 3]))
    }
}

impl millstream::source::Source for Log {
    type Out = u64;
    type Time = NoTime;
    type Split = <millstream::connectors::records::Records<u64> as millstream::source::Source>::Split;
    type Enumerator = <millstream::connectors::records::Records<u64> as millstream::source::Source>::Enumerator;
    type Reader = <millstream::connectors::records::Records<u64> as millstream::source::Source>::Reader;

    fn name(&self) -> String {
        "log".into()
    }
    fn boundedness(&self) -> millstream::source::Boundedness {
        self.0.boundedness()
    }
    fn enumerator(
        &self,
        cx: &millstream::source::SourceContext,
    ) -> Result<Self::Enumerator, millstream::failure::Failure> {
        self.0.enumerator(cx)
    }
    fn reader(&self, cx: &millstream::source::SourceContext) -> Result<Self::Reader, millstream::failure::Failure> {
        self.0.reader(cx)
    }
}

impl millstream::stream::Replayable for Log {}

#[test]
fn an_empty_job() {
    assert_eq!(
        mistakes::<BestEffort>(|_| {}),
        ["job `test` is empty: begin with `job.source(..)` and end with `.sink(..)`"]
    );
}

#[test]
fn a_stream_without_a_sink() {
    let mut line = 0;
    let found = mistakes::<BestEffort>(|job| {
        line = line!() + 1;
        let _ = job.source(Log::new()).map(|n| n + 1);
    });
    assert_eq!(
        found,
        [format!(
            "tests/runtime/graphs.rs:{line}:40: the stream behind `map` reaches no sink, so nothing would come of it: end it with `.sink(..)`, or remove it"
        )]
    );
    let branch = "a branch of a stream reaches no sink, so nothing would come of it: end each branch with `.sink(..)`, or remove it";
    let forked = mistakes::<BestEffort>(|job| {
        let (kept, forgotten) = job.source(Log::new()).fork();
        kept.sink(spy());
        drop(forgotten);
    });
    assert_eq!(forked, [branch]);
    let diverted = mistakes::<BestEffort>(|job| {
        let (kept, forgotten) = job.source(Log::new()).map(|n| -> Result<u64, String> { Ok(n) }).divert_errors();
        kept.sink(spy());
        drop(forgotten);
    });
    assert_eq!(diverted, [branch]);
}

#[test]
fn windows_without_size() {
    let mut line = 0;
    let found = mistakes::<BestEffort>(|job| {
        let keyed = job.source(Log::new()).key_by(|n| n % 2);
        line = line!() + 1;
        let counts = keyed.window(tumbling(0.seconds()).offset(1.hours()).processing_time()).aggregate(|of| of.count());
        counts.map(|(_, _, count)| count).sink(spy());
    });
    let mistake = "these windows have no size: `tumbling(..)` takes a millisecond or more";
    assert_eq!(found, [format!("tests/runtime/graphs.rs:{line}:28: {mistake}")]);
}

#[test]
fn windows_in_a_zone_that_does_not_exist() {
    let mut line = 0;
    let found = mistakes::<BestEffort>(|job| {
        let keyed = job.source(Log::new()).key_by(|n| n % 2);
        line = line!() + 1;
        let counts = keyed.window(calendar::days("Europe/Berlim").processing_time()).aggregate(|of| of.count());
        counts.map(|(_, _, count)| count).sink(spy());
    });
    let mistake = "there is no time zone `Europe/Berlim`: did you mean `Europe/Berlin`?";
    assert_eq!(found, [format!("tests/runtime/graphs.rs:{line}:28: {mistake}")]);
}

fn counted<G: Guarantee>(job: &mut Job<G>, name: &str, uid: &str)
where
    Log: millstream::stream::SuitsGuarantee<G>,
{
    let counts = job.source(Log::new()).uid(&format!("source-{uid}")).key_by(|n| n % 2).window(global());
    let counts = counts.aggregate(|of| of.count());
    let counts = match (name, uid) {
        ("", _) => counts.sealed(),
        (name, "") => counts.name(name).sealed(),
        (name, uid) => counts.name(name).uid(uid).sealed(),
    };
    counts.map(|(_, _, count)| count).sink(spy());
}

#[test]
fn ids_of_stateful_operators() {
    let found = mistakes::<ExactlyOnce>(|job| {
        counted(job, "", "a");
    });
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].ends_with(": the stateful operator `window` has no name to find its state again by: add `.uid(\"window-1\")` behind it"),
        "{found:#?}"
    );
    let found = mistakes::<AtLeastOnce>(|job| {
        counted(job, "per parity", "");
        counted(job, "per parity", "");
    });
    let about = |what: &str| found.iter().filter(|mistake| mistake.contains(what)).count();
    assert_eq!(
        about("two stateful operators have the id `window per parity`, the other one at tests/runtime/graphs.rs:"),
        1,
        "{found:#?}"
    );
    assert_eq!(about("add `.uid(\"window per parity-2\")` behind this one"), 1, "{found:#?}");

    // Nothing comes behind a sink.
    let found = mistakes::<ExactlyOnce>(|job| {
        let (even, odd) = job.source(Log::new()).split(|n| n % 2 == 0);
        even.sink(spy());
        odd.sink(spy());
    });
    let repair = "give this one an id of its own: `.sink(<sink>.uid(\"sink spy-2\"))`";
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("have the id `sink spy`, ") && found[0].ends_with(repair), "{found:#?}");
    let two = |first: &'static str| {
        let mut job = Job::<ExactlyOnce>::new("test", parallel(2));
        let (even, odd) = job.source(Log::new()).split(|n| n % 2 == 0);
        even.sink(spy().uid(first));
        odd.sink(spy().uid("odd"));
        job.build()
    };
    assert!(two("even").is_ok());
    let found = two("odd").map(|_| ()).expect_err("both are odd").mistakes;
    assert!(found[0].ends_with("`.sink(<sink>.uid(\"odd-2\"))`"), "{found:#?}");

    // Without state to restore, names may be the same, but what was written down as an id may not.
    let mut job = Job::<BestEffort>::new("test", parallel(2));
    counted(&mut job, "", "a");
    counted(&mut job, "", "b");
    assert!(job.build().is_ok());
    let found = mistakes::<BestEffort>(|job| {
        counted(job, "x", "a");
        counted(job, "y", "a");
    });
    assert_eq!(found.len(), 2, "the source and the window: {found:#?}");
    assert!(found[1].contains("two stateful operators have the id `a`"), "{found:#?}");
}

#[test]
fn one_chain_has_one_parallelism() {
    let (mut first, mut second) = (0, 0);
    let found = mistakes::<BestEffort>(|job| {
        first = line!() + 1;
        let stream = job.source(Log::new()).parallelism(2);
        second = line!() + 1;
        stream.map(|n| n).parallelism(3).sink(spy());
    });
    assert_eq!(
        found,
        [format!(
            "tests/runtime/graphs.rs:{second}:27: parallelism 3 for a chain that has parallelism 2 (set at tests/runtime/graphs.rs:{first}:45): the \
             operators of a chain run in the same subtasks. Put `.rebalance()` or `.rescale()` between the two"
        )]
    );
    let found = mistakes::<BestEffort>(|job| job.source(Log::new()).parallelism(0).sink(spy()));
    assert_eq!(
        found,
        [
            "chain `source log -> sink spy`: parallelism 0 is not from 1 to 128: choose one in between, or raise max_parallelism (at most 32768)"
        ]
    );
    let found = mistakes::<BestEffort>(|job| job.source(Log::new()).max_parallelism(2).parallelism(3).sink(spy()));
    assert_eq!(
        found,
        [
            "chain `source log -> sink spy`: parallelism 3 is not from 1 to 2: choose one in between, or raise max_parallelism (at most 32768)"
        ]
    );
    let found = mistakes::<BestEffort>(|job| job.source(Log::new()).max_parallelism(40_000).sink(spy()));
    assert_eq!(found, ["chain `source log -> sink spy`: max_parallelism 40000 is not from 1 to 32768"]);

    let found = mistakes::<BestEffort>(|job| job.source(Log::new()).parallelism(200).sink(spy()));
    assert_eq!(found.len(), 1);
}

/// The chains of a graph, and how they are connected.
fn chains(build: impl FnOnce(&mut Job<BestEffort>)) -> (Vec<String>, Vec<String>) {
    let graph = crate::support::graph(parallel(2), build);
    let edge = |edge: &millstream::graph::Edge| format!("{} {} {}", edge.from.0, edge.kind, edge.to.0);
    (graph.vertices.iter().map(millstream::graph::Vertex::title).collect(), graph.edges.iter().map(edge).collect())
}

#[test]
fn branches_run_in_the_task_that_they_part_in() {
    let both = |job: &mut Job<BestEffort>| {
        let (even, odd) = job.source(Log::new()).split(|n| n % 2 == 0);
        let (once, twice) = odd.map(|n| n + 1).fork();
        let even = even.key_by(|n| n % 10).window(tumbling(1.minutes()).processing_time()).aggregate(|of| of.count());
        let sums = once.map(|n| n * 2).union(twice.filter(|n| n > 3));
        even.map(|(_, _, count)| count).union(sums.rebalance()).sink(spy());
    };
    let (titles, edges) = chains(both);
    let counts = "window (tumbling 1min processing time) -> map";
    assert_eq!(titles, ["source log -> split -> (map -> (map | filter))", counts, "pass on", "pass on", "sink spy"]);
    assert_eq!(edges, ["0 hash 1", "0 forward 2", "0 forward 2", "2 rebalance 3", "1 forward 4", "3 forward 4"]);
}

#[test]
fn a_branch_has_the_parallelism_of_the_job_unless_it_says_otherwise() {
    let graph = crate::support::graph(parallel(2), |job| {
        let [a, b] = job.source(Log::new()).parallelism(1).forks();
        a.map(|n| n).rebalance().sink(spy());
        b.filter(|n| n > 1).parallelism(1).rebalance().sink(spy());
        let (even, odd) = job.source(Log::new()).parallelism(2).split(|n| n % 2 == 0);
        even.map(|n| n).rebalance().sink(spy());
        odd.filter(|n| n > 1).parallelism(2).rebalance().sink(spy());
    });
    let chains = graph.vertices.iter().enumerate();
    let chains: Vec<_> =
        chains.map(|(id, chain)| (chain.title(), graph.parallelism(millstream::graph::VertexId(id)))).collect();
    let chains: Vec<_> = chains.iter().map(|(title, parallelism)| (title.as_str(), *parallelism)).collect();
    let expected = [
        ("source log -> (filter)", 1),
        ("map", 2),
        ("sink spy", 2),
        ("sink spy", 2),
        ("source log -> split -> (map | filter)", 2),
        ("sink spy", 2),
        ("sink spy", 2),
    ];
    assert_eq!(chains, expected);
}

#[test]
fn branches_are_tasks_of_their_own_where_they_have_to_be() {
    // Of another parallelism, with a sink, and where it is asked for.
    let (titles, edges) = chains(|job| {
        let [a, b, c, d] = job.source(Log::new()).forks();
        a.map(|n| n).parallelism(1).rebalance().sink(spy());
        b.filter(|n| n > 1).sink(spy());
        c.new_chain().map(|n| n + 1).rebalance().sink(spy());
        d.map(|n| n + 2).max_parallelism(64).rebalance().sink(spy());
    });
    assert_eq!(titles, ["source log", "map", "filter -> sink spy", "map", "sink spy", "map", "sink spy", "sink spy"]);
    assert_eq!(edges.len(), 7);
}

/// A graph with a bit of everything.
fn various() -> millstream::graph::JobGraph {
    crate::support::graph(parallel(2), |job| {
        let (even, odd) = job.source(Log::new()).parallelism(1).split(|n| n % 2 == 0);
        let even = even.map(|n| vec![n]).name("as \"it\" is").rebalance().flat_map(Vec::<u64>::from_view);
        let counts = odd.key_by(|n| n % 10).window(tumbling(1.minutes()).processing_time()).aggregate(|of| of.count());
        even.union(counts.map(|(_, _, count)| count)).parallelism(3).sink(spy());
    })
}

const TREE: &str = r#"job test (best effort)
└─ source log -> split x1
   ├─ [forward: u64] map as "it" is x2
   │  └─ [rebalance: Vec<u64>] flat_map x2
   │     └─ [forward: u64] sink spy x3
   └─ [forward: u64] pass on x2
      └─ [hash: u64] window (tumbling 1min processing time) -> map x2
         └─ [forward: u64] sink spy x3 (shown above)
"#;
const MERMAID: &str = r##"flowchart LR
    v0["source log<br>split<br>x1"]
    v1["map as #quot;it#quot; is<br>x2"]
    v2["pass on<br>x2"]
    v3["flat_map<br>x2"]
    v4["window (tumbling 1min processing time)<br>map<br>x2"]
    v5["sink spy<br>x3"]
    v0 -->|"forward: u64"| v1
    v0 -->|"forward: u64"| v2
    v1 -->|"rebalance: Vec#lt;u64#gt;"| v3
    v2 -->|"hash: u64"| v4
    v3 -->|"forward: u64"| v5
    v4 -->|"forward: u64"| v5
"##;
const DOT: &str = r#"digraph "test" {
    rankdir=LR; node [shape=box];
    v0 [label="source log\nsplit\nx1"];
    v1 [label="map as \"it\" is\nx2"];
    v2 [label="pass on\nx2"];
    v3 [label="flat_map\nx2"];
    v4 [label="window (tumbling 1min processing time)\nmap\nx2"];
    v5 [label="sink spy\nx3"];
    v0 -> v1 [label="forward: u64"];
    v0 -> v2 [label="forward: u64"];
    v1 -> v3 [label="rebalance: Vec<u64>"];
    v2 -> v4 [label="hash: u64"];
    v3 -> v5 [label="forward: u64"];
    v4 -> v5 [label="forward: u64"];
}
"#;

#[test]
fn a_graph_is_shown_as_tree_mermaid_and_dot() {
    let graph = various();
    assert_eq!(render::tree(&graph), TREE);
    assert_eq!(render::mermaid(&graph), MERMAID);
    assert_eq!(render::dot(&graph), DOT);
}
