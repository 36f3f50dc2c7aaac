//! [`Stream`]: everything one can do with a stream, keyed or not.

use std::{marker::PhantomData, sync::Arc};

use millstream_core::{
    aggregate::{Aggregate, Of, Reduce},
    event_time::EventTime as HasEventTime,
    proof::When,
    record::Record,
    time::Timestamp,
};

use super::{
    Alike, Beside, Broadcasted, ByTime, Connected, EventTime, GivenTime, Guarantee, HasTimes, IsRate, IsStrategy,
    Joined, KeyedAs, NoKey, OneKey, OneTime, OwnTime, Plan, TimeDomain,
    chain::Chain,
    keyed::{Everything, IsKeyed, KeyBy, Keyed},
    process::{Feeds, Processor},
    rejects::Rejects,
    rolling::{AtEndStream, RollingStream},
    sink::check,
    thinned,
    windowed::Windowed,
};
use crate::{
    event_time::WatermarkStrategy,
    exchange::partition::{Custom, Rebalance, Shuffle},
    failure::Location,
    graph::{Draft, EdgeKind, OperatorInfo, OutputId, SINK},
    operator::{Annotated, KeyFn, Operator, Outcome, Perhaps, Several, Shippable, Verdict},
    operators::{
        closures::{Filter, FilterMap, FlatMap, Inspect, Map},
        fused::Then,
        ingestion::WithIngestionTime,
        input::Input,
        sample::Sample,
        sink::{self, SinkTail},
        throttle::Throttled,
        watermarks::WithEventTime,
    },
    sink::Sink,
    task::{context::ChainContext, head::Head},
    windows::{RecordAssigner, WindowsOn},
};

/// A stream: a chain under construction whose records may have event time.
#[must_use = "a stream that reaches no sink does nothing: end it with `.sink(..)`"]
pub struct Pipeline<P, Time, G> {
    pub(crate) chain: Chain<P>,
    pub(crate) time: PhantomData<fn() -> (Time, G)>,
}

/// A stream whose type can be named: it begins behind an exchange. See [`Stream::sealed`].
pub type Sealed<T, Time, G> = Pipeline<Input<T>, Time, G>;

/// The stream of the same records behind an exchange.
pub type Behind<S> = Sealed<<S as Stream>::Out, <S as Stream>::Time, <S as Stream>::Guarantee>;

/// A stream of the same job and the same kind of time with another plan.
pub type Planned<S, P> = Pipeline<P, <S as Stream>::Time, <S as Stream>::Guarantee>;

/// A stream of the same job with event time, and another plan.
pub type Clocked<S, F, W> = Pipeline<WithEventTime<<S as Stream>::Plan, F, W>, EventTime, <S as Stream>::Guarantee>;

/// Never implemented. A stream has one consumer: to use it twice call [`Stream::fork`].
///
/// (rustc mentions this name when a stream is used after it was moved.)
pub trait ForkToUseAStreamTwice {}

/// A stream cannot be cloned; rustc reads the name of the bound to whoever tries.
#[diagnostic::do_not_recommend]
impl<P: ForkToUseAStreamTwice, Time, G> Clone for Pipeline<P, Time, G> {
    fn clone(&self) -> Self {
        unreachable!("no plan implements this bound")
    }
}

/// The check of [`Stream::union`].
#[diagnostic::on_unimplemented(
    message = "a union of streams that differ in their record type or in event time",
    label = "differs from the stream it is to be united with",
    note = "bring both to one record type first, with `.map(..)` on one of them",
    note = "event time both need, or neither: add `.event_time(..)` to the one that lacks it"
)]
pub trait SameStream<S> {}
#[diagnostic::do_not_recommend]
impl<A: Stream, B: Stream<Out = A::Out, Time = A::Time>> SameStream<A> for B {}

impl<P: Plan, Time: TimeDomain, G: Guarantee> Pipeline<P, Time, G> {
    pub(crate) fn new(plan: P, draft: Draft) -> Self {
        Self { chain: Chain { plan, draft }, time: PhantomData }
    }
}

impl<T: Record, Time: TimeDomain, G: Guarantee> Sealed<T, Time, G> {
    /// The stream that a draft with inputs reads.
    pub(crate) fn reading(draft: Draft) -> Self {
        Self::new(Input(PhantomData), draft)
    }

