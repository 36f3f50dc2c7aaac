//! Query 11: how many bids everyone makes in a session, which ends after ten seconds without one.

use millstream::prelude::*;
use millstream_nexmark::{
    Event,
    queries::q11::{self, VisitView},
};

use super::{Answer, Input, Table, steps};
use crate::{Tally, tally};

/// How long a session goes on without a bid, in milliseconds.
pub const GAP: i64 = 10_000;
/// How often the table is searched for sessions that have ended, in milliseconds of event time.
const SEARCH: i64 = GAP / 10;

/// The bids that somebody has made so far.
struct Session {
    start: i64,
    last: i64,
    bids: u64,
}

/// The loop. Bids come in the order of time, so one session for everyone is enough.
pub fn hand(events: &[Event], every: usize) -> Answer {
    let mut answer = Answer::default();
    let mut sessions = Table::<u64, Session>::default();
    let mut searched = i64::MIN;
    for (events, watermark) in steps(events, every) {
        for event in events {
            if let Event::Bid(bid) = event {
                let at = bid.date_time.millis();
                let session = sessions.entry(bid.bidder).or_insert(Session { start: at, last: at, bids: 0 });
                if at > session.last + GAP {
                    answer.add(session.number(bid.bidder));
                    *session = Session { start: at, last: at, bids: 0 };
                }
                session.last = at;
                session.bids += 1;
            }
        }
        if watermark >= searched.saturating_add(SEARCH) {
            searched = watermark;
            sessions.retain(|bidder, session| {
                let goes_on = session.last + GAP > watermark;
                if !goes_on {
                    answer.add(session.number(*bidder));
                }
                goes_on
            });
        }
    }
    answer
}

impl Session {
    fn number(&self, bidder: u64) -> u64 {
        number(bidder, self.bids, self.start, self.last + GAP)
    }
}

/// The number of a result: bidder, bids, start and end of a session.
#[inline(always)]
pub fn number(bidder: u64, bids: u64, start: i64, end: i64) -> u64 {
    bidder ^ bids << 32 ^ (start as u64).wrapping_mul(3) ^ (end as u64).wrapping_mul(5)
}

/// The job.
pub fn job(job: &mut Job<ExactlyOnce>, input: &Input, total: &Tally) {
    q11::answer(input.stream(job)).sink(tally(total, |visit: VisitView<'_>| {
        number(visit.bidder, visit.bids, visit.start.millis(), visit.end.millis())
    }));
}
