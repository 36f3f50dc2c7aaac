//! Two streams beside each other: [`Connected`], and what streams that are connected or joined must have in common.

use std::marker::PhantomData;

use millstream_core::{proof::When, record::Record};

use super::{
    Chain, KeyedStream, Mistaken, Pipeline, Planned, Processor, SameKey, SameRecord, Sealed, Stream, WithKey,
    WithoutKey, keyed::IsKeyed,
};
use crate::{
    exchange::partition::ByKey,
    failure::Location,
    graph::{Draft, OperatorInfo},
    operator::KeyFn,
    operators::{
        fused::{Fail, Then},
        input::InputOfBoth,
    },
    process::{EitherKey, KeyedProcessFunction, OfTwo, ProcessFunction, ProcessPlan, Unkeyed, describe},
    task::head::Two,
};

/// The check that two streams are keyed by one type.
#[diagnostic::on_unimplemented(
    message = "one stream is keyed by `{K}`, and the other by `{Self}`",
    label = "keyed by `{Self}`",
    note = "records meet whose keys are equal, so both keys are of one type: change one of the two `.key_by(..)`"
)]
pub trait OneKey<K> {
    #[doc(hidden)]
    type Proof;
}
#[diagnostic::do_not_recommend]
impl<K> OneKey<K> for K {
    type Proof = ();
}

/// The check that two streams are keyed by one type, or that neither has a key, or that the right one is broadcast.
#[diagnostic::on_unimplemented(
    message = "one of these streams is keyed by `{K}`, and the other by `{Self}`",
    label = "`{Self}` here, `{K}` in front",
    note = "key both, by one type: `left.key_by(..).connect(right.key_by(..))`; or neither, for a function that takes `cx: &mut Context<'_, Out>`",
    note = "if all keys are to see what comes on the right, give it to every subtask: `left.key_by(..).connect(right.broadcast())`"
)]
pub trait KeyedAs<K> {
    #[doc(hidden)]
    type Proof;
}
#[diagnostic::do_not_recommend]
impl<K> KeyedAs<K> for K {
    type Proof = ();
}

/// The check that two streams have event time, or that neither has.
#[diagnostic::on_unimplemented(
    message = "one of these streams has event time, and the other has none",
    label = "`{Self}` here, `{Time}` in front",
    note = "give it to the one that lacks it, in front of its `.key_by(..)`: `.event_time(out_of_order(5.seconds()))`, or `.event_time_by(|record| .., ..)`"
)]
pub trait OneTime<Time> {
    #[doc(hidden)]
    type Proof;
}
#[diagnostic::do_not_recommend]
impl<Time> OneTime<Time> for Time {
    type Proof = ();
}

/// `X`, where `L` and `R` are keyed by one type and agree on event time.
pub type Alike<L, R, X> = When<
    <L as IsKeyed>::Proof,
    When<
        <<R as IsKeyed>::Key as OneKey<<L as IsKeyed>::Key>>::Proof,
        When<<<R as Stream>::Time as OneTime<<L as Stream>::Time>>::Proof, X>,
    >,
>;

/// `X`, where `L` and `R` are both keyed by one type or both without key, or `R` is broadcast, and both agree on event time.
pub type Beside<L, R, X> = When<
    <<R as Stream>::KeyedBy as KeyedAs<<L as Stream>::KeyedBy>>::Proof,
    When<<<R as Stream>::Time as OneTime<<L as Stream>::Time>>::Proof, X>,
>;

/// Two streams, for a process function with `on_left` and `on_right`. See [`Stream::connect`].
#[must_use = "connected streams do nothing without a function: add `.process(..)`"]
pub struct Connected<L, R> {
    left: L,
    right: R,
    location: Location,
}

impl<L, R> Connected<L, R> {
    pub(super) fn new(left: L, right: R, location: Location) -> Self {
        Self { left, right, location }
    }

    /// The streams, and where they are connected.
    pub(super) fn into_parts(self) -> (L, R, Location) {
        (self.left, self.right, self.location)
    }

    /// Puts in a process function on both streams: a type with an impl block under `#[process]` that has `on_left` and `on_right`. One whose functions take a
    /// `KeyedContext` keeps state and sets timers for each key of streams that have one; one with a `Context` keeps state for each subtask, and takes any. One whose `on_left`
    /// takes a `KeyedContext` and whose `on_right` a `Context` reads for each key what a stream that is broadcast has told all subtasks.
    #[track_caller]
    pub fn process<F, Via>(self, function: F) -> <Self as FeedsBoth<F, Via>>::Processed
    where
        F: CoProcessor<Via>,
        Self: FeedsBoth<F, Via>,
    {
        self.feed(function, Location::caller())
    }
}

/// What `.connect(..).process(..)` takes: a type with an impl block under `#[process]` that has `on_left` and `on_right`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not process two connected streams",
    label = "not a function of two inputs",
    note = "put `#[process]` on an `impl` block of the type that has `on_left(&mut self, trade: TradeView<'_>, cx: &mut KeyedContext<'_, Key, Out>)` and `on_right(..)`, and let the type be `Clone`",
    note = "where the right stream is broadcast to the keys of the left one, `on_right` takes `cx: &mut Context<'_, Out>`",
    note = "a function with `on_record` takes one stream: `.process(..)`"
)]
pub trait CoProcessor<Via> {}

#[diagnostic::do_not_recommend]
impl<F: KeyedProcessFunction<In: OfTwo>> CoProcessor<WithKey> for F {}
#[diagnostic::do_not_recommend]
impl<F: ProcessFunction<In: OfTwo>> CoProcessor<WithoutKey> for F {}
#[diagnostic::do_not_recommend]
impl<F: Processor<Mistaken<Out>>, Out> CoProcessor<Mistaken<Out>> for F {}

