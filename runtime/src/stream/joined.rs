//! `.join(..)`: two keyed streams whose records are paired by key, as they come or in windows.

use std::{convert::Infallible, marker::PhantomData, time::Duration};

use millstream_core::{impls::VecView, outcome::Several, proof::When, record::Record, time::Window};

use super::{
    Chain, EventTime, IsKeyed, KeyedStream, Pipeline, Planned, Stream,
    connected::{ProcessedBoth, meet, process_both},
};
use crate::{
    failure::Location,
    graph::OperatorInfo,
    joins::{
        Anti, Bound, CoGroup, FullOuter, Grouped, IncrementalPlan, Inner, Interval, IntervalJoin, JoinWindows,
        LeftOuter, Matching, Pairs, RightOuter, Semi,
    },
    operator::{KeyFn, Shippable},
    windows::{WindowsOn, assigner::grid::millis},
};

/// Two keyed streams that are to be joined. See [`Stream::join`].
#[must_use = "streams that are joined do nothing before it is said how: add `.inner(..)` or `.window(..)`"]
pub struct Joined<L, R> {
    left: L,
    right: R,
    location: Location,
}

/// The plan of an incremental join.
pub type JoinedBy<L, R, M> =
    IncrementalPlan<<L as Stream>::Out, <R as Stream>::Out, <L as KeyedStream>::KeyFn, <R as KeyedStream>::KeyFn, M>;

/// The plan of a join in windows.
pub type JoinedIn<L, R, W, G> = <W as JoinWindows<
    <L as Stream>::Out,
    <R as Stream>::Out,
    <L as KeyedStream>::KeyFn,
    <R as KeyedStream>::KeyFn,
>>::Plan<G>;

/// The check of what only windows can tell. Never implemented.
#[diagnostic::on_unimplemented(
    message = "without windows nobody can say that a record has no match: one may still come",
    label = "needs windows",
    note = "insert `.window(tumbling(1.minutes()))` behind `.join(..)`: then matches are those of the same window, and what has none is known when it closes",
    note = "without windows there are `.inner(..)` and `.semi()`, whose results never have to be taken back"
)]
pub trait HasWindow {}

/// The check of what needs a stream where it is not yet said how two are joined. Never implemented.
#[diagnostic::on_unimplemented(
    message = "two streams that are to be joined are no stream before it is said how",
    label = "how are they joined?",
    note = "insert `.inner(|left, right| ..)`, or windows and a join: `.window(tumbling(1.minutes())).left(|left, right| ..)`"
)]
pub trait IsJoined {}

/// What one would call where something is missing, to say what.
macro_rules! missing {
    ($type:ident<$($param:ident),*>, $check:ident: $($method:ident($($argument:ident),*))*) => {
        impl<$($param),*> $type<$($param),*> {
            $(
                #[doc(hidden)]
                #[allow(non_camel_case_types)]
                pub fn $method<$($argument,)* Unknown>(self $(, _: $argument)*) -> Unknown
                where
                    Self: $check,
                {
                    unreachable!("nothing implements this bound")
                }
            )*
        }
    };
}
missing!(Joined<L, R>, HasWindow: left(function) right(function) full(function) anti() co_group(function));
missing!(Joined<L, R>, IsJoined: map(function) filter(function) process(function) key_by(function) sink(sink));
missing!(Between<L, R>, HasWindow: left(function) right(function) full(function) semi() anti() co_group(function));
missing!(Between<L, R>, IsJoined: map(function) filter(function) process(function) key_by(function) sink(sink));
missing!(WindowJoin<L, R, W>, IsJoined: map(function) filter(function) process(function) key_by(function) sink(sink));

impl<L, R> Joined<L, R> {
    pub(super) fn new(left: L, right: R, location: Location) -> Self {
        Self { left, right, location }
    }
}

impl<L: KeyedStream, R: KeyedStream<Key = L::Key>> Joined<L, R> {
    /// Puts out what the function makes of every pair of records with equal keys, as soon as the second of them is there; its time is the later one of the two.
    ///
    /// All records of both streams are kept, for what may still come: the state grows with them. Where a match is close in time, windows keep
    /// less. One record may have a million matches: they are put out one by one, at the pace of what follows.
    #[track_caller]
    pub fn inner<F, O>(self, function: F) -> When<O::Archived, Planned<L, JoinedBy<L, R, Inner<F, O>>>>
    where
        F: for<'a, 'b> Fn(<L::Out as Record>::View<'a>, <R::Out as Record>::View<'b>) -> O,
        F: Shippable,
        O: Record,
    {
        self.incremental(Inner::new(function))
    }

