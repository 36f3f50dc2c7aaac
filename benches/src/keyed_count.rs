//! Pairs counted by key: by hand, and by a job.

use std::sync::Arc;

use millstream::prelude::*;

use crate::{
    Machine, Tally,
    bid::Random,
    nexmark::{Answer, Table},
    tally,
};

/// A key and something else.
pub type Pair = (u64, u64);

/// So many pairs, with so many keys at random.
pub fn pairs(records: usize, keys: u64) -> Arc<[Pair]> {
    let mut random = Random::default();
    (0..records as u64).map(|i| (random.below(keys), i)).collect()
}

/// The number of a result.
#[inline(always)]
pub fn number(key: u64, count: u64) -> u64 {
    key ^ count
}

/// The loop, on one thread.
pub fn hand(pairs: &[Pair]) -> Answer {
    let mut counts = Table::<u64, u64>::default();
    for (key, _) in pairs {
        *counts.entry(*key).or_default() += 1;
    }
    let mut answer = Answer::default();
    counts.into_iter().for_each(|(key, count)| answer.add(number(key, count)));
    answer
}

/// The job, from start to end.
pub fn job(machine: &Machine, parallelism: usize, pairs: &Arc<[Pair]>, total: &Tally) -> Answer {
    machine.run(parallelism, |job| {
        job.source(records(Arc::clone(pairs)))
            .key_by(|(key, _)| key)
            .window(global())
            .aggregate(|of| of.count())
            .sink(tally(total, |(key, _, count)| number(key, count)));
    });
    total.answer()
}