type LeftOf<In> = <In as OfTwo>::Left;
type RightOf<In> = <In as OfTwo>::Right;

/// The check that a function fits the two streams.
pub trait FeedsBoth<F, Via>: Sized {
    /// The stream behind the function.
    type Processed;
    #[doc(hidden)]
    fn feed(self, function: F, location: Location) -> Self::Processed;
}

impl<L, R, F> FeedsBoth<F, WithKey> for Connected<L, R>
where
    L: KeyedStream,
    R: KeyedStream<Key = L::Key>,
    F: KeyedProcessFunction<In: OfTwo>,
    L::Out: SameRecord<LeftOf<F::In>>,
    R::Out: SameRecord<RightOf<F::In>>,
    L::Key: SameKey<F::Key>,
{
    type Processed = When<
        <L::Out as SameRecord<LeftOf<F::In>>>::Proof,
        When<
            <R::Out as SameRecord<RightOf<F::In>>>::Proof,
            When<<L::Key as SameKey<F::Key>>::Proof, Planned<L, ProcessedBoth<L, R, F>>>,
        >,
    >;

    fn feed(self, function: F, location: Location) -> Self::Processed {
        let Self { left, right, location: meeting } = self;
        let location = function.location().unwrap_or(location);
        let info = OperatorInfo::new("process", function.name(), location);
        process_both(left, right, function, info, meeting)
    }
}

/// The plan of a function on two streams.
pub type ProcessedBoth<L, R, F> = ProcessPlan<
    Two<<L as Stream>::Out, <R as Stream>::Out>,
    EitherKey<<L as KeyedStream>::KeyFn, <R as KeyedStream>::KeyFn>,
    F,
>;

/// Puts a function on two streams behind them.
pub(super) fn process_both<L, R, F>(
    left: L,
    right: R,
    function: F,
    mut info: OperatorInfo,
    location: Location,
) -> Planned<L, ProcessedBoth<L, R, F>>
where
    L: KeyedStream,
    R: KeyedStream<Key = L::Key>,
    F: KeyedProcessFunction,
{
    let (key, mut draft) = meet(left, right, location);
    if info.name.is_empty() {
        KeyFn::<L::Out>::name(&key.left).clone_into(&mut info.name);
    }
    let index = draft.operator(info.stateful().states(describe::<F>()));
    let sides = F::Sides::default();
    let plan = ProcessPlan { key, function, sides, on_error: Fail, index, inputs: PhantomData };
    Pipeline { chain: Chain { plan, draft }, time: PhantomData }
}

impl<L, R, F> FeedsBoth<F, WithoutKey> for Connected<L, R>
where
    L: Stream,
    R: Stream,
    F: ProcessFunction<In: OfTwo>,
    L::Out: SameRecord<LeftOf<F::In>>,
    R::Out: SameRecord<RightOf<F::In>>,
{
    type Processed = When<
        <L::Out as SameRecord<LeftOf<F::In>>>::Proof,
        When<<R::Out as SameRecord<RightOf<F::In>>>::Proof, Planned<L, ProcessedUnkeyed<L, R, F>>>,
    >;

    fn feed(self, function: F, location: Location) -> Self::Processed {
        let Self { left, right, .. } = self;
        let mut draft = left.new_draft();
        left.end_at(&draft, 0);
        right.end_at(&draft, 1);
        let operator = Unkeyed::new(function);
        let index = draft.operator(OperatorInfo::of(&operator, location));
        let plan = Then { before: InputOfBoth(PhantomData), operator, on_error: Fail, index };
        Pipeline { chain: Chain { plan, draft }, time: PhantomData }
    }
}

/// The plan of a function without key on two streams.
pub type ProcessedUnkeyed<L, R, F> = Then<InputOfBoth<<L as Stream>::Out, <R as Stream>::Out>, Unkeyed<F>>;

/// How nothing is a [`CoProcessor`]. As long as a function may fit the streams in two ways, rustc tells of [`CoProcessor`] alone, if that fails; otherwise it is up to that
/// which way it is.
#[doc(hidden)]
#[derive(Debug)]
pub struct InNoWay;

#[diagnostic::do_not_recommend]
impl<L: Stream, R, F> FeedsBoth<F, InNoWay> for Connected<L, R> {
    type Processed = ();

    fn feed(self, _: F, _: Location) {}
}

/// After a mistake that `#[process]` has told of, there is nothing more to say of the streams.
#[diagnostic::do_not_recommend]
impl<L: Stream, R, F, Out: Record> FeedsBoth<F, Mistaken<Out>> for Connected<L, R> {
    type Processed = Sealed<Out, L::Time, L::Guarantee>;

    fn feed(self, _: F, _: Location) -> Self::Processed {
        unreachable!("a mistake stands above")
    }
}

/// Ends two streams with exchanges by key, to the two ports of a chain that begins. Gives the key of either, and the chain.
pub(super) fn meet<L: KeyedStream, R: KeyedStream>(
    left: L,
    right: R,
    location: Location,
) -> (EitherKey<L::KeyFn, R::KeyFn>, Draft) {
    let draft = left.new_draft();
    let (before, left) = left.into_keyed();
    before.partition_to::<L::Time>(ByKey(left.clone()), location, &draft, 0);
    let (before, right) = right.into_keyed();
    before.partition_to::<R::Time>(ByKey(right.clone()), location, &draft, 1);
    (EitherKey { left, right }, draft)
}
