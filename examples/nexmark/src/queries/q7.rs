//! Query 7, highest bid: of each ten seconds the bid with the highest price, or all that are as high.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
};

use super::{QueryArgs, bid, events};
use crate::{Bid, Event, event::BidView};

/// Bids of one price, than which none is higher.
#[derive(Debug, Clone, Default, Record)]
pub struct Top {
    /// The bids.
    pub bids: Vec<Bid>,
}

/// Finds the highest bids.
#[derive(Clone)]
pub struct Highest;

#[aggregate]
impl Highest {
    fn add(top: &mut Top, bid: BidView<'_>) {
        let price = top.bids.first().map_or(i64::MIN, |bid| bid.price);
        if bid.price > price {
            top.bids.clear();
        }
        if bid.price >= price {
            top.bids.push(Bid::from_view(bid));
        }
    }

    fn merge(top: &mut Top, other: TopView<'_>) {
        other.bids.into_iter().for_each(|bid| Self::add(top, bid));
    }

    fn finish(top: &Top) -> Top {
        top.clone()
    }
}

/// The highest bids of each ten seconds.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = Bid> {
    events
        .then(bid)
        .window_all(tumbling(10.seconds()))
        .aggregate(|of| of.with(Highest))
        .uid("highest")
        .flat_map(|(_, _, highest)| Vec::<Bid>::from_view(highest.bids))
}

/// Writes the highest bids to files.
#[job]
pub fn q7(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
