//! Query 3: who sells things of category 10 and lives in Oregon, Idaho or California. A join for ever, so both sides stay.

use millstream::prelude::*;
use millstream_nexmark::{
    Auction, Event, Person,
    queries::q3::{self, SuggestionView},
};

use super::{Answer, Input, Table, steps};
use crate::{Tally, tally};

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    join(events, every, |person| person, |person, auction| number(person, auction))
}

/// The loop, if it owns what it keeps.
pub fn owned(events: &[Event], every: usize) -> Answer {
    let keep = |person: &Person| [&person.name, &person.city, &person.state].map(String::clone);
    join(events, every, keep, |[name, city, state], auction| number_of([name, city, state], auction))
}

#[inline(always)]
fn join<'e, P>(
    events: &'e [Event],
    every: usize,
    keep: impl Fn(&'e Person) -> P,
    number: impl Fn(&P, u64) -> u64,
) -> Answer {
    let mut answer = Answer::default();
    let (mut sellers, mut auctions) = (Table::<u64, P>::default(), Table::<u64, Vec<u64>>::default());
    for (events, _) in steps(events, every) {
        for event in events {
            match event {
                Event::Person(person) if lives_there(person) => {
                    let seller = keep(person);
                    for auction in auctions.get(&person.id).into_iter().flatten() {
                        answer.add(number(&seller, *auction));
                    }
                    sellers.insert(person.id, seller);
                }
                Event::Auction(auction) if is_wanted(auction) => {
                    if let Some(seller) = sellers.get(&auction.seller) {
                        answer.add(number(seller, auction.id));
                    }
                    auctions.entry(auction.seller).or_default().push(auction.id);
                }
                _ => {}
            }
        }
    }
    answer
}

/// Whether somebody's sales are asked about.
#[inline(always)]
pub fn lives_there(person: &Person) -> bool {
    matches!(&*person.state, "OR" | "ID" | "CA")
}

/// Whether an auction is asked about.
#[inline(always)]
pub fn is_wanted(auction: &Auction) -> bool {
    auction.category == 10
}

/// The number of a result: name, city and state, and the auction's number.
#[inline(always)]
pub fn number_of([name, city, state]: [&str; 3], auction: u64) -> u64 {
    auction ^ (name.len() as u64) << 32 ^ (city.len() as u64) << 40 ^ (state.len() as u64) << 48
}

/// The same of a person.
#[inline(always)]
pub fn number(person: &Person, auction: u64) -> u64 {
    number_of([&person.name, &person.city, &person.state], auction)
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q3::answer(input.stream(job))
        .sink(tally(total, |found: SuggestionView<'_>| number_of([found.name, found.city, found.state], found.id)));
}
