//! Query 8: who registers and puts something up for auction in the same ten seconds.

use millstream::prelude::*;
use millstream_nexmark::{
    Event, Person,
    queries::q8::{self, NewSellerView},
};

use super::{Answer, Input, Table, open::Open, steps};
use crate::{Tally, tally};

/// How long a window is, in milliseconds.
pub const SIZE: i64 = 10_000;

/// Of one window: who has registered, and who sells.
struct Window<P> {
    people: Table<u64, P>,
    sellers: Table<u64, ()>,
}

impl<P> Default for Window<P> {
    fn default() -> Self {
        Self { people: Table::default(), sellers: Table::default() }
    }
}

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    join(events, every, |person| &*person.name)
}

/// The loop, if it owns what it keeps.
pub fn owned(events: &[Event], every: usize) -> Answer {
    join(events, every, |person| person.name.clone())
}

#[inline(always)]
fn join<'e, P: AsRef<str>>(events: &'e [Event], every: usize, keep: impl Fn(&'e Person) -> P) -> Answer {
    let mut answer = Answer::default();
    let mut windows = Open::<Window<P>>::of(SIZE);
    for (events, watermark) in steps(events, every) {
        for event in events {
            match event {
                Event::Person(person) => {
                    windows.at(person.date_time.millis()).people.insert(person.id, keep(person));
                }
                Event::Auction(auction) => {
                    windows.at(auction.date_time.millis()).sellers.insert(auction.seller, ());
                }
                Event::Bid(_) => {}
            }
        }
        while let Some((start, Window { people, sellers })) = windows.close(watermark) {
            for seller in sellers.keys() {
                if let Some(name) = people.get(seller) {
                    answer.add(number(*seller, name.as_ref(), start));
                }
            }
        }
    }
    answer
}

/// The number of a result: a person, their name, and the start of the window.
#[inline(always)]
pub fn number(id: u64, name: &str, start: i64) -> u64 {
    id ^ start as u64 ^ (name.len() as u64) << 48
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q8::answer(input.stream(job))
        .sink(tally(total, |seller: NewSellerView<'_>| number(seller.id, seller.name, seller.start.millis())));
}
