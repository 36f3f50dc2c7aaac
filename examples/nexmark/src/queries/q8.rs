//! Query 8, monitoring new users: who has put something up for auction within the ten seconds in which they registered.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
    windows::Assigner as _,
};

use super::{QueryArgs, auction, events, person};
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

/// Of a person, what is asked for.
#[derive(Debug, Clone, Record)]
struct Newcomer {
    id: u64,
    name: String,
    date_time: Timestamp,
}

/// A person without their address and the like, which need not be kept.
#[map]
fn newcomer(person: PersonView<'_>) -> NewcomerView<'_> {
    let PersonView { id, name, date_time, .. } = person;
    NewcomerView { id, name, date_time }
}

/// People who sell in the window in which they registered, each once.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = NewSeller> {
    let window = tumbling(WINDOW.seconds());
    let (persons, auctions) =
        events.filter(|event| !matches!(event, EventView::Bid(_))).split(|event| matches!(event, EventView::Person(_)));
    persons
        .then(person)
        .then(newcomer)
        .key_by(|newcomer| newcomer.id)
        .join(auctions.then(auction).map(|auction| auction.seller).key_by(|seller| seller))
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
