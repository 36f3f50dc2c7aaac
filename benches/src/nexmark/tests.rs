//! The loops beside naive answers, whatever the watermark interval; and the source of events in memory.

use std::collections::{BTreeMap, BTreeSet};

use millstream::prelude::*;
use millstream_nexmark::{Auction, Bid, Event, Nexmark, Person};

use super::*;
use crate::{Machine, Tally, settings};

/// Watermarks in every millisecond, a few times in a window, and hardly ever.
const EVERY: [usize; 4] = [1, 7, 1_000, 40_000];

fn some() -> Vec<Event> {
    Nexmark { events: 60_000, events_per_second: 1_000, ..Nexmark::default() }.all()
}

fn check(hand: fn(&[Event], usize) -> Answer, naive: impl Fn(&[Event]) -> Vec<u64>) {
    let events = some();
    let mut expected = Answer::default();
    naive(&events).into_iter().for_each(|number| expected.add(number));
    assert!(expected.records > 5, "a query with few answers says little");
    for every in EVERY {
        assert_eq!(hand(&events, every), expected, "with a watermark every {every} events");
    }
}

fn bids(events: &[Event]) -> impl Iterator<Item = &Bid> {
    events.iter().filter_map(|event| if let Event::Bid(bid) = event { Some(bid) } else { None })
}

fn people(events: &[Event]) -> impl Iterator<Item = &Person> {
    events.iter().filter_map(|event| if let Event::Person(person) = event { Some(person) } else { None })
}

fn auctions(events: &[Event]) -> impl Iterator<Item = &Auction> {
    events.iter().filter_map(|event| if let Event::Auction(auction) = event { Some(auction) } else { None })
}

fn window(at: Timestamp, millis: i64) -> i64 {
    at.millis() / millis * millis
}

#[test]
fn loops_that_copy_what_they_keep_have_the_same_answers() {
    let events = some();
    for Query { name, hand, owned, .. } in QUERIES {
        if let Some(owned) = owned {
            assert_eq!(owned(&events, 1_000), hand(&events, 1_000), "{name}");
        }
    }
}

#[test]
fn q0_takes_all_bids() {
    check(q0::hand, |events| bids(events).map(|bid| number_of_bid(bid.view())).collect());
}

#[test]
fn q1_converts_prices() {
    let converted = |bid: &Bid| Bid { price: (bid.price as f64 * 0.908).floor() as i64, ..bid.clone() };
    check(q1::hand, |events| bids(events).map(|bid| number_of_bid(converted(bid).view())).collect());
}

#[test]
fn q2_selects_auctions() {
    check(q2::hand, |events| {
        let selected = bids(events).filter(|bid| bid.auction % 123 == 0);
        selected.map(|bid| q2::number(bid.auction, bid.price)).collect()
    });
}

#[test]
fn q3_joins_every_person_with_every_auction() {
    check(q3::hand, |events| {
        let people: Vec<_> = people(events).filter(|person| ["OR", "ID", "CA"].contains(&&*person.state)).collect();
        let of = |auction: &Auction| {
            let (seller, id) = (auction.seller, auction.id);
            people.iter().filter(move |person| person.id == seller).map(move |person| q3::number(person, id))
        };
        auctions(events).filter(|auction| auction.category == 10).flat_map(of).collect()
    });
}

#[test]
fn q5_finds_the_auctions_with_the_most_bids() {
    check(q5::hand, |events| {
        let mut counts = BTreeMap::<i64, BTreeMap<u64, u64>>::new();
        for bid in bids(events) {
            let last = window(bid.date_time, q5::SLIDE);
            for start in (last - q5::SIZE + q5::SLIDE..=last).step_by(q5::SLIDE as usize) {
                *counts.entry(start).or_default().entry(bid.auction).or_default() += 1;
            }
        }
        let mut numbers = Vec::new();
        for of_window in counts.values() {
            let most = of_window.values().max().copied();
            let hot = of_window.iter().filter(|(_, count)| Some(**count) == most);
            numbers.extend(hot.map(|(auction, count)| q5::number(*auction, *count)));
        }
        numbers
    });
}

