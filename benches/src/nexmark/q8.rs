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
#[derive(Default)]
struct Window<'e> {
    people: Table<u64, &'e Person>,
    sellers: Table<u64, ()>,
}

/// The loop.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    let mut windows = Open::<Window<'_>>::of(SIZE);
    for (events, watermark) in steps(events, every) {
        for event in events {
            match event {
                Event::Person(person) => {
                    windows.at(person.date_time.millis()).people.insert(person.id, person);
                }
                Event::Auction(auction) => {
                    windows.at(auction.date_time.millis()).sellers.insert(auction.seller, ());
                }
                Event::Bid(_) => {}
            }
        }
        while let Some((start, Window { people, sellers })) = windows.close(watermark) {
            for seller in sellers.keys() {
                if let Some(person) = people.get(seller) {
                    answer.add(number(person.id, &person.name, start));
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
