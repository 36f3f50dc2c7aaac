//! The generator of events. An event follows from the seed and its number alone, so any subtask can make any of them, and make it again.
//!
//! Proportions and distributions are those of the generator that Apache Beam and Apache Flink share: of 50 events the first is a person, the next three are
//! auctions, and the rest are bids; half of the bids go to one hot auction of the last hundred.

use std::time::Duration;

use millstream::{
    connectors::{Random, generate},
    prelude::*,
    stream::{EventTime, Replayable},
};

use crate::event::{Auction, Bid, Event, Person};

/// Of so many events in a row,
const EVENTS: u64 = 50;
/// so many are people,
const PEOPLE: u64 = 1;
/// and so many auctions. The rest are bids.
const AUCTIONS: u64 = 3;

/// The first numbers of what has numbers.
const FIRST_PERSON: u64 = 1000;
const FIRST_AUCTION: u64 = 1000;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;

/// Among so many, one person or auction is the hot one for a while.
const HOT_AMONG: u64 = 100;
/// Somebody may be named who registers only so many people later, and an auction that begins so many auctions later.
const PERSON_LEAD: u64 = 10;
const AUCTION_LEAD: u64 = 10;

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u64 = 10_000;

/// How events are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Nexmark {
    /// How many there are.
    pub events: u64,
    /// What random numbers follow from.
    pub seed: u64,
    /// When the first event happens.
    pub begin: Timestamp,
    /// How many events happen in a second of event time.
    pub events_per_second: u64,
    /// All but one of so many bids are for the hot auction.
    pub hot_auction_ratio: u64,
    /// All but one of so many bids are of the hot bidder.
    pub hot_bidder_ratio: u64,
    /// All but one of so many auctions are of the hot seller.
    pub hot_seller_ratio: u64,
    /// About so many auctions are going on at a time.
    pub auctions_in_flight: u64,
    /// So many people are active: those who registered last.
    pub active_people: u64,
    /// About how large an event of each kind is, in bytes: what is missing is made up in `extra`.
    pub person_bytes: usize,
    /// See `person_bytes`.
    pub auction_bytes: usize,
    /// See `person_bytes`.
    pub bid_bytes: usize,
}

impl Default for Nexmark {
    /// The published defaults, a million events, and 100,000 of them in a second.
    fn default() -> Self {
        Self {
            events: 1_000_000,
            seed: 0,
            begin: Timestamp::from_millis(1_436_918_400_000), // 15 July 2015, as in the original
            events_per_second: 100_000,
            hot_auction_ratio: 2,
            hot_bidder_ratio: 4,
            hot_seller_ratio: 4,
            auctions_in_flight: 100,
            active_people: 1000,
            person_bytes: 200,
            auction_bytes: 500,
            bid_bytes: 100,
        }
    }
}

impl Nexmark {
    /// The events as a source: bounded, replayable, cut into splits of equal length. They are in the order of time.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_nexmark::{Nexmark, event::EventView};
    ///
    /// # fn graph(job: &mut Job) {
    /// let events = job.source(Nexmark { events: 1000, ..Nexmark::default() }.source()).watermarks(monotonous());
    /// events.filter(|event| matches!(event, EventView::Bid(_))).sink(print());
    /// # }
    /// ```
    pub fn source(&self) -> impl Replayable<Out = Event, Time = EventTime> + use<> {
        let (of_event, of_time) = (self.clone(), self.clone());
        generate(self.events, self.seed, move |random, number| of_event.event(random, number))
            .event_time(move |number| of_time.time(number))
    }

    /// All events, in memory.
    pub fn all(&self) -> Vec<Event> {
        (0..self.events).map(|number| self.event(&mut Random::of(self.seed, number), number)).collect()
    }

    /// When an event happens.
    pub fn time(&self, number: u64) -> Timestamp {
        let millis = u128::from(number) * 1000 / u128::from(self.events_per_second.max(1));
        self.begin + Duration::from_millis(millis as u64)
    }

    /// The event of a number, given random numbers that are its own.
    pub fn event(&self, random: &mut Random, number: u64) -> Event {
        match number % EVENTS {
            place if place < PEOPLE => Event::Person(self.person(random, number)),
            place if place < PEOPLE + AUCTIONS => Event::Auction(self.auction(random, number)),
            _ => Event::Bid(self.bid(random, number)),
        }
    }

