//! Query 8, monitoring new users: who has put something up for auction within the ten seconds in which they registered.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
    windows::Assigner as _,
};

use super::{QueryArgs, events};
use crate::{
    Event,
    event::{EventView, PersonView},
};

/// How long the windows are, in seconds.
const WINDOW: u64 = 10;

/// Somebody who sells right away.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct NewSeller {
    /// Their number.
    pub id: u64,
    /// Who it is.
    pub name: String,
    /// When the window began.
    pub start: Timestamp,
}

/// Of an event, what is asked for: little is sent, and kept.
#[derive(Debug, Clone, Record)]
enum Asked {
    Newcomer(Newcomer),
    /// Who sells something.
    Seller(u64),
}

#[derive(Debug, Clone, Record)]
struct Newcomer {
    id: u64,
    name: String,
    date_time: Timestamp,
}

/// People and sellers.
#[filter_map]
fn asked(event: EventView<'_>) -> Option<AskedView<'_>> {
    match event {
        EventView::Person(PersonView { id, name, date_time, .. }) => {
            Some(AskedView::Newcomer(NewcomerView { id, name, date_time }))
        }
        EventView::Auction(auction) => Some(AskedView::Seller(auction.seller)),
        EventView::Bid(_) => None,
    }
}

#[filter_map]
fn newcomer(asked: AskedView<'_>) -> Option<NewcomerView<'_>> {
    match asked {
        AskedView::Newcomer(newcomer) => Some(newcomer),
        AskedView::Seller(_) => None,
    }
}

#[filter_map]
fn seller(asked: AskedView<'_>) -> Option<u64> {
    match asked {
        AskedView::Newcomer(_) => None,
        AskedView::Seller(seller) => Some(seller),
    }
}

/// People who sell in the window in which they registered, each once.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = NewSeller> {
    let window = tumbling(WINDOW.seconds());
    let (newcomers, sellers) = events.then(asked).split(|asked| matches!(asked, AskedView::Newcomer(_)));
    newcomers
        .then(newcomer)
        .key_by(|newcomer| newcomer.id)
        .join(sellers.then(seller).key_by(|seller| seller))
        .window(window)
        .semi()
        .uid("sellers")
        .map(move |newcomer| NewSeller {
            id: newcomer.id,
            name: newcomer.name.to_owned(),
            start: window.slice(newcomer.date_time).start,
        })
}

/// Writes new sellers to files.
#[job]
pub fn q8(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
