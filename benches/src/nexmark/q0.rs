//! Query 0: all bids.

use millstream::prelude::*;
use millstream_nexmark::{Event, queries::q0};

use super::{Answer, Input, number_of_bid, steps};
use crate::{Tally, tally};

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    for (events, _) in steps(events, every) {
        for event in events {
            if let Event::Bid(bid) = event {
                answer.add(number_of_bid(bid.view()));
            }
        }
    }
    answer
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q0::answer(input.stream(job)).sink(tally(total, number_of_bid));
}
