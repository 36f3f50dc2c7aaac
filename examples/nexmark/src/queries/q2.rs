//! Query 2, selection: the bids for some auctions, those whose numbers can be divided by 123.

use millstream::{prelude::*, stream::ExactlyOnce};

use super::{QueryArgs, bid, events};
use crate::Event;

/// Which auctions are asked about.
const EVERY: u64 = 123;

/// What is asked of their bids.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Selected {
    /// What is bid for.
    pub auction: u64,
    /// How much, in cents.
    pub price: i64,
}

/// Auctions and prices of the bids for some of them.
pub fn answer(events: impl Stream<Out = Event>) -> impl Stream<Out = Selected> {
    events
        .then(bid)
        .filter(|bid| bid.auction.is_multiple_of(EVERY))
        .map(|bid| Selected { auction: bid.auction, price: bid.price })
}

/// Writes auctions and prices of the bids for some auctions to files.
#[job]
pub fn q2(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
