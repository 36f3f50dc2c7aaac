//! Windows over a keyed stream, and the aggregates that make a stream of them again.

use std::{
    marker::PhantomData,
    sync::{Arc, Mutex},
    time::Duration,
};

use millstream_core::{
    aggregate::{Aggregate, BottomK, Merging, Of, Ordered, Reduce, TopK},
    proof::When,
    record::Record,
};

use super::{
    AggregatesBy, Behind, Chain, KeyedStream, Pipeline, Plan, Planned, Preset, Sealed, Stream, TimeDomain,
    by_key::KeyOf,
};
use crate::{
    checkpoint::channels::reroute,
    exchange::partition::{ByKey, PartialsByKey},
    failure::Location,
    graph::{Draft, EdgeKind, OperatorInfo, OutputId},
    operator::KeyFn,
    task::{context::ChainContext, head::Head},
    windows::{
        Assigner, FitsWindows, Gap, RecordAssigner, Session,
        assigner::{ClockMarker, grid::millis},
        head::{PARTIALS_PORT, Partial, RECORDS_PORT, WindowPlan},
        held::HeldSlices,
        panes::{BySession, BySlice},
        preaggregate::{Partials, PreAggregate},
        ranked::RankedPlan,
        session::{head::SessionPlan, held::HeldSessions},
    },
};

/// Windows over a keyed stream.
///
/// `C` and `E` are the trigger and the evictor: [`Preset`] as long as they are those of the windows.
#[must_use = "windows do nothing without an aggregate: add `.aggregate(|of| ..)` or `.reduce(..)`"]
pub struct Windowed<S, W, C = Preset, E = Preset> {
    pub(super) stream: S,
    pub(super) windows: W,
    /// How long a window is kept when it has fired.
    pub(super) lateness: Duration,
    pub(super) location: Location,
    /// The chain that the aggregate will begin, if its late records have a reader already.
    pub(super) late: Option<(Draft, OutputId)>,
    pub(super) trigger: C,
    pub(super) evictor: E,
}

impl<S, W> Windowed<S, W> {
    pub(crate) fn new(stream: S, windows: W, location: Location) -> Self {
        let lateness = Duration::ZERO;
        Self { stream, windows, location, late: None, lateness, trigger: Preset, evictor: Preset }
    }
}

/// The check of what needs a stream where there are only windows. Never implemented.
#[diagnostic::on_unimplemented(
    message = "windows are no stream before something aggregates them",
    label = "these windows have no aggregate",
    note = "insert `.aggregate(|of| of.count())`, or another aggregate, or `.reduce(..)` behind `.window(..)`"
)]
pub trait IsAggregated {}

/// What one would call on a stream, to say why it cannot be called yet.
impl<S, W, C, E> Windowed<S, W, C, E> {
    #[doc(hidden)]
    pub fn sink<T>(self, _: T)
    where
        Self: IsAggregated,
    {
    }

    #[doc(hidden)]
    pub fn map<F>(self, _: F)
    where
        Self: IsAggregated,
    {
    }
}

/// The plan behind `.window(..).aggregate(..)`.
pub type Aggregated<S, W, A> = WindowPlan<<S as Stream>::Out, <S as KeyedStream>::KeyFn, W, A>;

/// The stream behind `.window(..).top_n(..)`.
pub type Ranked<S, P> =
    Planned<S, RankedPlan<P, <<S as KeyedStream>::KeyFn as KeyFn<<S as Stream>::Out>>::Key, <S as Stream>::Out>>;

/// Where a chain begins that aggregates in windows: the stream's key, the number of the operator and the output of late records; and its draft.
type Begun<S> = (<S as KeyedStream>::KeyFn, usize, Option<OutputId>, Draft);

