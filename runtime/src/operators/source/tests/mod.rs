//! Simulated clusters: in every complete checkpoint each record counts once, whatever messages go through; and watermarks wait for bounded splits.
//!
//! `MILLSTREAM_TEST_BUDGET=full` tries many seeds, `MILLSTREAM_TEST_SEED=7` that one. A failure prints its seed.

mod hosted;
mod lines;
mod remote;
mod still;
mod subtask;
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use self::{lines::Kind, world::World};

/// How many things happen in a world before it settles, at most.
const EVENTS_LIMIT: usize = 1_500;

/// Runs worlds of a kind, and counts what was seen in them.
fn run(kind: Kind, hosted: bool) -> BTreeMap<&'static str, u64> {
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    let only = std::env::var("MILLSTREAM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..if full { 20_000 } else { 200 },
    };
    let mut seen = BTreeMap::new();
    for seed in seeds {
        let run = || {
            let mut world = World::new(seed, kind, hosted);
            (0..world.random.below(EVENTS_LIMIT)).for_each(|_| world.happen());
            world.settle();
            world.seen
        };
        let Ok(world) = catch_unwind(AssertUnwindSafe(run)) else { panic!("seed {seed}") };
        world.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
    }
    if only.is_none() {
        let wanted = ["it begins anew", "it is drained", "a checkpoint is complete", "a checkpoint has splits"];
        assert!(wanted.iter().all(|what| seen.contains_key(what)), "{seen:?}");
    }
    seen
}

#[test]
fn a_bounded_source_reads_every_record_once_and_holds_watermarks_until_all_splits_are_begun() {
    for hosted in [true, false] {
        let seen = run(Kind::Bounded, hosted);
        let wanted = ["everything is read", "watermarks are let go", "watermarks are held while a split is read"];
        assert!(seen.len() < 4 || wanted.iter().all(|what| seen.contains_key(what)), "{seen:?}");
    }
}

#[test]
fn a_watched_source_reads_every_record_once_and_holds_watermarks_for_what_was_there_at_first() {
    for hosted in [true, false] {
        let seen = run(Kind::Watched, hosted);
        let wanted = ["everything is read", "watermarks are let go", "a subtask is idle"];
        assert!(seen.len() < 4 || wanted.iter().all(|what| seen.contains_key(what)), "{seen:?}");
    }
}

#[test]
fn an_endless_source_reads_every_record_once() {
    for hosted in [true, false] {
        let seen = run(Kind::Endless, hosted);
        assert!(!seen.contains_key("watermarks are let go"), "they are never held: {seen:?}");
    }
}