    /// The stream that parts from another at this output.
    pub(crate) fn parting(from: &Draft, output: OutputId) -> Self {
        Self::reading(from.reader::<T>(output, EdgeKind::Forward).branch())
    }
}

impl<P: Plan, Time: TimeDomain, G: Guarantee> Stream for Pipeline<P, Time, G> {
    type Out = P::Out;
    type Time = Time;
    type Guarantee = G;
    type KeyedBy = NoKey;
    type Plan = P;

    fn into_chain(self) -> Chain<P> {
        self.chain
    }

    fn new_draft(&self) -> Draft {
        Draft::new(self.chain.draft.graph())
    }
}

/// A stream of records.
///
/// Operators that need neither state nor waiting are fused: behind each other they become one loop without a virtual call, an allocation or a lock per
/// record. What changes the distribution of records (`key_by`, `rebalance` ..) ends a chain; the next one runs in tasks of its own.
///
/// **Order**: records keep their order within a chain and within the channel between two subtasks; so records of one key that one subtask sends
/// arrive in order. Between channels there is none: what several subtasks send to one is interleaved as it arrives.
///
/// Helpers over streams are ordinary functions:
///
/// ```
/// use millstream_runtime::stream::Stream;
///
/// fn positive(numbers: impl Stream<Out = i64>) -> impl Stream<Out = i64> {
///     numbers.filter(|number| number > 0)
/// }
/// ```
///
/// A helper that returns `impl Stream<Out = T>` hides whether there is event time; say `impl Stream<Out = T, Time = EventTime>` where windows follow, and
/// `KeyedBy = NoKey` (or `KeyedBy = Broadcast`), too, where [`connect`](Stream::connect) does.
#[must_use = "a stream that reaches no sink does nothing: end it with `.sink(..)`"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stream",
    label = "not a stream",
    note = "a window needs an aggregate before it is a stream again: `.window(..).aggregate(|of| of.count())`"
)]
pub trait Stream: Sized {
    /// What flows.
    type Out: Record;
    /// [`EventTime`] or [`NoTime`](super::NoTime).
    type Time: TimeDomain;
    /// What the job promises that it belongs to.
    type Guarantee: Guarantee;
    /// The type of its key; [`NoKey`] if it has none, and [`Broadcast`](super::Broadcast) if every subtask has all of it.
    type KeyedBy;
    #[doc(hidden)]
    type Plan: Plan<Out = Self::Out>;
    #[doc(hidden)]
    fn into_chain(self) -> Chain<Self::Plan>;
    /// Ends the stream at a port of a chain with several inputs; a keyed stream is spread by its key.
    #[doc(hidden)]
    fn end_at(self, reader: &Draft, port: u8) {
        self.into_chain().share_to::<Self::Time>(EdgeKind::Forward, reader, port);
    }
    /// A new chain of the same graph.
    #[doc(hidden)]
    fn new_draft(&self) -> Draft;

    /// One record becomes one. The closure returns an owned record, or a `Result` of one.
    #[track_caller]
    fn map<F, R>(self, call: F) -> When<R::Proof, Planned<Self, Then<Self::Plan, Map<F, R>>>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> R,
        F: Shippable,
        R: Outcome + 'static,
    {
        then(self, Map::new(call), Location::caller())
    }

    /// Keeps the records for which the closure returns true (or `Ok(true)`).
    #[track_caller]
    fn filter<F, R>(self, call: F) -> When<R::Error, Planned<Self, Then<Self::Plan, Filter<F, R>>>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> R,
        F: Shippable,
        R: Verdict + 'static,
    {
        then(self, Filter::new(call), Location::caller())
    }

    /// One record becomes one or none.
    #[track_caller]
    fn filter_map<F, R>(self, call: F) -> When<R::Proof, Planned<Self, Then<Self::Plan, FilterMap<F, R>>>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> R,
        F: Shippable,
        R: Perhaps + 'static,
    {
        then(self, FilterMap::new(call), Location::caller())
    }

    /// One record becomes any number: a `Vec`, an array, an `Option`, or [`each`](crate::operator::each) of an iterator.
    #[track_caller]
    fn flat_map<F, R>(self, call: F) -> When<R::Proof, Planned<Self, Then<Self::Plan, FlatMap<F, R>>>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> R,
        F: Shippable,
        R: Several + 'static,
    {
        then(self, FlatMap::new(call), Location::caller())
    }