/// Ends the stream's chain with an exchange by key behind what a sender holds, and begins one that aggregates. `info` gets the key's name.
fn exchanged<S, P, A>(
    stream: S,
    held: impl Fn() -> P + Send + 'static,
    aggregate: A,
    mistake: Option<String>,
    late: Option<(Draft, OutputId)>,
    info: impl FnOnce(&str) -> OperatorInfo,
) -> Begun<S>
where
    S: KeyedStream,
    P: Partials<S::Out, KeyOf<S>, A>,
    A: Aggregate<S::Out>,
{
    let (Chain { plan, draft: mut before }, key) = stream.into_keyed();
    let (mut draft, late) = match late {
        Some((draft, output)) => (draft, Some(output)),
        None => (Draft::new(before.graph()), None),
    };
    let output = before.output();
    let by = key.name();
    let kind = EdgeKind::Partitioned(if by.is_empty() { "hash".into() } else { format!("hash by {by}") });
    let ports = [RECORDS_PORT, PARTIALS_PORT];
    draft.read_both::<S::Out, Partial<KeyOf<S>, A::Acc>>(&before, output, kind, ports);
    draft.reroute(RECORDS_PORT, reroute::<S::Out, _>(Arc::new(Mutex::new(ByKey(key.clone())))));
    draft.reroute(PARTIALS_PORT, reroute::<Partial<KeyOf<S>, A::Acc>, _>(Arc::new(Mutex::new(PartialsByKey))));

    let info = info(by);
    if let Some(mistake) = mistake {
        draft.graph().borrow_mut().mistake(format!("{}: {mistake}", info.location));
    }
    let (sender_key, sender_info) = (key.clone(), info.clone());
    let make = move |cx: &mut ChainContext<'_>| {
        let sender = (sender_key.clone(), held(), aggregate.clone());
        let tail = PreAggregate::open(cx, sender, sender_info.clone(), output, S::Time::TIMED)?;
        Ok(Box::new(plan.chain(cx, tail)?) as Box<dyn Head>)
    };
    before.end(Box::new(make), None);
    (key, draft.operator(info), late, draft)
}

/// Aggregation of a stream in windows by slices. `info` gets the key's name.
pub(super) fn aggregated<S, W, A>(
    stream: S,
    windows: W,
    lateness: Duration,
    aggregate: A,
    late: Option<(Draft, OutputId)>,
    info: impl FnOnce(&str) -> OperatorInfo,
) -> (Aggregated<S, W, A>, Draft)
where
    S: KeyedStream,
    W: Assigner,
    A: Aggregate<S::Out>,
{
    let held = {
        let windows = windows.clone();
        move || HeldSlices::<W, _, _>::new(windows.clone())
    };
    let (key, index, late, draft) = exchanged(stream, held, aggregate.clone(), windows.mistake(), late, info);
    let (lateness_ms, timed) = (millis(lateness), S::Time::TIMED);
    (WindowPlan { key, windows, aggregate, lateness_ms, index, late, timed, record: PhantomData }, draft)
}

/// Puts out the lists of windows rank by rank.
fn ranked<P, K, T, Time, G>(lists: Pipeline<P, Time, G>) -> Pipeline<RankedPlan<P, K, T>, Time, G> {
    let Chain { plan, draft } = lists.chain;
    Pipeline { chain: Chain { plan: RankedPlan::new(plan), draft }, time: PhantomData }
}

impl<S: KeyedStream, W, C, E> Windowed<S, W, C, E> {
    /// Hands out the late records as a stream: those that come after their window has fired.
    ///
    /// `let (windows, late) = trades.key_with(industry).window(tumbling(1.minutes())).with_late();`
    pub fn with_late(mut self) -> (Self, Behind<S>) {
        let mut draft = self.stream.new_draft();
        let output = draft.output();
        let late = Sealed::parting(&draft, output);
        self.late = Some((draft, output));
        (self, late)
    }

    /// Keeps each window for so much event time after it has fired, in whole milliseconds. A record that comes for it meanwhile makes it fire again at once,
    /// for the record's key: what follows gets a further result for the same key and window, which takes the place of the one before. Without this, and
    /// when it is over, such records are late. Windows by the clock on the wall have none.
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }
}

impl<S: KeyedStream, W: RecordAssigner<S::Out>, C> Windowed<S, W, C> {
    /// Aggregates each key's records of each window: `.aggregate(|of| (of.count(), of.avg(|trade| trade.price)))`. The results are
    /// `(key, window, result)`, with the window's last millisecond as their time.
    ///
    /// Records that come after all their windows have fired are late: they are counted by the metric `late_records` and left out; see
    /// [`Windowed::with_late`] and [`Windowed::allowed_lateness`].
    #[track_caller]
    pub fn aggregate<A>(
        self,
        aggregate: impl FnOnce(Of<S::Out>) -> A,
    ) -> When<A::Out, Planned<S, <W::Kind as AggregatesBy<S, W, C, A>>::Plan>>
    where
        A: Aggregate<S::Out>,
        W::Kind: AggregatesBy<S, W, C, A>,
    {
        let aggregate = aggregate(Of::new());
        let (plan, draft) = <W::Kind as AggregatesBy<S, W, C, A>>::plan(self, aggregate);
        Pipeline::new(plan, draft)
    }

