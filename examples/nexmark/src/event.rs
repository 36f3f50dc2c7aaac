//! What happens in the auction house: people register, put things up for auction, and bid.

use millstream::prelude::*;

/// One of the three.
#[derive(Debug, Clone, PartialEq, Record)]
pub enum Event {
    /// Somebody has registered.
    Person(Person),
    /// Something is put up for auction.
    Auction(Auction),
    /// Somebody bids for it.
    Bid(Bid),
}

/// Somebody who sells and bids.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Person {
    /// Their number, from 1000 on.
    pub id: u64,
    /// First and last name.
    pub name: String,
    /// Where to write to.
    pub email_address: String,
    /// How they pay.
    pub credit_card: String,
    /// Where they live.
    pub city: String,
    /// The state that the city is said to be in.
    pub state: String,
    /// When they registered.
    pub date_time: Timestamp,
    /// Anything else.
    pub extra: String,
}

/// A thing that is sold to whoever bids most.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Auction {
    /// Its number, from 1000 on.
    pub id: u64,
    /// What it is.
    pub item_name: String,
    /// And in more words.
    pub description: String,
    /// The least to bid, in cents.
    pub initial_bid: i64,
    /// The least to sell for, in cents.
    pub reserve: i64,
    /// When it began.
    pub date_time: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Who sells.
    pub seller: u64,
    /// What kind of thing it is: 10 to 14.
    pub category: u64,
    /// Anything else.
    pub extra: String,
}

/// An offer to buy.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Bid {
    /// What is bid for.
    pub auction: u64,
    /// Who bids.
    pub bidder: u64,
    /// How much, in cents.
    pub price: i64,
    /// Where the bid was made.
    pub channel: String,
    /// The page it was made on.
    pub url: String,
    /// When.
    pub date_time: Timestamp,
    /// Anything else.
    pub extra: String,
}

impl Event {
    /// When it happened.
    pub fn date_time(&self) -> Timestamp {
        match self {
            Self::Person(person) => person.date_time,
            Self::Auction(auction) => auction.date_time,
            Self::Bid(bid) => bid.date_time,
        }
    }
}
