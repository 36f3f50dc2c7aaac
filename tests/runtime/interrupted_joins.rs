//! A barrier passes while joins in sessions, and in windows that wait for late records, are put out: between any two pairs, whatever stands in front of it. Whoever goes on
//! from there puts out the rest, and nothing twice.

use std::{collections::BTreeMap, time::Duration};

use millstream::{env::Env, graph::JobGraph, joins::JoinWindows, prelude::*, windows::WindowsOn};
use millstream_testkit::{budget, rng::Rng};

use crate::{
    checkpoints::{settings, simulate},
    interrupted::received,
    late_joins::{Happens, alone, apart, expected, firings, joined, number, overlapping, rows},
    script::{Script, Step},
    support::sorted,
    windows::{Event, event},
};

/// The key that has many records on each side.
const BUSY_KEY: u64 = 1;
/// How many, and how many other keys there are that have one each.
type Counts = (u64, u64);

/// So many that it takes a while in either way.
const PAIR_BY_PAIR: Counts = (60, 100);
const BY_KEY: Counts = (20, 3_000);

/// The first watermark is here at least.
const EARLY: i64 = 800;

/// What comes in between, in front of barriers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    /// Records of other keys than the busy one.
    OtherKeys,
    /// Also such of the busy key.
    AllKeys,
}

/// The right side at once; then the left side with all that says the time.
fn happens(rng: &mut Rng, (busy, others): Counts, between: Between) -> Vec<Happens> {
    let mut happens = Vec::new();
    let mut value = 0;
    let mut next = |key: u64, at: i64| {
        value += 1;
        event(key, value, at)
    };
    // Two sessions of the busy key, in one window.
    let busy_at = |n: u64| if n.is_multiple_of(4) { 100 + (n % 90) as i64 } else { 500 + (n % 90) as i64 };
    for side in [Happens::Right as fn(Event) -> Happens, Happens::Left] {
        happens.extend((0..busy).map(|n| side(next(BUSY_KEY, busy_at(n)))));
        happens.extend((2..2 + others).map(|key| side(next(key, (key % 600) as i64))));
    }
    let mut watermark = [EARLY, 1_100, 1_500][rng.index(3)];
    happens.push(Happens::Watermark(watermark));
    for n in 0..40 {
        let key = match between {
            Between::AllKeys if n % 12 == 5 => BUSY_KEY,
            _ => 2 + rng.below(others / 4),
        };
        // Also such that are in time, and touch a session of the busy key that is over.
        let at = if rng.below(3) == 0 { 740 } else { rng.below(1_700) as i64 };
        happens.push(Happens::Left(next(key, at)));
        if rng.below(10) == 0 {
            watermark += rng.below(100) as i64;
            happens.push(Happens::Watermark(watermark));
        }
    }
    happens
}

/// The same for the sources: all at once, but for the left side, which waits until the right one has said all it has. So there is one order of it all.
fn sides(happens: &[Happens]) -> [Script<Event>; 2] {
    let mut lefts = vec![Step::Wait(Duration::from_millis(100))];
    let mut rights = Vec::new();
    for happens in happens {
        match happens {
            Happens::Left(event) => lefts.push(Step::Record(event.clone())),
            Happens::Right(event) => rights.push(Step::Record(event.clone())),
            Happens::Watermark(at) => lefts.push(Step::Record(event(0, 0, *at))),
        }
    }
    rights.push(Step::Record(event(0, 0, i64::from(u32::MAX))));
    // Whoever goes on from a checkpoint has it all put out before the end comes.
    lefts.push(Step::Wait(Duration::from_secs(5)));
    [lefts, rights].map(|steps| Script::steps(vec![steps]))
}