    /// Puts out each record of the left stream once, as it is, as soon as there is a record with an equal key in the right one; its time is the later one of the
    /// two.
    ///
    /// Kept are the records of the left stream that have no match so far, and of the right one only its keys.
    pub fn semi(self) -> Planned<L, JoinedBy<L, R, Semi>> {
        self.incremental(Semi)
    }

    /// Matches are only those of the same window. Sessions are those of both streams together: a record of either keeps the session of its key open.
    pub fn window<W>(self, windows: W) -> When<W::Proof, WindowJoin<L, R, W>>
    where
        W: WindowsOn<L::Time>,
        W: JoinWindows<L::Out, R::Out, L::KeyFn, R::KeyFn>,
    {
        WindowJoin { joined: self, windows, lateness: Duration::ZERO }
    }

    /// Matches are only records that happened close to each other: where the one of the left stream happened at some time, that of the right one happened between
    /// the two bounds: `.between(before(5.seconds()), after(10.seconds()))`. Both bounds are in the interval, unless they are
    /// [`exclusive`](Bound::exclusive).
    pub fn between(self, lower: Bound, upper: Bound) -> When<L::Proof, Between<L, R>>
    where
        L::Time: Timed,
    {
        Between { joined: self, lower, upper }
    }

    fn incremental<M: Matching<L::Out, R::Out>>(self, matching: M) -> Planned<L, JoinedBy<L, R, M>> {
        let (key, mut draft) = meet(self.left, self.right, self.location);
        let name = KeyFn::<L::Out>::name(&key.left);
        let info = OperatorInfo::new("join", name, self.location).stateful().detail(M::KIND.to_owned());
        let index = draft.operator(info);
        let plan = IncrementalPlan { key, matching, index, records: PhantomData };
        Pipeline { chain: Chain { plan, draft }, time: PhantomData }
    }
}

/// The check of what needs event time.
#[diagnostic::on_unimplemented(
    message = "how far apart records happened is known only of streams with event time",
    label = "these streams have none",
    note = "give both streams event time in front of their `.key_by(..)`: `.event_time(out_of_order(5.seconds()))`, or `.event_time_by(|record| .., ..)`"
)]
pub trait Timed {}
impl Timed for EventTime {}

/// Two keyed streams that are to be joined by how far apart their records happened. See [`Joined::between`].
#[must_use = "streams that are joined do nothing before it is said how: add `.inner(..)`"]
pub struct Between<L, R> {
    joined: Joined<L, R>,
    lower: Bound,
    upper: Bound,
}

impl<L: KeyedStream, R: KeyedStream<Key = L::Key>> Between<L, R> {
    /// Puts out what the function makes of every pair of records with equal keys, as soon as the second of them is there; its time is the later one of the two.
    ///
    /// A record is kept until event time says that it has no more matches. One that event time has left behind when it comes is late: the metrics
    /// `late_left_records` and `late_right_records` count such, and they are left out. All matches of a record are put out at once, so there should not be very many
    /// of them in an interval.
    #[track_caller]
    pub fn inner<F, O>(self, function: F) -> When<O::Archived, Planned<L, JoinedBetween<L, R, F, O>>>
    where
        F: for<'a, 'b> Fn(<L::Out as Record>::View<'a>, <R::Out as Record>::View<'b>) -> O,
        F: Shippable,
        O: Record,
    {
        let Self { joined: Joined { left, right, location }, lower, upper } = self;
        let interval = Interval::new(lower, upper);
        let info = OperatorInfo::new("join", "", location).detail(format!("inner, {lower} to {upper}"));
        let joined = process_both(left, right, IntervalJoin::new(function, interval), info, location);
        if interval.is_empty() {
            joined.chain.draft.graph().borrow_mut().mistake(format!(
                "{location}: nothing is between {lower} and {upper}: `.between(..)` takes the earlier bound first"
            ));
        }
        joined
    }
}

/// The plan of an interval join.
pub type JoinedBetween<L, R, F, O> =
    ProcessedBoth<L, R, IntervalJoin<<L as Stream>::Out, <R as Stream>::Out, <L as IsKeyed>::Key, F, O>>;

/// Two keyed streams that are to be joined in windows. See [`Joined::window`].
///
/// Results are put out when the window closes, with its last millisecond as their time, in no order among the keys of a window. Records that come after their window has
/// closed are late: the metrics `late_left_records` and `late_right_records` count them, and they are left out; see [`WindowJoin::allowed_lateness`]. A record in several windows is joined in each.
#[must_use = "streams that are joined do nothing before it is said how: add `.inner(..)`"]
pub struct WindowJoin<L, R, W> {
    joined: Joined<L, R>,
    windows: W,
    /// How long a window is kept when it has closed.
    lateness: Duration,
}

