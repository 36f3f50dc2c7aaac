//! [`Ttl`]: how long what is stored for a key lives, and how that is gone about.
//!
//! Each row has the time at which it was last written, or used, in front of its value. A row that is over is not shown any more, unless that is wanted, and goes
//! for good when it is written again, or when a sweep comes by: a few rows in a step of the task, round after round.

use std::{marker::PhantomData, time::Duration};

use millstream_core::{record::Record, schema::Schema, time::Timestamp};
use millstream_state::table::Cursor;

use crate::task::clock::StepClock;

/// How many rows a step of the task looks at, to remove those that are over.
pub(super) const SWEEP_ROWS: usize = 256;
/// How much time passes until the next of these steps, at least.
const SWEEP_PAUSE: Duration = Duration::from_millis(1);

/// How long what is stored lives, by processing time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    millis: i64,
    /// Reading keeps alive, too; otherwise only making and writing do.
    on_read: bool,
    /// What is over is shown as long as it is there.
    shows_over: bool,
}

impl Ttl {
    /// A time to live in milliseconds; whether reading counts as use, and whether what is over is shown until it is removed.
    pub const fn new(millis: u64, on_read: bool, shows_over: bool) -> Self {
        Self { millis: millis as i64, on_read, shows_over }
    }
}

/// A field with a time to live: what `#[state(ttl = "..")]` makes of one. See [`Ttl::new`] for the parameters.
pub struct Expiring<F, const MILLIS: u64, const ON_READ: bool, const SHOWS_OVER: bool>(PhantomData<fn() -> F>);

impl<F, const MILLIS: u64, const ON_READ: bool, const SHOWS_OVER: bool> Expiring<F, MILLIS, ON_READ, SHOWS_OVER> {
    pub(super) const TTL: Ttl = Ttl::new(MILLIS, ON_READ, SHOWS_OVER);
}

/// What is stored of a value that has a time to live.
pub(super) const fn stored<V: Record>() -> &'static Schema {
    <(Timestamp, V) as Record>::SCHEMA
}

/// A [`Ttl`] with the clock that it is held against.
pub(super) struct Expiry {
    ttl: Ttl,
    clock: StepClock,
    swept: Timestamp,
    pub(super) cursor: Cursor,
}

impl Expiry {
    pub(super) fn new(ttl: Ttl, clock: StepClock) -> Self {
        Self { ttl, clock, swept: Timestamp::MIN, cursor: Cursor::default() }
    }

    #[inline(always)]
    pub(super) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// True for what is over now, given when it was last used. A clock that was set back makes nothing old.
    #[inline(always)]
    pub(super) fn is_over(&self, used: Timestamp) -> bool {
        over(self.ttl, used, self.now())
    }

    /// True for what can be seen.
    #[inline(always)]
    pub(super) fn shows(&self, used: Timestamp) -> bool {
        self.ttl.shows_over || !self.is_over(used)
    }

    #[inline(always)]
    pub(super) fn counts_reads(&self) -> bool {
        self.ttl.on_read
    }

    /// True, once in a while, if it is time to look for what is over; with what says so.
    pub(super) fn sweeps(&mut self) -> Option<impl Fn(Timestamp) -> bool + use<>> {
        let (ttl, now) = (self.ttl, self.now());
        let since = now.millis().saturating_sub(self.swept.millis());
        // After the clock was set back, too.
        if (0..SWEEP_PAUSE.as_millis() as i64).contains(&since) {
            return None;
        }
        self.swept = now;
        Some(move |used| over(ttl, used, now))
    }
}

#[inline(always)]
fn over(ttl: Ttl, used: Timestamp, now: Timestamp) -> bool {
    now.millis().saturating_sub(used.millis()) >= ttl.millis
}
