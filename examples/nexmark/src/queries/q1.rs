//! Query 1, currency conversion: all bids, with prices in euro cents instead of dollar cents.

use millstream::{prelude::*, stream::ExactlyOnce};

use super::{QueryArgs, bid, events};
use crate::{Bid, Event, event::BidView};

/// What a dollar costs, in thousandths of a euro.
const EUROS: i64 = 908;

/// A bid in euro cents, rounded down.
#[map]
pub fn in_euros(bid: BidView<'_>) -> BidView<'_> {
    BidView { price: bid.price * EUROS / 1000, ..bid }
}

/// All bids in euro cents.
pub fn answer(events: impl Stream<Out = Event>) -> impl Stream<Out = Bid> {
    events.then(bid).then(in_euros)
}

/// Writes all bids in euro cents to files.
#[job]
pub fn q1(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
