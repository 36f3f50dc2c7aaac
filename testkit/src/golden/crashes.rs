//! Jobs whose worlds end, or go wrong: the next world goes on from what was left, and in the end the output is what it always is.

use std::{collections::BTreeMap, time::Duration};

use millstream_runtime::env::Instant;

use super::{
    Golden, PARALLELISMS, compare,
    lives::{Life, Lived},
    scratch::{Scratch, Visible},
    seeds,
};
use crate::{budget, crash::Mishap, rng::Rng};

/// The most worlds of a job that end one after the other.
const CRASHES_LIMIT: u64 = 4;
/// So many jobs crash at random, and go wrong at random, for each seed.
const CRASHED_PER_SEED: u64 = 2;

/// What is known of an undisturbed run, so that mishaps are put into its midst.
struct Measured {
    took: Duration,
    file_operations: u64,
    steps: BTreeMap<&'static str, u64>,
}

impl Golden {
    /// Worlds that end at any time, and in any operation on a file.
    pub(super) fn check_crashes(&self) {
        for seed in seeds() {
            let measured = self.measure(seed);
            for turn in 0..CRASHED_PER_SEED {
                self.crash(seed, turn, &measured);
            }
        }
    }

    fn crash(&self, seed: u64, turn: u64, measured: &Measured) {
        let mut rng = Rng::new(mixed(seed, turn));
        let mut lives = Vec::new();
        for _ in 0..=rng.below(CRASHES_LIMIT) {
            let mishap = if rng.one_in(2) {
                let span = measured.took.as_nanos() as u64;
                Mishap::EndAt(Instant::from_nanos(rng.below(span + span / 8)))
            } else {
                Mishap::EndAtFile { nth: 1 + rng.below(measured.file_operations) }
            };
            lives.push(next_life(&mut rng, lives.last(), mishap));
        }
        self.campaign(seed, &mut rng, lives);
    }

    /// Worlds that end at each step of the protocol, wherever that is reached: in a first run, or only where a job goes on.
    pub(super) fn check_steps(&self) {
        let seed = seeds().start;
        let measured = self.measure(seed);
        assert!(!measured.steps.is_empty(), "{}: no step is ever reached", self.name());
        let mut resumed = BTreeMap::new();
        for (&name, &count) in &measured.steps {
            let mut rng = Rng::new(mixed(seed, count));
            for nth in turns(&mut rng, count) {
                let first = Life { mishap: Mishap::EndAtStep { name, nth }, ..measured_life(seed) };
                let second = next_life(&mut rng, Some(&first), Mishap::None);
                let lived = self.campaign(seed, &mut rng, vec![first, second]);
                assert!(lived[0].ended.is_none(), "{}: {first} does not end at its step", self.name());
                for (&name, &count) in &lived[1].steps {
                    if !measured.steps.contains_key(name) {
                        resumed.entry(name).or_insert((first, second, count));
                    }
                }
            }
        }
        for (name, (first, second, count)) in resumed {
            let mut rng = Rng::new(mixed(seed, count));
            for nth in turns(&mut rng, count) {
                let second = Life { mishap: Mishap::EndAtStep { name, nth }, ..second };
                let lived = self.campaign(seed, &mut rng, vec![first, second]);
                assert!(lived[1].ended.is_none(), "{}: {second} does not end at its step", self.name());
            }
        }
    }

    /// Worlds in which something fails once, and the job starts again by itself.
    pub(super) fn check_faults(&self) {
        for seed in seeds() {
            let measured = self.measure(seed);
            for turn in 0..CRASHED_PER_SEED {
                let mut rng = Rng::new(mixed(!seed, turn));
                let mishap = if rng.one_in(2) {
                    let (&name, &count) =
                        measured.steps.iter().nth(rng.index(measured.steps.len())).expect("drawn from it");
                    Mishap::PanicAtStep { name, nth: 1 + rng.below(count) }
                } else {
                    Mishap::FailFile { nth: 1 + rng.below(measured.file_operations) }
                };
                let life = Life { restarts: true, mishap, ..measured_life(seed) };
                self.campaign(seed, &mut rng, vec![life]);
            }
        }
    }

    fn measure(&self, seed: u64) -> Measured {
        let Lived { took, file_operations, steps, .. } = self.undisturbed(measured_life(seed));
        Measured { took, file_operations, steps }
    }

    /// Runs a job in one world after the other, and in a last one without mishap if it has not ended by then. What is committed at any time is right, and
    /// stays; in the end it is all there is, and a job that has ended does not begin anew.
    fn campaign(&self, seed: u64, rng: &mut Rng, mut lives: Vec<Life>) -> Vec<Lived> {
        let last = next_life(rng, lives.last(), Mishap::None);
        lives.push(last);
        let scratch = self.scratch(
            seed,
            &format!(
                "in {} worlds:{}\n",
                lives.len(),
                lives.iter().map(|life| format!("\n  {life}")).collect::<String>()
            ),
        );
        let mut committed = Visible::default();
        let mut all = Vec::new();
        for life in lives {
            let lived = self.live(life, &scratch);
            committed = self.look_on(&scratch, committed);
            let has_ended = lived.ended.is_some() && !lived.failed_at_start();
            if has_ended {
                scratch.ended_well(lived.ended.as_ref());
                self.compare(&scratch);
            }
            all.push(lived);
            if has_ended {
                break;
            }
        }
        let again = self.live(next_life(rng, None, Mishap::None), &scratch);
        scratch.ended_well(again.ended.as_ref());
        let after = scratch.visible();
        assert!(after == committed, "{scratch}: the job had ended, and wrote something when it was started again");
        all
    }

    /// Looks at what is committed: it must be right as far as it goes, and what was there earlier must be there still.
    fn look_on(&self, scratch: &Scratch, earlier: Visible) -> Visible {
        let now = scratch.visible();
        let lost = now.lost_of(&earlier);
        assert!(lost.is_empty(), "{scratch}: what was committed is gone, or was written to again: {lost:?}");
        self.compare_by(scratch, compare::so_far);
        now
    }
}

/// A world at another parallelism than the one before.
fn next_life(rng: &mut Rng, before: Option<&Life>, mishap: Mishap) -> Life {
    let others: Vec<_> = PARALLELISMS
        .into_iter()
        .filter(|parallelism| before.is_none_or(|life| life.parallelism != *parallelism))
        .collect();
    Life { parallelism: others[rng.index(others.len())], seed: rng.next_u64(), mishap, ..Life::default() }
}

/// The world that a job is measured in. Another one with a mishap is the same up to that.
fn measured_life(seed: u64) -> Life {
    Life { parallelism: PARALLELISMS[Rng::new(seed).index(PARALLELISMS.len())], seed, ..Life::default() }
}

/// Which times of so many a step is tried at: any of them; with a full budget the first, the last and some more.
fn turns(rng: &mut Rng, count: u64) -> Vec<u64> {
    let mut turns: Vec<_> = (0..budget::choose(1, 5)).map(|_| 1 + rng.below(count)).collect();
    turns.extend(budget::choose(vec![], vec![1, count]));
    turns.sort_unstable();
    turns.dedup();
    turns
}

fn mixed(seed: u64, turn: u64) -> u64 {
    Rng::new(seed).next_u64() ^ Rng::new(turn).next_u64().rotate_left(32)
}
