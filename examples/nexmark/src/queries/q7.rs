//! Query 7, highest bid: of each ten seconds the bid with the highest price, or all that are as high.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
};

use super::{QueryArgs, bid, events};
use crate::{Bid, Event, event::BidView};

/// Bids than which none is higher.
#[derive(Clone)]
pub struct Highest;

#[aggregate]
impl Highest {
    fn add(highest: &mut Vec<Bid>, bid: BidView<'_>) {
        let price = highest.first().map_or(i64::MIN, |bid| bid.price);
        if bid.price > price {
            highest.clear();
        }
        if bid.price >= price {
            highest.push(Bid::from_view(bid));
        }
    }

    fn merge(highest: &mut Vec<Bid>, others: <Vec<Bid> as Record>::View<'_>) {
        others.into_iter().for_each(|bid| Self::add(highest, bid));
    }

    fn finish(highest: &Vec<Bid>) -> Vec<Bid> {
        highest.clone()
    }
}

/// The highest bids of each ten seconds.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = Bid> {
    events
        .then(bid)
        .window_all(tumbling(10.seconds()))
        .aggregate(|of| of.with(Highest))
        .uid("highest")
        .flat_map(|(_, _, highest)| Vec::<Bid>::from_view(highest))
}

/// Writes the highest bids to files.
#[job]
pub fn q7(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
