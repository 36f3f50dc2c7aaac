//! Slot sharing groups: which chains are in which, and how many slots a job takes for them.

use std::sync::Arc;

use futures::{StreamExt, stream::FuturesUnordered};
use millstream::{
    connectors::collect::Collect, env::Env, failure::Failure, graph::JobGraph, local, prelude::*,
    runtime::cluster::MiniCluster, settings::Settings,
};
use millstream_testkit::SimEnv;

use crate::support::{graph, parallel, seeds};

/// The group of each chain, by the name of its first operator.
fn groups(graph: &JobGraph) -> Vec<(String, &str)> {
    let names = graph.vertices.iter().map(|vertex| vertex.operators.first().map_or(String::new(), ToString::to_string));
    names.zip(graph.slot_sharing_groups()).collect()
}

#[test]
fn a_chain_goes_with_those_that_it_reads() {
    let graph = graph(parallel(2), |job| {
        let a = job.source(records(vec![1_u64])).name("a").slot_sharing_group("heavy");
        let b = job.source(records(vec![2_u64])).name("b");
        let [a, again] = a.rebalance().map(|n| n + 1).name("behind a").forks();
        again.rebalance().map(|n| n).name("light").slot_sharing_group("default").sink(collect().sink());
        let both = a.rebalance().union(b.rebalance());
        both.map(|n| n).name("both").sink(collect().sink());
    });
    let groups = groups(&graph);
    let of = |name: &str| groups.iter().find(|(chain, _)| chain.ends_with(name)).map(|(_, group)| *group);
    assert_eq!(of(" a"), Some("heavy"), "{groups:?}");
    assert_eq!(of("behind a"), Some("heavy"), "{groups:?}");
    assert_eq!(of(" b"), Some("default"), "{groups:?}");
    assert_eq!(of("light"), Some("default"), "it says so: {groups:?}");
    assert_eq!(of("both"), Some("default"), "those that it reads are in two: {groups:?}");
}

#[test]
fn a_chain_is_in_one_group_and_that_has_a_name() {
    let mut job = Job::<BestEffort>::new("test", parallel(2));
    let line = line!() + 1;
    let stream = job.source(records(vec![1_u64])).slot_sharing_group("a");
    stream.map(|n| n).slot_sharing_group("b").sink(collect().sink());
    job.source(records(vec![1_u64])).slot_sharing_group("").sink(collect().sink());
    let mistakes = job.build().map(|_| ()).expect_err("there are mistakes in it").mistakes;
    assert!(
        mistakes[0].starts_with(&format!("tests/runtime/slots.rs:{}", line + 1))
            && mistakes[0]
                .contains("slot sharing group `b` for a chain that is in `a` (set at tests/runtime/slots.rs:"),
        "{mistakes:?}"
    );
    assert!(mistakes[1].contains("a slot sharing group without a name"), "{mistakes:?}");
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
}

#[test]
fn a_branch_in_another_group_has_tasks_of_its_own() {
    let chains = |group: Option<&str>| {
        let graph = graph(parallel(2), |job| {
            let (even, odd) = job.source(records(vec![1_u64, 2])).split(|n| n % 2 == 0);
            let even = even.map(|n| n / 2);
            match group {
                Some(group) => even.slot_sharing_group(group).rebalance().sink(collect().sink()),
                None => even.rebalance().sink(collect().sink()),
            }
            odd.rebalance().sink(collect().sink());
        });
        graph.vertices.len()
    };
    assert_eq!(chains(Some("heavy")), chains(None) + 1);
}

/// Two chains of two subtasks each, the second in a group of its own.
fn heavy(results: &Collect<u64>) -> impl Fn() -> Result<JobGraph, millstream::graph::BuildError> + Send + Sync + use<> {
    let results = results.clone();
    move || {
        let mut job = Job::<BestEffort>::new("test", parallel(2));
        let numbers = job.source(records((0..100_u64).collect::<Vec<_>>())).rebalance();
        numbers.map(|n| n * 2).slot_sharing_group("heavy").sink(results.sink());
        job.build()
    }
}

fn run(seed: u64, taskmanagers: usize, slots: u32) -> (Result<(), Failure>, usize) {
    let (world, results) = (SimEnv::new(seed), collect());
    let (env, build) = (Arc::clone(&world) as Arc<dyn Env>, heavy(&results));
    let ran = world.block_on(async {
        let cluster = MiniCluster::start(env, taskmanagers, slots, build).await.expect("there is a network");
        let ran = cluster.run().await;
        cluster.stop().await.expect("nothing goes wrong");
        ran
    });
    world.drop_tasks();
    (ran, results.take().len())
}

#[test]
fn groups_take_slots_of_their_own() {
    for seed in seeds() {
        assert!(matches!(run(seed, 4, 1), (Ok(()), 100)), "seed {seed}: two slots for each group");
        assert!(matches!(run(seed, 1, 4), (Ok(()), 100)), "seed {seed}: wherever they are");
        let (ran, results) = run(seed, 3, 1);
        let failure = ran.expect_err("a slot is missing").to_string();
        assert!(failure.contains("slots") && results == 0, "seed {seed}: {failure}");
    }
}

#[test]
fn a_job_that_finds_no_room_once_it_is_built_is_refused() {
    let world = SimEnv::new(7);
    let (env, build) = (Arc::clone(&world) as Arc<dyn Env>, heavy(&collect()));
    let failure = world.block_on(async {
        // All are taken at once, none of which can run; so the first to hear something is the one too many.
        let cluster = MiniCluster::start(env, 0, 1, build).await.expect("there is a network");
        let mut jobs: FuturesUnordered<_> = (0..1025).map(|_| cluster.run()).collect();
        jobs.next().await.expect("there are some").expect_err("there are no slots")
    });
    world.drop_tasks();
    assert!(failure.to_string().contains("1024 jobs run or wait, and there may be no more"), "{failure}");
}

#[test]
fn a_process_has_as_many_slots_as_its_job_takes() {
    let wide = |parallelism: usize, group: &str| {
        let (world, results) = (SimEnv::new(7), collect());
        let settings = Settings { parallelism, max_parallelism: 1 << 15, ..Settings::default() };
        let graph = graph(settings, |job| {
            let numbers = job.source(records(vec![1_u64, 2, 3])).parallelism(1);
            numbers.rebalance().map(|n| n).slot_sharing_group(group).sink(results.sink());
        });
        let ran = world.block_on(local::run(graph, Arc::clone(&world) as Arc<dyn Env>));
        world.drop_tasks();
        (ran, results.take().len())
    };
    assert!(matches!(wide(1_100, "default"), (Ok(_), 3)));
    let (ran, results) = wide(1 << 15, "another");
    let failure = ran.expect_err("it takes one slot too many").to_string();
    assert!(
        failure.starts_with("the job takes 32769 slots, and one process has at most 32768") && results == 0,
        "{failure}"
    );
}