/// Runs a job in four worlds, from checkpoints that are made somewhere in the middle of what is put out: one ends with a stop, one by a crash some time later, and one by
/// a crash some time behind two of them. True if the first left something of a window to the second.
fn check<W>(
    seed: u64,
    rng: &mut Rng,
    (kind, between): (&str, Between),
    (windows, lateness, merges): (W, i64, bool),
    of: impl Fn(i64) -> Vec<Window>,
) -> bool
where
    W: JoinWindows<Event, Event, number, number> + WindowsOn<EventTime>,
{
    let counts = if kind == "co_group" { BY_KEY } else { PAIR_BY_PAIR };
    let given = happens(rng, counts, between);
    let (expected, _) = expected(&given, kind, lateness, merges, of);
    let (dir, results) = (tempfile::tempdir().expect("there is room"), collect());
    let graph = |parallelism: usize| -> JobGraph {
        let mut settings = settings(dir.path(), parallelism, Duration::from_secs(3600));
        // What is put out goes out in small pieces, so that it takes a while.
        (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
        let mut job = Job::<ExactlyOnce>::new("late", settings);
        joined(&mut job, sides(&given), kind, windows.clone(), lateness, &results);
        job.build().expect("the job is well formed")
    };
    let mut parts = Vec::new();
    for (life, parallelism) in [1, 2, 2, 3].into_iter().enumerate() {
        let after = 1 + rng.below(if life == 0 { 200 } else { expected.len() as u64 / 3 });
        simulate(seed * 10 + life as u64, graph(parallelism), async |sim, job| {
            for _ in 0..40_000 {
                if life == 3 || received(job) >= after {
                    break;
                }
                sim.sleep(Duration::from_micros(50)).await;
            }
            match life {
                0 => {
                    job.stop().await.expect("nothing is in its way");
                    job.wait().await.expect("it ends well");
                }
                3 => drop(job.wait().await.expect("it ends well")),
                _ => {
                    for _ in 0..life {
                        job.checkpoint().await.expect("nothing is in its way");
                        sim.sleep(Duration::from_millis(3)).await;
                    }
                }
            }
        });
        parts.push(rows(&results));
    }
    let (first, all) = (firings(&parts[0]), firings(&expected));
    let found = sorted(parts.concat());
    let what = format!("seed {seed}, {kind}, {between:?}, {lateness} ms late, merging: {merges}");
    assert_eq!(firings(&found), all, "{what}");
    assert!(found == expected, "{what}");
    // What is due at the same time: a window, or sessions that the first watermark ends.
    let sum = |of: &BTreeMap<i64, u64>| of.range(..=EARLY).map(|(_, count)| count).sum::<u64>();
    let is_half = |(end, count): (&i64, &u64)| (1..*count).contains(first.get(end).unwrap_or(&0));
    all.iter().any(is_half) || (1..sum(&all)).contains(&sum(&first))
}

/// Joins of every kind. Some barrier leaves what is put out in between, except where each may have to wait for a record of the busy key: its sessions are over together.
fn check_kinds<W>(between: Between, (windows, lateness, merges): (W, i64, bool), of: impl Fn(i64) -> Vec<Window> + Copy)
where
    W: JoinWindows<Event, Event, number, number> + WindowsOn<EventTime>,
{
    for kind in ["inner", "full", "co_group"] {
        let mut left = 0;
        // Whole groups need many keys, which take their time.
        let worlds = budget::choose(if kind == "co_group" { 1 } else { 2 }, 8_u64);
        let needs_none = between == Between::AllKeys && merges && kind != "co_group";
        // Where the barrier comes depends on the seed: a few more are tried until one leaves something.
        for seed in 0..worlds + 8 {
            if seed >= worlds && (left > 0 || needs_none) {
                break;
            }
            let rng = &mut Rng::new(seed ^ 0xba44);
            let of_kind = (windows.clone(), lateness, merges);
            left += usize::from(check(seed, rng, (kind, between), of_kind, of));
        }
        assert!(
            left > 0 || needs_none,
            "some barrier passes while {kind} is put out, {between:?}, {lateness} ms late, merging: {merges}"
        );
    }
}

#[test]
fn a_barrier_passes_while_sessions_are_joined() {
    let windows = session(Duration::from_millis(150));
    check_kinds(Between::OtherKeys, (windows, 0, true), alone);
}

#[test]
fn a_record_of_a_key_that_is_put_out_finds_its_sessions_gone() {
    let windows = session(Duration::from_millis(150));
    check_kinds(Between::AllKeys, (windows, 0, true), alone);
}

#[test]
fn a_barrier_passes_while_sessions_that_are_kept_are_joined() {
    let windows = session(Duration::from_millis(150));
    for between in [Between::OtherKeys, Between::AllKeys] {
        check_kinds(between, (windows.clone(), 1_200, true), alone);
    }
}

#[test]
fn a_barrier_passes_while_windows_that_are_kept_are_joined() {
    for between in [Between::OtherKeys, Between::AllKeys] {
        check_kinds(between, (tumbling(1.seconds()), 1_200, false), apart);
    }
}

#[test]
fn a_barrier_passes_while_windows_that_overlap_and_are_kept_are_joined() {
    let windows = sliding(Duration::from_millis(1_500), Duration::from_millis(500));
    for between in [Between::OtherKeys, Between::AllKeys] {
        check_kinds(between, (windows, 1_200, false), overlapping);
    }
}