#[test]
fn q7_finds_the_highest_bids() {
    check(q7::hand, |events| {
        let mut highest = BTreeMap::<i64, i64>::new();
        for bid in bids(events) {
            let price = highest.entry(window(bid.date_time, q7::SIZE)).or_default();
            *price = bid.price.max(*price);
        }
        let equal = bids(events).filter(|bid| highest[&window(bid.date_time, q7::SIZE)] == bid.price);
        equal.map(|bid| number_of_bid(bid.view())).collect()
    });
}

#[test]
fn q7_finds_all_that_are_equally_high() {
    let mut events = some();
    for event in &mut events {
        if let Event::Bid(bid) = event {
            bid.price %= 10;
        }
    }
    let nines = bids(&events).filter(|bid| bid.price == 9).count() as u64;
    assert!(nines > 100);
    assert_eq!(q7::hand(&events, 1_000).records, nines);
}

#[test]
fn q8_finds_new_sellers() {
    check(q8::hand, |events| {
        let sold: BTreeSet<_> =
            auctions(events).map(|auction| (window(auction.date_time, q8::SIZE), auction.seller)).collect();
        let new = people(events).map(|person| (window(person.date_time, q8::SIZE), person));
        let new = new.filter(|(start, person)| sold.contains(&(*start, person.id)));
        new.map(|(start, person)| q8::number(person.id, &person.name, start)).collect()
    });
}

#[test]
fn q11_counts_bids_by_session() {
    check(q11::hand, |events| {
        let mut of = BTreeMap::<u64, Vec<i64>>::new();
        for bid in bids(events) {
            of.entry(bid.bidder).or_default().push(bid.date_time.millis());
        }
        let mut numbers = Vec::new();
        for (bidder, times) in of {
            for session in times.chunk_by(|one, next| next - one <= q11::GAP) {
                let (start, end) = (session[0], session[session.len() - 1] + q11::GAP);
                numbers.push(q11::number(bidder, session.len() as u64, start, end));
            }
        }
        numbers
    });
}

#[test]
fn q12_counts_bids_by_window() {
    check(q12::hand, |events| {
        let mut of = BTreeMap::<(u64, i64), u64>::new();
        for bid in bids(events) {
            *of.entry((bid.bidder, window(bid.date_time, q12::SIZE))).or_default() += 1;
        }
        of.into_iter().map(|((bidder, start), bids)| q12::number(bidder, bids, start)).collect()
    });
}

/// The source, read by so many subtasks, so many times.
fn read(input: &Input) -> Answer {
    let (machine, total) = (Machine::new(2), Tally::default());
    let job = machine.start(settings(input.subtasks), |job| q0::job(job, input, &total));
    machine.wait(job.wait()).unwrap_or_else(|failure| panic!("{failure}"));
    total.answer()
}

#[test]
fn the_source_gives_each_event_once_in_each_round() {
    let events: &'static [Event] = Nexmark { events: 5_001, ..Nexmark::default() }.all().leak();
    let hand = q0::hand(events, 100);
    let thrice = Answer { records: 3 * hand.records, sum: hand.sum.wrapping_mul(3) };
    for subtasks in 1..=3 {
        for every in [1, 100, 5_000, 20_000] {
            for (rounds, expected) in [(1, hand), (3, thrice)] {
                assert_eq!(read(&Input { events, subtasks, every, rounds }), expected);
            }
        }
    }
}

#[test]
fn jobs_have_the_answers_of_the_loops() {
    let (machine, total) = (Machine::new(2), Tally::default());
    let events: &'static [Event] = some().leak();
    for query in QUERIES {
        for subtasks in 1..=2 {
            let input = Input { events, subtasks, every: 1_000, rounds: 1 };
            let job = machine.start(settings(subtasks), |job| (query.job)(job, &input, &total));
            machine.wait(job.wait()).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(total.answer(), (query.hand)(events, 1_000), "{} at {subtasks}", query.name);
        }
    }
}
