//! What the generator promises: the same events every time, in the published proportions, about people and auctions that there are.
#![allow(missing_docs, reason = "a test")]

use std::collections::HashMap;

use millstream_nexmark::{Auction, Bid, Event, Nexmark, Person};

/// All events, by kind.
fn of(nexmark: &Nexmark) -> (Vec<Person>, Vec<Auction>, Vec<Bid>) {
    let (mut people, mut auctions, mut bids) = (Vec::new(), Vec::new(), Vec::new());
    for event in nexmark.all() {
        match event {
            Event::Person(person) => people.push(person),
            Event::Auction(auction) => auctions.push(auction),
            Event::Bid(bid) => bids.push(bid),
        }
    }
    (people, auctions, bids)
}

fn nexmark() -> Nexmark {
    Nexmark { events: 50_000, ..Nexmark::default() }
}

#[test]
fn events_follow_from_seed_and_number() {
    let all = nexmark().all();
    assert!(all == nexmark().all());
    assert!(all[..500] == Nexmark { events: 500, ..nexmark() }.all()[..]);
    assert!(all != Nexmark { seed: 1, ..nexmark() }.all());
}

#[test]
fn they_come_in_their_proportions_and_numbers_follow_one_another() {
    let (people, auctions, bids) = of(&nexmark());
    assert_eq!((people.len(), auctions.len(), bids.len()), (1_000, 3_000, 46_000));
    assert!(people.iter().zip(1000..).all(|(person, id)| person.id == id));
    assert!(auctions.iter().zip(1000..).all(|(auction, id)| auction.id == id));
}

#[test]
fn they_are_in_the_order_of_time_at_their_rate() {
    let nexmark = Nexmark { events: 2_500, events_per_second: 1_000, ..Nexmark::default() };
    let times: Vec<_> = nexmark.all().iter().map(|event| event.date_time().millis()).collect();
    assert!(times.is_sorted());
    assert_eq!((times[0], times[2_499] - times[0]), (nexmark.begin.millis(), 2_499));
}

#[test]
fn what_they_name_is_there_or_about_to_be() {
    let (people, auctions, bids) = of(&nexmark());
    // By the time of an event, with the ten that it may be ahead.
    let by = |times: Vec<i64>, at: i64| 1000 + times.partition_point(|time| *time <= at) as u64 + 10;
    let people: Vec<_> = people.iter().map(|person| person.date_time.millis()).collect();
    let begun: Vec<_> = auctions.iter().map(|auction| auction.date_time.millis()).collect();
    for auction in &auctions {
        assert!((1000..=by(people.clone(), auction.date_time.millis())).contains(&auction.seller), "{auction:?}");
        assert!(auction.expires > auction.date_time && auction.reserve > auction.initial_bid, "{auction:?}");
        assert!((10..15).contains(&auction.category), "{auction:?}");
    }
    for bid in bids.iter().step_by(7) {
        let at = bid.date_time.millis();
        let latest = by(begun.clone(), at);
        assert!((latest.saturating_sub(130).max(1000)..=latest).contains(&bid.auction), "{bid:?}");
        assert!((1000..=by(people.clone(), at)).contains(&bid.bidder) && bid.price >= 100, "{bid:?}");
    }
}

#[test]
fn some_are_hot() {
    let (_, auctions, bids) = of(&nexmark());
    let share = |hot: usize, all: usize| hot as f64 / all as f64;
    let to_hot = bids.iter().filter(|bid| bid.auction % 100 == 0).count();
    assert!((0.49..0.53).contains(&share(to_hot, bids.len())));
    let of_hot = bids.iter().filter(|bid| bid.bidder % 100 == 1).count();
    assert!((0.74..0.78).contains(&share(of_hot, bids.len())));
    let by_hot = auctions.iter().filter(|auction| auction.seller % 100 == 0).count();
    assert!((0.73..0.79).contains(&share(by_hot, auctions.len())));
    let mut channels = HashMap::<&str, usize>::new();
    bids.iter().for_each(|bid| *channels.entry(&bid.channel).or_default() += 1);
    let known: usize = ["Google", "Facebook", "Baidu", "Apple"].iter().map(|name| channels[name]).sum();
    assert!((0.48..0.52).contains(&share(known, bids.len())));
}

#[test]
fn their_sizes_are_about_those_asked_for() {
    let (people, auctions, bids) = of(&nexmark());
    let mean = |sizes: Vec<usize>| sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
    let texts = |texts: &[&String]| texts.iter().map(|text| text.len()).sum::<usize>();
    let of_person = |p: &Person| 16 + texts(&[&p.name, &p.email_address, &p.credit_card, &p.city, &p.state, &p.extra]);
    let of_auction = |a: &Auction| 56 + texts(&[&a.item_name, &a.description, &a.extra]);
    let of_bid = |bid: &Bid| 32 + texts(&[&bid.channel, &bid.url, &bid.extra]);
    assert!((190.0..210.0).contains(&mean(people.iter().map(of_person).collect())));
    assert!((480.0..520.0).contains(&mean(auctions.iter().map(of_auction).collect())));
    assert!(
        (95.0..125.0).contains(&mean(bids.iter().map(of_bid).collect())),
        "a page may be longer than a bid is to be"
    );
}
