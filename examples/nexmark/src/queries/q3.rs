//! Query 3, local item suggestion: who sells things of category 10 in Oregon, Idaho or California, and what they are.

use millstream::{prelude::*, stream::ExactlyOnce};

use super::{QueryArgs, events};
use crate::{
    Event,
    event::{AuctionView, EventView, PersonView},
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

/// Of an event, what is asked for: little is sent, and kept.
#[derive(Debug, Clone, Record)]
enum Asked {
    Seller(Seller),
    /// An auction, and who sells.
    Item(u64, u64),
}

#[derive(Debug, Clone, Record)]
struct Seller {
    id: u64,
    name: String,
    city: String,
    state: String,
}

/// People who live where it is asked for, and auctions of the kind.
#[filter_map]
fn asked(event: EventView<'_>) -> Option<AskedView<'_>> {
    match event {
        EventView::Person(PersonView { id, name, city, state, .. }) if STATES.contains(&state) => {
            Some(AskedView::Seller(SellerView { id, name, city, state }))
        }
        EventView::Auction(AuctionView { id, seller, category: CATEGORY, .. }) => Some(AskedView::Item(id, seller)),
        _ => None,
    }
}

#[filter_map]
fn seller(asked: AskedView<'_>) -> Option<SellerView<'_>> {
    match asked {
        AskedView::Seller(seller) => Some(seller),
        AskedView::Item(..) => None,
    }
}

#[filter_map]
fn item(asked: AskedView<'_>) -> Option<(u64, u64)> {
    match asked {
        AskedView::Seller(_) => None,
        AskedView::Item(id, seller) => Some((id, seller)),
    }
}

/// Each auction with its seller, whichever of the two comes first.
pub fn answer(events: impl Stream<Out = Event>) -> impl Stream<Out = Suggestion> {
    let (sellers, items) = events.then(asked).split(|asked| matches!(asked, AskedView::Seller(_)));
    items
        .then(item)
        .key_by(|(_, seller)| seller)
        .join(sellers.then(seller).key_by(|seller| seller.id))
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
