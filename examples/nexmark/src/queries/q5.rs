//! Query 5, hot items: every two seconds the auctions with the most bids in the last ten.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
};

use super::{QueryArgs, bid, events};
use crate::Event;

/// An auction that nothing was bid for more often.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Hot {
    /// Which one.
    pub auction: u64,
    /// How often.
    pub bids: u64,
    /// When the ten seconds began.
    pub start: Timestamp,
}

/// The most bids there were, and the auctions that had so many.
#[derive(Debug, Clone, Default, Record)]
pub struct Hottest {
    /// How many.
    pub bids: u64,
    /// For which.
    pub auctions: Vec<u64>,
}

/// Of counts by auction and window.
#[derive(Clone)]
pub struct MostBids;

impl MostBids {
    fn take(most: &mut Hottest, bids: u64, auctions: impl IntoIterator<Item = u64>) {
        if bids > most.bids {
            *most = Hottest { bids, auctions: Vec::new() };
        }
        if bids == most.bids {
            most.auctions.extend(auctions);
        }
    }
}

#[aggregate]
impl MostBids {
    fn add(most: &mut Hottest, (auction, _, bids): (u64, Window, u64)) {
        Self::take(most, bids, [auction]);
    }

    fn merge(most: &mut Hottest, other: HottestView<'_>) {
        Self::take(most, other.bids, other.auctions);
    }

    fn finish(most: &Hottest) -> Hottest {
        most.clone()
    }
}

/// The auctions with the most bids of each ten seconds.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = Hot> {
    events
        .then(bid)
        .map(|bid| bid.auction)
        .key_by(|auction| auction)
        .window(sliding(10.seconds(), 2.seconds()))
        .aggregate(|of| of.count())
        .uid("bids")
        .window_all(tumbling(2.seconds())) // one result of each window falls into these two seconds
        .aggregate(|of| of.with(MostBids))
        .uid("hottest")
        .flat_map(|(_, window, hottest)| {
            let start = window.end - 10.seconds();
            let hot = |auction| Hot { auction, bids: hottest.bids, start };
            hottest.auctions.into_iter().map(hot).collect::<Vec<_>>()
        })
}

/// Writes the auctions with the most bids to files.
#[job]
pub fn q5(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