    /// The `n` records of each key and window with the greatest values: `(key, window, rank, record)`, with ranks from 1, each a record. Of records with equal values
    /// the earliest ranks first. A list in one record is `.aggregate(|of| of.top_k(..))`.
    #[track_caller]
    pub fn top_n<F, V>(
        self,
        n: usize,
        value: F,
    ) -> When<V::OrderProof, Ranked<S, <W::Kind as AggregatesBy<S, W, C, TopK<F, V>>>::Plan>>
    where
        F: for<'a> Fn(<S::Out as Record>::View<'a>) -> V,
        F: Clone + Send + 'static,
        V: Ordered,
        W::Kind: AggregatesBy<S, W, C, TopK<F, V>>,
    {
        ranked(self.aggregate(|of| of.top_k(n, value)))
    }

    /// The `n` records of each key and window with the least values; otherwise as [`Windowed::top_n`].
    #[track_caller]
    pub fn bottom_n<F, V>(
        self,
        n: usize,
        value: F,
    ) -> When<V::OrderProof, Ranked<S, <W::Kind as AggregatesBy<S, W, C, BottomK<F, V>>>::Plan>>
    where
        F: for<'a> Fn(<S::Out as Record>::View<'a>) -> V,
        F: Clone + Send + 'static,
        V: Ordered,
        W::Kind: AggregatesBy<S, W, C, BottomK<F, V>>,
    {
        ranked(self.aggregate(|of| of.bottom_k(n, value)))
    }

    /// Combines the records of each key and window two by two. The results are `(key, window, record)`.
    #[track_caller]
    pub fn reduce<F>(self, combine: F) -> Planned<S, <W::Kind as AggregatesBy<S, W, C, Reduce<F>>>::Plan>
    where
        F: for<'a, 'b> Fn(<S::Out as Record>::View<'a>, <S::Out as Record>::View<'b>) -> S::Out,
        F: Clone + Send + 'static,
        W::Kind: AggregatesBy<S, W, C, Reduce<F>>,
    {
        self.aggregate(|of| of.reduce(combine))
    }
}

/// Aligned windows with their own trigger are aggregated by slices.
impl<S, W, A> AggregatesBy<S, W, Preset, A> for BySlice
where
    S: KeyedStream,
    W: Assigner,
    A: Aggregate<S::Out> + FitsWindows<W::Layout>,
{
    type Plan = Aggregated<S, W, A>;

    fn plan(windowed: Windowed<S, W>, aggregate: A) -> (Aggregated<S, W, A>, Draft) {
        let Windowed { stream, windows, lateness, location, late, .. } = windowed;
        let info = |by: &str| OperatorInfo::new("window", by, location).stateful().detail(Assigner::describe(&windows));
        aggregated(stream, windows.clone(), lateness, aggregate, late, info)
    }
}

/// The plan behind sessions with an aggregate.
pub type InSessions<S, G, C, A> = SessionPlan<<S as Stream>::Out, <S as KeyedStream>::KeyFn, G, C, A>;

/// Sessions with their own trigger have a head of their own.
impl<S, G, C, A> AggregatesBy<S, Session<G, C>, Preset, A> for BySession
where
    S: KeyedStream,
    G: Gap<S::Out>,
    C: ClockMarker,
    A: Aggregate<S::Out> + Merging,
{
    type Plan = InSessions<S, G, C, A>;

    fn plan(windowed: Windowed<S, Session<G, C>>, aggregate: A) -> (Self::Plan, Draft) {
        let Windowed { stream, windows: sessions, lateness, location, late, .. } = windowed;
        let info =
            |by: &str| OperatorInfo::new("window", by, location).stateful().detail(sessions.describe::<S::Out>());
        let held = {
            let sessions = sessions.clone();
            move || HeldSessions::new(sessions.clone())
        };
        let mistake = sessions.mistake::<S::Out>();
        let (key, index, late, draft) = exchanged(stream, held, aggregate.clone(), mistake, late, info);
        let (lateness_ms, timed) = (millis(lateness), S::Time::TIMED);
        (SessionPlan { key, sessions, aggregate, lateness_ms, index, late, timed, record: PhantomData }, draft)
    }
}
