//! The Nexmark queries, each a loop written by hand and, where there is one, a job: both over the same events in memory, which were made beforehand.
//!
//! The loops are what somebody writes who knows the input, and that it is in the order of time: one thread, a hash table or two, no text copied. What they
//! keep of windows and sessions goes with the watermark, as it does in a job, so they could run for ever.

pub mod input;
pub mod open;
pub mod q0;
pub mod q1;
pub mod q11;
pub mod q12;
pub mod q2;
pub mod q3;
pub mod q5;
pub mod q7;
pub mod q8;

#[cfg(test)]
mod tests;

pub use input::{Input, all, steps};
use millstream::prelude::*;
use millstream_nexmark::{Event, event::BidView};

use crate::Tally;

/// The tables of the loops.
pub type Table<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;

/// A query for which there are both.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// `q0` ..
    pub name: &'static str,
    /// The loop. The number says how many events there are between watermarks.
    pub hand: fn(&[Event], usize) -> Answer,
    /// The loop with copies of the texts that it keeps, if it keeps any.
    pub owned: Option<fn(&[Event], usize) -> Answer>,
    /// The job.
    pub job: fn(&mut Job<ExactlyOnce>, &Input, &Tally),
}

/// All of them.
pub const QUERIES: &[Query] = &[
    Query { name: "q0", hand: q0::hand, owned: None, job: q0::job },
    Query { name: "q1", hand: q1::hand, owned: None, job: q1::job },
    Query { name: "q2", hand: q2::hand, owned: None, job: q2::job },
    Query { name: "q3", hand: q3::hand, owned: Some(q3::owned), job: q3::job },
    Query { name: "q5", hand: q5::hand, owned: None, job: q5::job },
    Query { name: "q7", hand: q7::hand, owned: None, job: q7::job },
    Query { name: "q8", hand: q8::hand, owned: Some(q8::owned), job: q8::job },
    Query { name: "q11", hand: q11::hand, owned: None, job: q11::job },
    Query { name: "q12", hand: q12::hand, owned: None, job: q12::job },
];

/// How many results a query has, and the sum of a number of each, wrapping: the same in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answer {
    /// How many.
    pub records: u64,
    /// The sum.
    pub sum: u64,
}

impl Answer {
    /// Takes in one result.
    #[inline(always)]
    pub fn add(&mut self, number: u64) {
        self.records += 1;
        self.sum = self.sum.wrapping_add(number);
    }
}

/// The number of a bid: a little of everything.
#[inline(always)]
pub fn number_of_bid(bid: BidView<'_>) -> u64 {
    bid.auction ^ bid.bidder ^ bid.price as u64 ^ bid.extra.len() as u64
}
