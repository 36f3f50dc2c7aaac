//! Query 8, monitoring new users: who has put something up for auction within the ten seconds in which they registered.

use millstream::{
    prelude::*,
    stream::{EventTime, ExactlyOnce},
    windows::Assigner as _,
};

use super::{QueryArgs, auction, events, person};
use crate::{Event, event::EventView};

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

/// People who sell in the window in which they registered, each once.
pub fn answer(events: impl Stream<Out = Event, Time = EventTime>) -> impl Stream<Out = NewSeller> {
    let window = tumbling(WINDOW.seconds());
    // Bids are left out before the streams part: little is sent.
    let (persons, auctions) =
        events.filter(|event| !matches!(event, EventView::Bid(_))).split(|event| matches!(event, EventView::Person(_)));
    persons
        .then(person)
        .key_by(|person| person.id)
        .join(auctions.then(auction).key_by(|auction| auction.seller))
        .window(window)
        .semi()
        .uid("sellers")
        .map(move |person| NewSeller {
            id: person.id,
            name: person.name.to_owned(),
            start: window.slice(person.date_time).start,
        })
}

/// Writes new sellers to files.
#[job]
pub fn q8(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
