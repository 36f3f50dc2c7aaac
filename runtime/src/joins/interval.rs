//! The interval join: records with equal keys that happened close to each other.

use std::{convert::Infallible, fmt, marker::PhantomData, time::Duration};

use millstream_core::{key::Key, record::Record, time::Timestamp};

use crate::{
    failure::Failure,
    graph::StateInfo,
    metrics::Counter,
    operator::{OpenContext, Push},
    process::{
        Either, EitherView, Hashed, KeyedContext, KeyedProcessFunction, MapState, Opening, State, StateField, StateOf,
        Timer,
    },
    settings::show_duration,
};

/// A bound of an interval, as seen from a record of the left stream. See [`before`] and [`after`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Negative before.
    millis: i64,
    exclusive: bool,
}

/// So much earlier: a bound of an interval, in whole milliseconds.
pub fn before(by: Duration) -> Bound {
    Bound { millis: -millis(by), exclusive: false }
}

/// So much later: a bound of an interval, in whole milliseconds.
pub fn after(by: Duration) -> Bound {
    Bound { millis: millis(by), exclusive: false }
}

fn millis(by: Duration) -> i64 {
    // Half of all time: bounds are added to each other and to timestamps.
    by.as_millis().min(i64::MAX as u128 / 4) as i64
}

impl Bound {
    /// The bound itself is outside of the interval.
    #[must_use]
    pub fn exclusive(self) -> Self {
        Self { exclusive: true, ..self }
    }
}

/// `5s before`.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = show_duration(Duration::from_millis(self.millis.unsigned_abs()));
        let side = if self.millis < 0 { "before" } else { "after" };
        write!(f, "{by} {side}{}", if self.exclusive { ", exclusive" } else { "" })
    }
}

/// An interval around the records of the left stream, in milliseconds; both bounds are in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    lower: i64,
    upper: i64,
}

impl Interval {
    pub(crate) fn new(lower: Bound, upper: Bound) -> Self {
        Self { lower: lower.millis + i64::from(lower.exclusive), upper: upper.millis - i64::from(upper.exclusive) }
    }

    /// True if no two times are so far apart.
    pub(crate) fn is_empty(self) -> bool {
        self.lower > self.upper
    }

    /// The same, seen from the records of the right stream.
    fn reversed(self) -> Self {
        Self { lower: -self.upper, upper: -self.lower }
    }

    /// The first and the last time that is in the interval around this one.
    fn around(self, at: Timestamp) -> (Timestamp, Timestamp) {
        (shifted(at, self.lower), shifted(at, self.upper))
    }

    /// When event time has come so far that a record of this time has no more matches.
    fn end(self, at: Timestamp) -> Timestamp {
        shifted(at, self.upper.max(0))
    }

    /// The time of the records for which [`Interval::end`] is this.
    fn ended(self, at: Timestamp) -> Timestamp {
        shifted(at, -self.upper.max(0))
    }
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(by))
}

/// Joins records that happened close to each other: a process function on both streams.
pub struct IntervalJoin<L, R, K, F, O> {
    function: F,
    interval: Interval,
    /// Counted by side, once it is opened.
    late: Option<[Counter; 2]>,
    types: PhantomData<fn(L, R, K) -> O>,
}

impl<L, R, K, F, O> IntervalJoin<L, R, K, F, O> {
    pub(crate) fn new(function: F, interval: Interval) -> Self {
        Self { function, interval, late: None, types: PhantomData }
    }
}

impl<L, R, K, F: Clone, O> Clone for IntervalJoin<L, R, K, F, O> {
    fn clone(&self) -> Self {
        let Self { function, interval, late, types } = self;
        Self { function: function.clone(), interval: *interval, late: late.clone(), types: *types }
    }
}

/// The records of each key that may still have matches, by their times.
pub struct Recent<L, R>(PhantomData<fn() -> (L, R)>);

type ByTime<T> = MapState<Timestamp, Vec<T>>;
type ByTimeTable<T, K> = <ByTime<T> as StateField>::Table<K>;
type ByTimeRef<'a, 'k, T, K> = <ByTime<T> as StateField>::Ref<'a, 'k, K>;

#[diagnostic::do_not_recommend]
impl<L: Record, R: Record> State for Recent<L, R> {
    type Tables<K: Key> = (ByTimeTable<L, K>, ByTimeTable<R, K>);
    type Handle<'a, 'k, K: Key> = (ByTimeRef<'a, 'k, L, K>, ByTimeRef<'a, 'k, R, K>);

