//! Query 3, local item suggestion: who sells things of category 10 in Oregon, Idaho or California, and what they are.

use millstream::{prelude::*, stream::ExactlyOnce};

use super::{QueryArgs, auction, events, person};
use crate::{
    Event,
    event::{EventView, PersonView},
};

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

/// Of a person, what is asked for.
#[derive(Debug, Clone, Record)]
struct Seller {
    id: u64,
    name: String,
    city: String,
    state: String,
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

/// A person without their address and the like, which need not be kept.
#[map]
fn seller(person: PersonView<'_>) -> SellerView<'_> {
    let PersonView { id, name, city, state, .. } = person;
    SellerView { id, name, city, state }
}

/// Each auction with its seller, whichever of the two comes first.
pub fn answer(events: impl Stream<Out = Event>) -> impl Stream<Out = Suggestion> {
    let (persons, auctions) = events.then(is_asked_for).split(|event| matches!(event, EventView::Person(_)));
    auctions
        .then(auction)
        .map(|auction| (auction.id, auction.seller))
        .key_by(|(_, seller)| seller)
        .join(persons.then(person).then(seller).key_by(|seller| seller.id))
        .inner(|(id, _), seller| Suggestion {
            name: seller.name.to_owned(),
            city: seller.city.to_owned(),
            state: seller.state.to_owned(),
            id,
        })
        .uid("suggestions")
}

/// Writes sellers and auctions to files.
#[job]
pub fn q3(job: &mut Job<ExactlyOnce>, args: QueryArgs) {
    answer(events(job, &args.nexmark())).sink(CsvFiles::write(args.output));
}
