//! Query 2: auctions and prices of the bids for every 123rd auction.

use millstream::prelude::*;
use millstream_nexmark::{
    Event,
    queries::q2::{self, SelectedView},
};

use super::{Answer, Input, steps};
use crate::{Tally, tally};

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    for (events, _) in steps(events, every) {
        for event in events {
            if let Event::Bid(bid) = event
                && bid.auction.is_multiple_of(123)
            {
                answer.add(number(bid.auction, bid.price));
            }
        }
    }
    answer
}

/// The number of a selected bid.
#[inline(always)]
pub fn number(auction: u64, price: i64) -> u64 {
    auction ^ price as u64
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q2::answer(input.stream(job))
        .sink(tally(total, |selected: SelectedView<'_>| number(selected.auction, selected.price)));
}