    fn describe<K: Key>() -> Vec<StateInfo> {
        vec![ByTime::<L>::describe::<K>("lefts"), ByTime::<R>::describe::<K>("rights")]
    }

    fn open<K: Key>(cx: &Opening<'_>) -> Self::Tables<K> {
        (ByTime::<L>::open("lefts", cx), ByTime::<R>::open("rights", cx))
    }

    fn handle<'a, 'k, K: Key>((lefts, rights): &'a mut Self::Tables<K>, key: Hashed<'k, K>) -> Self::Handle<'a, 'k, K> {
        (ByTime::<L>::at(lefts, key), ByTime::<R>::at(rights, key))
    }
}

impl<L, R, K, F, O> IntervalJoin<L, R, K, F, O> {
    /// True, and counted, of a record that event time has left behind.
    fn is_late(&self, side: usize, at: Timestamp, watermark: Timestamp) -> bool {
        let late = at < watermark;
        if late && let Some(counters) = &self.late {
            counters[side].add(1);
        }
        late
    }
}

impl<L, R, K, F, O> KeyedProcessFunction for IntervalJoin<L, R, K, F, O>
where
    L: Record,
    R: Record,
    K: Key,
    O: Record,
    F: for<'a, 'b> Fn(L::View<'a>, R::View<'b>) -> O + Clone + Send + 'static,
{
    type In = Either<L, R>;
    type Key = K;
    type State = Recent<L, R>;
    type Out = O;
    type Sides = ();
    type Error = Infallible;

    const HAS_ON_TIMER: bool = true;

    fn name(&self) -> &'static str {
        "interval"
    }

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.late = Some([cx.counter("late_left_records"), cx.counter("late_right_records")]);
        Ok(())
    }

    #[inline(always)]
    fn on_record<N: Push<O>>(
        &mut self,
        record: EitherView<'_, L, R>,
        (lefts, rights): &mut StateOf<'_, '_, Recent<L, R>, K>,
        cx: &mut KeyedContext<'_, '_, K, O, N>,
    ) -> Result<(), Infallible> {
        let at = cx.timestamp();
        let side = usize::from(matches!(record, EitherView::Right(_)));
        if self.is_late(side, at, cx.watermark()) {
            return Ok(());
        }
        let interval = if side == 0 { self.interval } else { self.interval.reversed() };
        cx.event_timer(interval.end(at));
        let (from, to) = interval.around(at);
        match record {
            EitherView::Left(left) => {
                lefts.entry(at, Vec::new).push(L::from_view(left));
                for (other_at, others) in rights.range(from..=to) {
                    for right in others {
                        cx.emit_at((self.function)(left, right.view()).view(), at.max(other_at));
                    }
                }
            }
            EitherView::Right(right) => {
                rights.entry(at, Vec::new).push(R::from_view(right));
                for (other_at, others) in lefts.range(from..=to) {
                    for left in others {
                        cx.emit_at((self.function)(left.view(), right).view(), at.max(other_at));
                    }
                }
            }
        }
        Ok(())
    }

    fn on_timer<N: Push<O>>(
        &mut self,
        timer: Timer,
        (lefts, rights): &mut StateOf<'_, '_, Recent<L, R>, K>,
        _: &mut KeyedContext<'_, '_, K, O, N>,
    ) -> Result<(), Failure> {
        lefts.remove(self.interval.ended(timer.at));
        rights.remove(self.interval.reversed().ended(timer.at));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_seen_from_either_side() {
        let at = Timestamp::from_millis;
        let interval = Interval::new(before(Duration::from_secs(2)), after(Duration::from_secs(5)).exclusive());
        assert_eq!(interval.around(at(10_000)), (at(8_000), at(14_999)));
        assert_eq!(interval.reversed().around(at(8_000)), (at(3_001), at(10_000)));
        assert!(!interval.is_empty());
        assert!(Interval::new(after(Duration::from_secs(2)), after(Duration::from_secs(2)).exclusive()).is_empty());
    }

    #[test]
    fn a_record_is_kept_as_long_as_it_may_have_matches() {
        let at = Timestamp::from_millis;
        let ahead = Interval::new(after(Duration::from_secs(1)), after(Duration::from_secs(5)));
        assert_eq!((ahead.end(at(0)), ahead.ended(at(5_000))), (at(5_000), at(0)));
        // The matches of the right side have all come before it.
        assert_eq!((ahead.reversed().end(at(0)), ahead.reversed().ended(at(0))), (at(0), at(0)));
        assert_eq!(ahead.end(Timestamp::MAX), Timestamp::MAX);
    }
}
