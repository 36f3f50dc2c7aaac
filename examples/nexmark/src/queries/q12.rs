//! Query 12, windows of ten seconds: how often somebody bids in each.
//!
//! As published the windows go by the clock on the wall. Here they go by event time, so that the answer is the same whenever one asks.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
};

use super::{QueryArgs, bid, events};
use crate::Event;

/// How often somebody bid.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Busy {
    /// Who.
    pub bidder: u64,
    /// How often.
    pub bids: u64,
    /// When the ten seconds began.
    pub start: Timestamp,
}

/// The bids of each bidder in each ten seconds.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = Busy> {
    events
        .then(bid)
        .map(|bid| bid.bidder)
        .key_by(|bidder| bidder)
        .window(tumbling(10.seconds()))
        .aggregate(|of| of.count())
        .uid("bidders")
        .map(|(bidder, window, bids)| Busy { bidder, bids, start: window.start })
}

/// Writes the bids of each bidder to files.
#[job]
pub fn q12(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
