//! Query 4, average price for a category: what the things of each category have sold for, on average.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
};

use super::{QueryArgs, auction, bid, events};
use crate::{
    Event,
    event::{AuctionView, BidView, EventView},
};

/// A thing that has been sold.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Sale {
    /// The auction.
    pub auction: u64,
    /// What kind of thing it was.
    pub category: u64,
    /// The highest bid, in cents.
    pub price: i64,
}

/// What a category has brought.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Average {
    /// The category.
    pub category: u64,
    /// The average price, in cents.
    pub price: f64,
}

/// What is known of an auction.
#[derive(State, Default)]
struct Bidding {
    /// When it begins and ends, and its category, once it is known.
    auction: Option<(Timestamp, Timestamp, u64)>,
    highest: Option<i64>,
    /// Bids that have come before their auction, which takes another way: when, and how much.
    early: ListState<(Timestamp, i64)>,
}

/// Puts out the highest of the bids between an auction's beginning and its end, when it has ended.
#[derive(Clone)]
struct Close;

#[process]
impl Close {
    fn on_left(
        &mut self,
        auction: AuctionView<'_>,
        bidding: &mut StateOf<Bidding>,
        cx: &mut KeyedContext<'_, u64, Sale>,
    ) {
        let during = auction.date_time..=auction.expires;
        let highest = bidding.early.iter().filter(|(at, _)| during.contains(at)).map(|(_, price)| *price).max();
        bidding.highest = highest;
        bidding.early.clear();
        bidding.auction = Some((auction.date_time, auction.expires, auction.category));
        cx.event_timer(auction.expires);
    }

    fn on_right(&mut self, bid: BidView<'_>, bidding: &mut StateOf<Bidding>, cx: &mut KeyedContext<'_, u64, Sale>) {
        match bidding.auction {
            Some((begins, expires, _)) if (begins..=expires).contains(&bid.date_time) => {
                bidding.highest = bidding.highest.max(Some(bid.price));
            }
            Some(_) => {}
            None => {
                bidding.early.push((bid.date_time, bid.price));
                // By then its auction is there, if it was made during one.
                cx.event_timer(bid.date_time);
            }
        }
    }

    fn on_timer(&mut self, timer: Timer, bidding: &mut StateOf<Bidding>, cx: &mut KeyedContext<'_, u64, Sale>) {
        match bidding.auction {
            Some((_, expires, category)) if expires == timer.at => {
                if let Some(price) = bidding.highest {
                    cx.emit(SaleView { auction: cx.key(), category, price });
                }
                bidding.clear();
            }
            Some(_) => {}
            None => {
                let waiting: Vec<_> = bidding.early.iter().filter(|(at, _)| *at > timer.at).copied().collect();
                bidding.early.replace(waiting);
            }
        }
    }
}

/// What was sold, and for how much; each thing once, when its auction has ended.
pub fn sales(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = Sale> {
    let (auctions, bids) = events
        .filter(|event| !matches!(event, EventView::Person(_)))
        .split(|event| matches!(event, EventView::Auction(_)));
    auctions.then(auction).key_by(|auction| auction.id).connect(bids.then(bid).key_by(|bid| bid.auction)).process(Close)
}

/// The average price for each category, once all events have come; for a stream that never ends it would be `.rolling(..)`, a new average with every sale.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = Average> {
    sales(events)
        .key_by(|sale| sale.category)
        .at_end(|of| of.avg(|sale| sale.price))
        .uid("averages")
        .map(|(category, price)| Average { category, price })
}

/// Writes average prices to files.
#[job]
pub fn q4(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
