//! Query 1: all bids, with prices in euro cents.

use millstream::prelude::*;
use millstream_nexmark::{Event, event::BidView, queries::q1};

use super::{Answer, Input, number_of_bid, steps};
use crate::{Tally, tally};

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    for (events, _) in steps(events, every) {
        for event in events {
            if let Event::Bid(bid) = event {
                answer.add(number_of_bid(BidView { price: in_euros(bid.price), ..bid.view() }));
            }
        }
    }
    answer
}

/// Dollars cost 0.908 euros.
#[inline(always)]
pub fn in_euros(dollars: i64) -> i64 {
    dollars * 908 / 1000
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q1::answer(input.stream(job)).sink(tally(total, number_of_bid));
}