    /// Looks at each record as it passes.
    #[track_caller]
    fn inspect<F>(self, call: F) -> Planned<Self, Then<Self::Plan, Inspect<F>>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>),
        F: Shippable,
    {
        then(self, Inspect(call), Location::caller())
    }

    /// Keeps a share of the records, chosen as if at random: `.sample(0.01)` keeps about one in a hundred. It has no state, and is fused with its neighbours.
    ///
    /// Which records are kept depends on what is in them, on their event time, and on where in the job this stands; not on when they come, on the parallelism, or on the order of
    /// records. So after a failure the same ones are kept, and records that are equal in all of that are kept together or not at all. Each `sample` of a job chooses for itself: two
    /// behind each other, of 0.5 each, keep a quarter. A job that was changed may choose others.
    ///
    /// The job is not built if the share is not from 0 to 1.
    #[track_caller]
    fn sample(self, fraction: f64) -> Planned<Self, Then<Self::Plan, Sample<Self::Out>>> {
        thinned::sample(self, fraction, Location::caller())
    }

    /// Lets at most so many records through, in all subtasks together: `.throttle(1_000.per_second())`. What comes faster waits where it is, and so who sends it is held up.
    ///
    /// Each subtask has an equal share of the rate, whether the others use theirs or not, and lets records through in slots of ten milliseconds, or one by one where the rate is so
    /// low. What a slot does not use is gone: over any stretch of time there are as many records as the rate brings meanwhile, and those of a slot more. Nothing is dropped,
    /// records and watermarks keep their order, and a job goes on from a checkpoint with a new slot.
    ///
    /// It stands at the head of a chain of its own. A barrier of a checkpoint comes through when the records in front of it have, which are as many as the channel holds. Where that
    /// takes too long, throttle a keyed stream, and let barriers overtake (`checkpoint.alignment-timeout`).
    #[track_caller]
    fn throttle<R: IsRate>(self, rate: R) -> Planned<Self, Throttled<Self::Out>> {
        thinned::throttle(self, rate.rate(), Location::caller())
    }

    /// Puts in a function annotated with `#[map]`, `#[filter]`, `#[flat_map]` or `#[filter_map]`: `.then(clean)`. Unlike a closure it may return what borrows
    /// from its record.
    #[track_caller]
    fn then<F, O, Via>(self, function: F) -> When<O::Error, Planned<Self, Then<Self::Plan, O>>>
    where
        F: Annotated<O, Via>,
        O: Operator<Self::Out>,
    {
        then(self, function.make(), Location::caller())
    }

    /// Puts in an [`Operator`] of one's own: with fields, and hooks for the beginning, the end and checkpoints.
    #[track_caller]
    fn operator<O>(self, operator: O) -> When<O::Error, Planned<Self, Then<Self::Plan, O>>>
    where
        O: Operator<Self::Out>,
    {
        then(self, operator, Location::caller())
    }

    /// Puts in a process function: a type with an impl block under `#[process]`. One whose functions take a `KeyedContext` keeps state and sets timers for each
    /// key, and stands behind `.key_by(..)` or `.key_with(..)`; one with a `Context` keeps state for each subtask, and takes any stream.
    #[track_caller]
    fn process<F, Via>(self, function: F) -> <Self as Feeds<F, Via>>::Processed
    where
        F: Processor<Via>,
        Self: Feeds<F, Via>,
    {
        self.feed(function, Location::caller())
    }

    /// Groups by a key; the closure returns an owned one (an integer, a `String`, a tuple of these). To key by a part of the record without copying it
    /// use [`Stream::key_with`].
    #[track_caller]
    fn key_by<F, K>(self, key: F) -> When<K::KeyProof, Keyed<Self::Plan, KeyBy<F, K>, Self::Time, Self::Guarantee>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> K,
        F: Shippable,
        K: millstream_core::key::Key,
    {
        Keyed::new(self.into_chain(), KeyBy::new(key), Location::caller())
    }

    /// Groups by a key that a function annotated with `#[key]` selects; it may borrow from the record: `.key_with(industry)`.
    #[track_caller]
    fn key_with<F, K, Via>(self, key: F) -> When<K::Key, Keyed<Self::Plan, K, Self::Time, Self::Guarantee>>
    where
        F: Annotated<K, Via>,
        K: KeyFn<Self::Out>,
    {
        Keyed::new(self.into_chain(), key.make(), Location::caller())
    }

    /// Puts this stream beside another of any record type, for a process function on both, with `on_left` for the records of this one and `on_right` for those of the
    /// other: `orders.key_by(|order| order.id).connect(payments.key_by(|payment| payment.order)).process(Match)`. Both are keyed, by one type, or neither is, or this one
    /// is keyed and the other [broadcast](Stream::broadcast); and both have event time or neither has.
    ///
    /// On keyed streams state and timers are those of a key, whichever stream has it. Without key each record stays in the subtask in which it is, by number,
    /// and the function has state of that subtask's own.
    ///
    /// With `payments.key_by(..).connect(rules.broadcast())` every subtask gets all rules, and remembers what `on_right` makes of them as its broadcast state, which `on_left`
    /// reads together with the state of its key; see [`KeyedBroadcastProcessFunction`](crate::process::KeyedBroadcastProcessFunction).
    ///
    /// Records of one stream and key, or subtask, keep their order; there is none between the two, and event time is as far as the stream that is behind.
    #[track_caller]
    fn connect<R>(self, right: R) -> Beside<Self, R, Connected<Self, R>>
    where
        R: Stream,
        R::KeyedBy: KeyedAs<Self::KeyedBy>,
        R::Time: OneTime<Self::Time>,
    {
        Connected::new(self, right, Location::caller())
    }

    /// Joins this stream with another of any record type, by key: `auctions.key_by(|auction| auction.seller).join(persons.key_by(|person| person.id))`. It is then said
    /// how: as records come, by [`inner`](Joined::inner) or [`semi`](Joined::semi); or by [`window`](Joined::window), and then also left, right, full and anti.
    ///
    /// Both are keyed, by one type, and have event time or have none.
    #[track_caller]
    fn join<R>(self, right: R) -> Alike<Self, R, Joined<Self, R>>
    where
        Self: IsKeyed,
        R: Stream,
        R: IsKeyed,
        R::Key: OneKey<Self::Key>,
        R::Time: OneTime<Self::Time>,
    {
        Joined::new(self, right, Location::caller())
    }

    /// Windows over the records of each key; an aggregate makes a stream of them again.
    #[track_caller]
    fn window<W>(self, windows: W) -> When<Self::Proof, Windowed<Self, W>>
    where
        Self: IsKeyed,
        W: WindowsOn<Self::Time>,
        W: RecordAssigner<Self::Out>,
    {
        Windowed::new(self, windows, Location::caller())
    }

    /// Windows over all records, whatever their keys: the results are `((), window, result)`.
    ///
    /// One subtask has them all. What merges (see [`Of`]) is combined before it is sent there, so that it has little to do.
    #[track_caller]
    fn window_all<W>(self, windows: W) -> Windowed<Keyed<Self::Plan, Everything, Self::Time, Self::Guarantee>, W>
    where
        W: WindowsOn<Self::Time>,
        W: RecordAssigner<Self::Out>,
    {
        let location = Location::caller();
        Windowed::new(Keyed::new(self.into_chain(), Everything, location), windows, location)
    }

    /// Aggregates each key's records as they come: every record of a key puts out the key's new result, `(key, Rolling(result))`, with the time of the
    /// record: `.rolling(|of| of.count())`. Each result replaces the one before; [`Stream::at_end`] puts out only the last, [`Stream::window`] one
    /// for each window.
    ///
    /// A result is made for every record, so what takes long to make (a list, a sketch) takes that long each time. The state is in memory and grows
    /// with the number of keys.
    #[track_caller]
    fn rolling<A>(
        self,
        aggregate: impl FnOnce(Of<Self::Out>) -> A,
    ) -> When<Self::Proof, When<A::Out, RollingStream<Self, A>>>
    where
        Self: IsKeyed,
        A: Aggregate<Self::Out>,
    {
        RollingStream::new(self, aggregate(Of::new()), "rolling", Location::caller())
    }

    /// Combines each key's records two by two, as they come: every record puts out what the key's records are together, `(key, Rolling(record))`,
    /// with the time of the record. It is [`Stream::rolling`] by a function that joins two records; in windows it is
    /// [`Windowed::reduce`], once at the end `.at_end(|of| of.reduce(..))`.
    #[track_caller]
    fn reduce<F>(self, combine: F) -> When<Self::Proof, RollingStream<Self, Reduce<F>>>
    where
        Self: IsKeyed,
        F: for<'a, 'b> Fn(<Self::Out as Record>::View<'a>, <Self::Out as Record>::View<'b>) -> Self::Out,
        F: Shippable,
    {
        RollingStream::new(self, Of::new().reduce(combine), "reduce", Location::caller())
    }

    /// Aggregates all of each key's records, and puts out one result for each key at the end of the input, `(key, result)`: `.at_end(|of| of.count())`.
    /// An input that never ends brings none. The time of the results is the last there is.
    ///
    /// What can be merged (see [`Of`]) is combined before it is sent.
    #[track_caller]
    fn at_end<A>(
        self,
        aggregate: impl FnOnce(Of<Self::Out>) -> A,
    ) -> When<Self::Proof, When<A::Out, AtEndStream<Self, A>>>
    where
        Self: IsKeyed,
        A: Aggregate<Self::Out>,
    {
        AtEndStream::new(self, aggregate(Of::new()), Location::caller())
    }

    /// Records of several streams of one type, in no order among them.
    #[track_caller]
    fn union<S>(self, other: S) -> Behind<Self>
    where
        S: SameStream<Self>,
        S: Stream,
    {
        let reader = self.new_draft();
        self.end_at(&reader, 0);
        other.end_at(&reader, 0);
        Sealed::reading(reader)
    }

    /// Two streams of the same records. What follows runs in the same task up to the next exchange, unless it has another parallelism or a sink, or begins with
    /// [`Stream::new_chain`]; for those in tasks of their own each buffer is built once and shared by reference.
    fn fork(self) -> (Behind<Self>, Behind<Self>) {
        let [first, second] = self.forks();
        (first, second)
    }

    /// Any number of streams of the same records: `let [a, b, c] = stream.forks();`.
    fn forks<const N: usize>(self) -> [Behind<Self>; N] {
        self.into_chain().fork()
    }

    /// Two streams: the records for which the predicate holds, and the rest. As to tasks it is as with [`Stream::fork`].
    #[track_caller]
    fn split<F>(self, predicate: F) -> (Behind<Self>, Behind<Self>)
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> bool,
        F: Shippable,
    {
        self.into_chain().split(predicate, Location::caller())
    }

    /// Gives the stream event time: that of the field marked with `#[record(event_time)]`. The strategy says how far it has come:
    /// [`out_of_order`](crate::event_time::out_of_order), [`monotonous`](crate::event_time::monotonous) or one of your own.
    ///
    /// Directly behind a source, watermarks are made by split, and none passes as long as a bounded split (a part of a file) waits to be read: so
    /// results do not depend on which subtask reads which part first.
    #[track_caller]
    fn event_time<S>(
        self,
        strategy: S,
    ) -> When<<Self::Out as HasEventTime>::Proof, When<S::Generator, Clocked<Self, OwnTime, S>>>
    where
        Self::Out: HasEventTime,
        S: WatermarkStrategy<Self::Out>,
    {
        Pipeline { chain: self.into_chain().event_time(OwnTime, strategy, Location::caller()), time: PhantomData }
    }

    /// Makes watermarks for a stream whose source gives its records their times, such as `generate(..).event_time(..)`.
    #[track_caller]
    fn watermarks<S>(self, strategy: S) -> When<S::Generator, Clocked<Self, GivenTime, S>>
    where
        Self::Time: HasTimes,
        S: WatermarkStrategy<Self::Out>,
    {
        Pipeline { chain: self.into_chain().event_time(GivenTime, strategy, Location::caller()), time: PhantomData }
    }

    /// Gives the stream event time: that which the function says of each record.
    #[track_caller]
    fn event_time_by<F, S>(self, time_of: F, strategy: S) -> When<S::Generator, Clocked<Self, ByTime<F>, S>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> Timestamp,
        F: Shippable,
        S: WatermarkStrategy<Self::Out>,
    {
        Pipeline {
            chain: self.into_chain().event_time(ByTime(time_of), strategy, Location::caller()),
            time: PhantomData,
        }
    }

    /// Gives the stream ingestion time: a record happens when it gets here, by the clock on the wall, which is read once per step of a task. Within a
    /// subtask it never goes back, even if the clock is set back, and so nothing is late for what a subtask sends. Watermarks follow
    /// the clock, whether records come or not; so there is no strategy to choose.
    ///
    /// Results differ from run to run, and after a failure records that are read again get new times: use [`Stream::event_time`] where records say when they
    /// happened.
    ///
    /// ```
    /// use millstream_core::time::DurationExt;
    /// use millstream_runtime::{
    ///     stream::{EventTime, Stream},
    ///     windows::tumbling,
    /// };
    ///
    /// fn per_minute(lines: impl Stream<Out = String>) -> impl Stream<Time = EventTime> {
    ///     lines.ingestion_time().key_by(|line| line.len() as u64).window(tumbling(1.minutes())).aggregate(|of| of.count())
    /// }
    /// ```
    #[track_caller]
    fn ingestion_time(self) -> Pipeline<WithIngestionTime<Self::Plan>, EventTime, Self::Guarantee> {
        let Chain { plan: before, mut draft } = self.into_chain();
        draft.operator(OperatorInfo::new("ingestion_time", "", Location::caller()));
        Pipeline { chain: Chain { plan: WithIngestionTime { before }, draft }, time: PhantomData }
    }

    /// Ends the chain and gives the stream a type that can be named: for branches of an `if`, and for a union in a loop.
    fn sealed(self) -> Behind<Self> {
        self.into_chain().share(EdgeKind::Forward)
    }

    /// The operators that follow run in tasks of their own, subtask to subtask.
    fn new_chain(self) -> Behind<Self> {
        self.sealed()
    }

    /// Runs operators in a chain of their own, apart from those before and behind: `.unchained(|stream| stream.map(slow))`.
    fn unchained<S>(self, operators: impl FnOnce(Behind<Self>) -> S) -> Behind<S>
    where
        S: Stream,
    {
        operators(self.sealed()).sealed()
    }

    /// Spreads records evenly, in turn.
    #[track_caller]
    fn rebalance(self) -> Behind<Self> {
        self.into_chain().partition(Rebalance, Location::caller())
    }

    /// Spreads buffers in turn among the subtasks nearest by number, which saves connections where one parallelism is a multiple of the other.
    fn rescale(self) -> Behind<Self> {
        self.into_chain().share(EdgeKind::Rescale)
    }

    /// Spreads records at random.
    #[track_caller]
    fn shuffle(self) -> Behind<Self> {
        self.into_chain().partition(Shuffle, Location::caller())
    }

    /// Sends every record to every subtask. `keyed.connect(rules.broadcast())` gives all keys of another stream what this one brings; see [`connect`](Stream::connect).
    fn broadcast(self) -> Broadcasted<Self::Plan, Self::Time, Self::Guarantee> {
        Broadcasted::new(self.into_chain())
    }

    /// Sends all records to the first subtask.
    fn global(self) -> Behind<Self> {
        self.into_chain().share(EdgeKind::Global)
    }

    /// Sends each subtask's records to the subtask of the same number.
    fn forward(self) -> Behind<Self> {
        self.sealed()
    }

    /// Chooses the subtask of every record: the closure gets the record and the number of subtasks.
    #[track_caller]
    fn partition_by<F>(self, choose: F) -> Behind<Self>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>, usize) -> usize,
        F: Shippable,
    {
        self.into_chain().partition(Custom(choose), Location::caller())
    }

    /// Writes the stream out. Every stream of a job has to end so. What the job promises the sink must keep ([`Sink::Guarantee`]), or the job does not
    /// compile. Where a job has several, [`Sink::uid`] tells them apart.
    #[track_caller]
    fn sink<S>(self, sink: S)
    where
        S: Sink<In = Self::Out>,
    {
        const { check::<S::Guarantee, Self::Guarantee>() };
        let Chain { plan, mut draft } = self.into_chain();
        let mut info = OperatorInfo::new(SINK, &sink.name(), Location::caller()).stateful();
        info.uid = sink.given_uid().map(str::to_owned);
        let index = draft.operator(info);
        let sink = Arc::new(sink);
        let driver = Box::new(sink::Driver(Arc::clone(&sink)));
        let make = move |cx: &mut ChainContext<'_>| {
            let tail = SinkTail::open(&sink, cx, index)?;
            Ok(Box::new(plan.chain(cx, tail)?) as Box<dyn Head>)
        };
        draft.end(Box::new(make), Some(driver));
    }

    /// What belongs to the strategy; see [`IsStrategy`].
    #[doc(hidden)]
    fn aligned<A, B>(self, _: A, _: B) -> When<Self::Proof, Self>
    where
        Self: IsStrategy,
    {
        unreachable!("nothing implements this bound")
    }

    /// What belongs to the strategy; see [`IsStrategy`].
    #[doc(hidden)]
    fn with_idleness<A>(self, _: A) -> When<Self::Proof, Self>
    where
        Self: IsStrategy,
    {
        unreachable!("nothing implements this bound")
    }

    /// Behind what rejects no records; see [`Rejects`].
    #[doc(hidden)]
    fn skip_errors(self) -> When<Self::Proof, Self>
    where
        Self: Rejects,
    {
        unreachable!("nothing implements this bound")
    }

    /// Behind what rejects no records; see [`Rejects`].
    #[doc(hidden)]
    fn divert_errors(self) -> When<Self::Proof, (Self, Self)>
    where
        Self: Rejects,
    {
        unreachable!("nothing implements this bound")
    }

    /// Names the last operator, for plans, metrics and messages. A stateful operator's state is found again by its `uid` or else by this name.
    fn name(self, name: &str) -> Planned<Self, Self::Plan> {
        adjust(self, |draft| {
            if let Some(operator) = draft.last() {
                name.clone_into(&mut operator.name);
            }
        })
    }

    /// The id under which the last operator's state is kept, whatever becomes of names and structure.
    fn uid(self, uid: &str) -> Planned<Self, Self::Plan> {
        adjust(self, |draft| {
            if let Some(operator) = draft.last() {
                operator.uid = Some(uid.to_owned());
            }
        })
    }

    /// How many key groups this chain's key is sorted into, and with it the bound of its parallelism for ever; otherwise that of the job.
    #[track_caller]
    fn max_parallelism(self, max_parallelism: u32) -> Planned<Self, Self::Plan> {
        adjust(self, |draft| draft.max_parallelism(max_parallelism))
    }

    /// How many subtasks this chain has; otherwise as many as the job says. All operators of a chain have the same: `.rebalance()` begins another.
    ///
    /// A branch where a stream parts (`fork`, `split`, side outputs and so on) is a chain, too: it has as many as the job says, unless it says otherwise itself. If that is
    /// another number than in front, records are dealt out to the subtasks of the branch in turns, and lose their order.
    ///
    /// ```
    /// # use millstream_runtime::stream::Stream;
    /// # fn job(numbers: impl Stream<Out = u64>) -> impl Stream<Out = u64> {
    /// let (even, odd) = numbers.parallelism(1).split(|n| n % 2 == 0);
    /// even.map(|n| n / 2).parallelism(1).union(odd.parallelism(1))
    /// # }
    /// ```
    #[track_caller]
    fn parallelism(self, parallelism: usize) -> Planned<Self, Self::Plan> {
        let location = Location::caller();
        adjust(self, |draft| draft.parallelism(parallelism, location))
    }

    /// Puts this chain into a slot sharing group. In a cluster a slot has at most one subtask of each chain, and only of chains of one group: what is heavy is kept apart by
    /// a group of its own, and the job takes as many slots as the widest chains of its groups have subtasks, in sum.
    ///
    /// A chain that says nothing goes with those that it reads, if they are all in one group, and otherwise into the group `default`. A run in one process has no slots.
    ///
    /// Semantics: Apache Flink, DataStream API, "Operators", "Set slot sharing group".
    ///
    /// ```
    /// # use millstream_runtime::stream::Stream;
    /// # fn job(numbers: impl Stream<Out = u64>) -> impl Stream<Out = u64> {
    /// numbers.rebalance().map(|n| (0..n).fold(0, u64::wrapping_add)).slot_sharing_group("heavy")
    /// # }
    /// ```
    #[track_caller]
    fn slot_sharing_group(self, group: &str) -> Planned<Self, Self::Plan> {
        let location = Location::caller();
        adjust(self, |draft| draft.slot_sharing_group(group, location))
    }
}

/// Puts an operator on single records behind a stream.
fn then<S: Stream, O: Operator<S::Out>>(stream: S, operator: O, location: Location) -> Planned<S, Then<S::Plan, O>> {
    Pipeline { chain: stream.into_chain().then(operator, location), time: PhantomData }
}

fn adjust<S: Stream>(stream: S, change: impl FnOnce(&mut Draft)) -> Planned<S, S::Plan> {
    let mut chain = stream.into_chain();
    change(&mut chain.draft);
    Pipeline { chain, time: PhantomData }
}
