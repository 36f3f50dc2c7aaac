//! Bids as those of the Nexmark benchmark: numbers beside strings. And numbers that look random.

use millstream::prelude::*;

/// A bid at an auction.
#[derive(Debug, Clone, PartialEq, Record)]
pub struct Bid {
    /// What is bid for.
    pub auction: u64,
    /// Who bids.
    pub bidder: u64,
    /// When, in milliseconds since the epoch.
    pub date_time: u64,
    /// How much.
    pub price: i64,
    /// Where the bid was made.
    pub channel: String,
    /// The page it was made on.
    pub url: String,
    /// Anything else.
    pub extra: String,
}

/// So many bids, the same ones every time.
pub fn bids(count: usize) -> Vec<Bid> {
    let mut random = Random::default();
    let bid = |i: u64| {
        let (auction, bidder, price) = (random.below(10_000), random.below(50_000), random.below(1_000));
        Bid {
            auction,
            bidder,
            date_time: 1_700_000_000_000 + i / 100,
            price: price as i64,
            channel: format!("channel-{}", random.below(1_000)),
            url: format!("https://www.nexmark.com/item.htm?query=1&auction={auction}"),
            extra: "x".repeat(20 + random.below(20) as usize),
        }
    };
    (0..count as u64).map(bid).collect()
}

/// A small generator of numbers (xorshift), seeded always alike.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    /// The next number, below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * u128::from(limit)) >> 64) as u64
    }
}
