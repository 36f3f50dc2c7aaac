//! Query 7: the highest bid of each ten seconds, or all of them that are equally high.

use millstream::prelude::*;
use millstream_nexmark::{Bid, Event, queries::q7};

use super::{Answer, Input, number_of_bid, open::Open, steps};
use crate::{Tally, tally};

/// How long a window is, in milliseconds.
pub const SIZE: i64 = 10_000;

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    let mut windows = Open::<Highest<'_>>::of(SIZE);
    for (events, watermark) in steps(events, every) {
        for event in events {
            if let Event::Bid(bid) = event {
                windows.at(bid.date_time.millis()).add(bid);
            }
        }
        while let Some((_, highest)) = windows.close(watermark) {
            highest.0.iter().for_each(|bid| answer.add(number_of_bid(bid.view())));
        }
    }
    answer
}

/// The highest bids, all of one price.
#[derive(Default)]
pub struct Highest<'e>(pub Vec<&'e Bid>);

impl<'e> Highest<'e> {
    /// Takes in a bid.
    #[inline(always)]
    pub fn add(&mut self, bid: &'e Bid) {
        let price = self.0.first().map_or(i64::MIN, |highest| highest.price);
        if bid.price >= price {
            if bid.price > price {
                self.0.clear();
            }
            self.0.push(bid);
        }
    }
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q7::answer(input.stream(job)).sink(tally(total, number_of_bid));
}
