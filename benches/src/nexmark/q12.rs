//! Query 12: how many bids everyone makes in each ten seconds. (By event time here, so that all systems have one answer.)

use millstream::prelude::*;
use millstream_nexmark::{
    Event,
    queries::q12::{self, BusyView},
};

use super::{Answer, Input, Table, open::Open, steps};
use crate::{Tally, tally};

/// How long a window is, in milliseconds.
pub const SIZE: i64 = 10_000;

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    let mut windows = Open::<Table<u64, u64>>::of(SIZE);
    for (events, watermark) in steps(events, every) {
        for event in events {
            if let Event::Bid(bid) = event {
                *windows.at(bid.date_time.millis()).entry(bid.bidder).or_default() += 1;
            }
        }
        while let Some((start, counts)) = windows.close(watermark) {
            for (bidder, bids) in counts {
                answer.add(number(bidder, bids, start));
            }
        }
    }
    answer
}

/// The number of a result: bidder, bids, and the start of the window.
#[inline(always)]
pub fn number(bidder: u64, bids: u64, start: i64) -> u64 {
    bidder ^ bids << 32 ^ (start as u64).wrapping_mul(3)
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q12::answer(input.stream(job))
        .sink(tally(total, |busy: BusyView<'_>| number(busy.bidder, busy.bids, busy.start.millis())));
}
