//! Query 3, local item suggestion: who sells things of category 10 in Oregon, Idaho or California, and what they are.

use millstream::{prelude::*, stream::ExactlyOnce};

use super::{QueryArgs, auction, events, person};
use crate::{Event, event::EventView};

/// The category that is asked about.
const CATEGORY: u64 = 10;
/// The states that are asked about.
const STATES: [&str; 3] = ["OR", "ID", "CA"];

/// Somebody who sells something.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Suggestion {
    /// Who sells.
    pub name: String,
    /// Where they live.
    pub city: String,
    /// And in which state.
    pub state: String,
    /// The auction.
    pub id: u64,
}

/// Whether a person lives where it is asked for, or an auction is of the kind; false of bids.
#[filter]
fn is_asked_for(event: EventView<'_>) -> bool {
    match event {
        EventView::Person(person) => STATES.contains(&person.state),
        EventView::Auction(auction) => auction.category == CATEGORY,
        EventView::Bid(_) => false,
    }
}

/// Each auction with its seller, whichever of the two comes first.
pub fn answer(events: impl Stream<Out = Event>) -> impl Stream<Out = Suggestion> {
    // What is not asked for is left out before the streams part: little is sent.
    let (persons, auctions) = events.then(is_asked_for).split(|event| matches!(event, EventView::Person(_)));
    auctions
        .then(auction)
        .key_by(|auction| auction.seller)
        .join(persons.then(person).key_by(|person| person.id))
        .inner(|auction, person| Suggestion {
            name: person.name.to_owned(),
            city: person.city.to_owned(),
            state: person.state.to_owned(),
            id: auction.id,
        })
        .uid("suggestions")
}

/// Writes sellers and auctions to files.
#[job]
pub fn q3(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