impl<L, R, W> WindowJoin<L, R, W> {
    /// Keeps each window for so much event time after it has closed, in whole milliseconds. A record of either stream that comes for it meanwhile is joined, and all of the
    /// window is put out once more for the record's key, at once: what follows gets every pair of the key again beside the new ones, which take the place of those before. When
    /// it is over, such records are late. Windows by the clock on the wall have none.
    ///
    /// The records of a window stay until then. While windows are put out a checkpoint waits.
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }
}

/// Joins by a function of the user's.
macro_rules! joins {
    ($(
        $(#[$doc:meta])*
        $method:ident: $matching:ident($($left:tt)*)($($right:tt)*)
    )*) => { $(
        $(#[$doc])*
        #[track_caller]
        pub fn $method<F, O>(
            self,
            function: F,
        ) -> When<O::Archived, Planned<L, JoinedIn<L, R, W, Pairs<$matching<F, O>>>>>
        where
            F: for<'a, 'b> Fn($($left)*, $($right)*) -> O,
            F: Shippable,
            O: Record,
        {
            self.by(Pairs($matching::new(function)), <$matching<F, O> as Matching<L::Out, R::Out>>::KIND)
        }
    )* };
}

impl<L, R, W> WindowJoin<L, R, W>
where
    L: KeyedStream,
    R: KeyedStream<Key = L::Key>,
    W: JoinWindows<L::Out, R::Out, L::KeyFn, R::KeyFn>,
{
    joins! {
        /// Puts out what the function makes of every pair of records with equal keys.
        inner: Inner(<L::Out as Record>::View<'a>)(<R::Out as Record>::View<'b>)
        /// As [`inner`](Self::inner), and of every record of the left stream without a match, with `None`.
        left: LeftOuter(<L::Out as Record>::View<'a>)(Option<<R::Out as Record>::View<'b>>)
        /// As [`inner`](Self::inner), and of every record of the right stream without a match, with `None`.
        right: RightOuter(Option<<L::Out as Record>::View<'a>>)(<R::Out as Record>::View<'b>)
        /// As [`inner`](Self::inner), and of every record of either stream without a match, with `None`.
        full: FullOuter(Option<<L::Out as Record>::View<'a>>)(Option<<R::Out as Record>::View<'b>>)
    }

    /// Puts out each record of the left stream that has a match, once and as it is.
    pub fn semi(self) -> Planned<L, JoinedIn<L, R, W, Pairs<Semi>>> {
        self.by(Pairs(Semi), <Semi as Matching<L::Out, R::Out>>::KIND)
    }

    /// Puts out each record of the left stream that has no match, as it is.
    pub fn anti(self) -> Planned<L, JoinedIn<L, R, W, Pairs<Anti>>> {
        self.by(Pairs(Anti), <Anti as Matching<L::Out, R::Out>>::KIND)
    }

    /// Calls the function once for each key and window in which one of the streams has a record, with all records of both, each in the order in which they came (where sessions became
    /// one, one session behind the other): `|key, window, lefts, rights|`. It returns any number of records, as the closure of [`Stream::flat_map`] does.
    #[track_caller]
    pub fn co_group<F, O>(self, function: F) -> When<O::Proof, Planned<L, JoinedIn<L, R, W, CoGroup<F, O>>>>
    where
        F: for<'a> Fn(<L::Key as Record>::View<'a>, Window, VecView<'a, L::Out>, VecView<'a, R::Out>) -> O,
        F: Shippable,
        O: Several<Error = Infallible> + 'static,
    {
        self.by(CoGroup::new(function), "co_group")
    }

    fn by<G: Grouped<L::Key, L::Out, R::Out>>(self, grouped: G, kind: &str) -> Planned<L, JoinedIn<L, R, W, G>> {
        let Self { joined: Joined { left, right, location }, windows, lateness } = self;
        let (key, mut draft) = meet(left, right, location);
        if let Some(mistake) = windows.mistake() {
            draft.graph().borrow_mut().mistake(format!("{location}: {mistake}"));
        }
        let detail = format!("{kind}, {}", windows.describe());
        let name = KeyFn::<L::Out>::name(&key.left);
        let index = draft.operator(OperatorInfo::new("join", name, location).stateful().detail(detail));
        let plan = windows.plan(key, grouped, millis(lateness), index);
        Pipeline { chain: Chain { plan, draft }, time: PhantomData }
    }
}
