//! Query 5: the auctions with the most bids in the last ten seconds, every two seconds.

use std::collections::VecDeque;

use hashbrown::hash_map::Entry;
use millstream::prelude::*;
use millstream_nexmark::{
    Event,
    queries::q5::{self, HotView},
};

use super::{Answer, Input, Table, open::Open, steps};
use crate::{Tally, tally};

/// How long a window is, in milliseconds.
pub const SIZE: i64 = 10_000;
/// From one window to the next, in milliseconds.
pub const SLIDE: i64 = 2_000;

/// Bids by auction.
pub type Counts = Table<u64, u64>;

/// The loop. Bids are counted once, by slices as long as the slide; each is added to the counts of the last ten seconds and later taken from them.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    let mut slices = Open::<Counts>::of(SLIDE);
    let mut recent = Recent::default();
    for (events, watermark) in steps(events, every) {
        for event in events {
            if let Event::Bid(bid) = event {
                *slices.at(bid.date_time.millis()).entry(bid.auction).or_default() += 1;
            }
        }
        recent.advance(&mut slices, watermark, |_, auction, bids| answer.add(number(auction, bids)));
    }
    answer
}

/// What was counted in the last ten seconds.
#[derive(Debug, Default)]
pub struct Recent {
    slices: VecDeque<(i64, Counts)>,
    counts: Counts,
    /// When the next window ends.
    end: i64,
}

impl Recent {
    /// Takes in the slices that a watermark closes, and fires the windows that end by then: their end, and the auctions with the most bids.
    pub fn advance(&mut self, slices: &mut Open<Counts>, watermark: i64, mut fire: impl FnMut(i64, u64, u64)) {
        while let Some((start, counts)) = slices.close(watermark) {
            self.fire_until(start, &mut fire);
            self.add(start, counts);
        }
        self.fire_until(watermark.saturating_add(1), &mut fire);
    }

    /// True if no window is to be fired.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    fn add(&mut self, start: i64, slice: Counts) {
        for (auction, bids) in &slice {
            *self.counts.entry(*auction).or_default() += bids;
        }
        self.slices.push_back((start, slice));
        self.end = start + SLIDE;
    }

    /// Fires the windows that end by a time, as long as anything is in them.
    fn fire_until(&mut self, time: i64, fire: &mut impl FnMut(i64, u64, u64)) {
        while self.end <= time && !self.slices.is_empty() {
            let most = self.counts.values().copied().max().unwrap_or(0);
            self.counts.iter().filter(|(_, bids)| **bids == most).for_each(|(of, bids)| fire(self.end, *of, *bids));
            self.end += SLIDE;
            while let Some((_, slice)) = self.slices.pop_front_if(|(start, _)| *start < self.end - SIZE) {
                self.remove(slice);
            }
        }
    }

    fn remove(&mut self, slice: Counts) {
        for (auction, bids) in slice {
            if let Entry::Occupied(mut entry) = self.counts.entry(auction) {
                *entry.get_mut() -= bids;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }
}

/// The number of a result.
#[inline(always)]
pub fn number(auction: u64, bids: u64) -> u64 {
    auction.wrapping_mul(31) ^ bids
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q5::answer(input.stream(job)).sink(tally(total, |hot: HotView<'_>| number(hot.auction, hot.bids)));
}