    fn person(&self, random: &mut Random, number: u64) -> Person {
        let (first, last) = (random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        let mut person = Person {
            id: FIRST_PERSON + last_person(number),
            name: format!("{first} {last}"),
            email_address: format!("{}@{}.com", text(random, 7), text(random, 5)),
            credit_card: (0..4).map(|_| format!("{:04}", random.range(0..10_000))).collect::<Vec<_>>().join(" "),
            city: (*random.pick(&CITIES)).to_owned(),
            state: (*random.pick(&STATES)).to_owned(),
            date_time: self.time(number),
            extra: String::new(),
        };
        let Person { name, email_address, credit_card, city, state, .. } = &person;
        let texts = [name, email_address, credit_card, city, state];
        person.extra = filling(random, self.person_bytes, 16 + texts.map(String::len).iter().sum::<usize>());
        person
    }

    fn auction(&self, random: &mut Random, number: u64) -> Auction {
        let seller = match random.range(0..self.hot_seller_ratio.max(1)) {
            0 => self.some_person(random, number),
            _ => hot(last_person(number)),
        };
        let (initial_bid, date_time) = (price(random), self.time(number));
        let mut auction = Auction {
            id: FIRST_AUCTION + last_auction(number),
            item_name: text(random, 20),
            description: text(random, 100),
            initial_bid,
            reserve: initial_bid + price(random),
            date_time,
            expires: date_time + self.duration(random, number),
            seller: FIRST_PERSON + seller,
            category: FIRST_CATEGORY + random.range(0..CATEGORIES),
            extra: String::new(),
        };
        let known = 56 + auction.item_name.len() + auction.description.len();
        auction.extra = filling(random, self.auction_bytes, known);
        auction
    }

    fn bid(&self, random: &mut Random, number: u64) -> Bid {
        let auction = match random.range(0..self.hot_auction_ratio.max(1)) {
            0 => self.some_auction(random, number),
            _ => hot(last_auction(number)),
        };
        let bidder = match random.range(0..self.hot_bidder_ratio.max(1)) {
            0 => self.some_person(random, number),
            _ => hot(last_person(number)) + 1, // not the hot seller
        };
        let price = price(random);
        let (channel, url) = channel(random);
        let extra = filling(random, self.bid_bytes, 32 + channel.len() + url.len());
        let date_time = self.time(number);
        Bid { auction: FIRST_AUCTION + auction, bidder: FIRST_PERSON + bidder, price, channel, url, date_time, extra }
    }

    /// One of the active people, or of those who are about to be.
    fn some_person(&self, random: &mut Random, number: u64) -> u64 {
        let people = last_person(number) + 1;
        let active = people.min(self.active_people);
        people - active + random.range(0..active + PERSON_LEAD)
    }

    /// One of the auctions that are going on, or about to.
    fn some_auction(&self, random: &mut Random, number: u64) -> u64 {
        let last = last_auction(number);
        let first = last.saturating_sub(self.auctions_in_flight);
        first + random.range(0..last - first + 1 + AUCTION_LEAD)
    }

    /// How long an auction goes on: up to twice the time in which as many begin as are to be in flight.
    fn duration(&self, random: &mut Random, number: u64) -> Duration {
        let later = number + self.auctions_in_flight * EVENTS / AUCTIONS;
        let horizon = self.time(later).millis() - self.time(number).millis();
        Duration::from_millis(1 + random.range(0..(horizon as u64 * 2).max(1)))
    }
}

/// The number, from 0 on, of the last person who has registered when an event happens.
fn last_person(number: u64) -> u64 {
    number / EVENTS * PEOPLE + (PEOPLE - 1) // people come first among so many events
}

/// The number, from 0 on, of the last auction that has begun when an event happens; 0 also before the first.
fn last_auction(number: u64) -> u64 {
    let begun = number / EVENTS * AUCTIONS + (number % EVENTS + 1).saturating_sub(PEOPLE).min(AUCTIONS);
    begun.saturating_sub(1)
}

/// The one of the present hundred that is hot.
fn hot(last: u64) -> u64 {
    last / HOT_AMONG * HOT_AMONG
}

/// From 1 to 1,000,000 in whole money, most of it small: the logarithm is uniform.
fn price(random: &mut Random) -> i64 {
    (10_f64.powf(random.unit() * 6.0) * 100.0).round() as i64
}

/// A channel and the page of a bid. Half of the bids come through one of four.
fn channel(random: &mut Random) -> (String, String) {
    match random.range(0..2) {
        0 => {
            let hot = random.range(0..HOT_CHANNELS.len() as u64);
            (HOT_CHANNELS[hot as usize].to_owned(), url(&mut Random::new(hot), None))
        }
        _ => {
            let number = random.range(0..CHANNELS);
            (format!("channel-{number}"), url(&mut Random::new(CHANNELS + number), Some(number)))
        }
    }
}

/// The page of a channel: always the same one.
fn url(random: &mut Random, channel: Option<u64>) -> String {
    let path: Vec<_> = (0..3).map(|_| text(random, 5)).collect();
    let page = format!("https://www.nexmark.com/{}/item.htm?query=1", path.join("/"));
    match channel {
        Some(channel) if random.chance(0.9) => format!("{page}&channel_id={channel}"),
        _ => page,
    }
}

/// A text of fewer than so many letters and blanks.
fn text(random: &mut Random, limit: u64) -> String {
    let letters = random.range(3..limit.max(4));
    let letter = |random: &mut Random| match random.range(0..13) {
        0 => ' ',
        _ => char::from(b'a' + random.range(0..26) as u8),
    };
    let text: String = (0..letters).map(|_| letter(random)).collect();
    text.trim().to_owned()
}

/// What is missing to a size, give or take a fifth, in letters.
fn filling(random: &mut Random, wanted: usize, known: usize) -> String {
    let missing = wanted.saturating_sub(known);
    let spread = missing / 5;
    let length = missing - spread + random.range(0..2 * spread as u64 + 1) as usize;
    (0..length).map(|_| char::from(b'a' + random.range(0..26) as u8)).collect()
}
