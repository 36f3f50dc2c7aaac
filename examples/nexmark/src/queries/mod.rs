//! The queries, one a file: each has `answer`, a function from streams to a stream, and a job that asks it of generated events.

pub mod q0;
pub mod q1;
pub mod q11;
pub mod q12;
pub mod q2;
pub mod q3;
pub mod q4;
pub mod q5;
pub mod q7;
pub mod q8;

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
};

use crate::{
    Event, Nexmark,
    event::{AuctionView, BidView, EventView, PersonView},
};

/// What every query takes.
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// How many events there are.
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    /// How many of them happen in a second of event time.
    #[arg(long, default_value_t = 100_000)]
    pub events_per_second: u64,
    /// What random numbers follow from.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where the answers go: CSV files in this directory.
    #[arg(long, default_value = "target/nexmark")]
    pub output: String,
}

impl QueryArgs {
    /// The generator that they ask for.
    pub fn nexmark(&self) -> Nexmark {
        let QueryArgs { events, events_per_second, seed, .. } = *self;
        Nexmark { events, events_per_second, seed, ..Nexmark::default() }
    }
}

/// Generated events, with watermarks.
pub fn events(job: &mut Job<ExactlyOnce>, nexmark: &Nexmark) -> impl Stream<Out = Event, Time = EventTime> + use<> {
    job.source(nexmark.source()).watermarks(monotonous())
}

/// The bids among the events.
#[filter_map]
pub fn bid(event: EventView<'_>) -> Option<BidView<'_>> {
    match event {
        EventView::Bid(bid) => Some(bid),
        _ => None,
    }
}

/// The auctions among the events.
#[filter_map]
pub fn auction(event: EventView<'_>) -> Option<AuctionView<'_>> {
    match event {
        EventView::Auction(auction) => Some(auction),
        _ => None,
    }
}

/// The people among the events.
#[filter_map]
pub fn person(event: EventView<'_>) -> Option<PersonView<'_>> {
    match event {
        EventView::Person(person) => Some(person),
        _ => None,
    }
}
