//! Query 11, user sessions: how often somebody bids while they are there, that is, without ten seconds between two bids.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
};

use super::{QueryArgs, bid, events};
use crate::Event;

/// A time in which somebody was there.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Visit {
    /// Who.
    pub bidder: u64,
    /// How often they bid.
    pub bids: u64,
    /// When they did first.
    pub start: Timestamp,
    /// Ten seconds after they did last.
    pub end: Timestamp,
}

/// The bids of each visit.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = Visit> {
    events
        .then(bid)
        .map(|bid| bid.bidder)
        .key_by(|bidder| bidder)
        .window(session(10.seconds()))
        .aggregate(|of| of.count())
        .uid("visits")
        .map(|(bidder, window, bids)| Visit { bidder, bids, start: window.start, end: window.end })
}

/// Writes the bids of each visit to files.
#[job]
pub fn q11(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
