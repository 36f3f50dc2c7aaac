//! A small cluster from one seed: JobManagers that claim one log, TaskManagers, links that lose, delay, double and reorder messages or are cut, processes
//! that die, tasks that fail and hang, people who ask for things; and what must hold whatever happens ([`invariants`]).
//!
//! `MILLSTREAM_TEST_BUDGET=full` tries many seeds, `MILLSTREAM_TEST_SEED=7` that one. A failure prints its seed, and what happened last.

mod events;
mod invariants;
mod log;
mod manager;
mod network;
mod random;
mod scale;
mod tasks;
mod worker;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use self::world::World;
use super::job::lifecycle::JobState;

/// Runs a seed. Gives what its jobs came to, `None` for one that runs on, and what was seen on the way.
fn run(seed: u64) -> (Vec<Option<JobState>>, BTreeSet<&'static str>) {
    let mut world = World::new(seed, false);
    if catch_unwind(AssertUnwindSafe(|| world.run())).is_err() {
        let mut world = World::new(seed, true);
        let again = catch_unwind(AssertUnwindSafe(|| world.run()));
        assert!(again.is_err(), "seed {seed}, but not again");
        let trace: Vec<String> = world.trace.take().into_iter().flatten().collect();
        panic!("seed {seed}; what happened last:\n{}", trace.join("\n"));
    }
    (world.log.jobs.values().map(|kept| kept.result).collect(), world.seen.happened)
}

#[test]
fn whatever_happens_the_cluster_is_sound_and_goes_on_when_faults_stop() {
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    let only = std::env::var("MILLSTREAM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..if full { 20_000 } else { 80 },
    };
    let (mut ends, mut happened) = (BTreeMap::<_, u64>::new(), BTreeMap::<_, u64>::new());
    for (results, seen) in seeds.clone().map(run) {
        results.into_iter().for_each(|end| *ends.entry(end).or_default() += 1);
        seen.into_iter().for_each(|what| *happened.entry(what).or_default() += 1);
    }
    println!("{ends:?}\n{happened:#?}");
    let wanted = [None, Some(JobState::Failed), Some(JobState::Cancelled), Some(JobState::Finished)];
    let seen = |end| ends.get(end).is_some_and(|count| *count * 50 > seeds.end);
    assert!(only.is_some() || wanted.iter().all(seen), "every end is seen: {ends:?}");
    let seen = |what| happened.get(what).is_some_and(|worlds| *worlds * 50 > seeds.end);
    assert!(only.is_some() || invariants::WANTED.into_iter().all(seen), "everything is seen: {happened:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    let trace = |seed| {
        let mut world = World::new(seed, true);
        world.run();
        (world.trace, world.log.jobs.into_values().map(|kept| kept.result).collect::<Vec<_>>())
    };
    for seed in 0..5 {
        assert_eq!(trace(seed), trace(seed));
    }
}
