//! `.process(..)`: process functions in a stream, with key or without.

use std::marker::PhantomData;

use millstream_core::record::Record;

use super::{Chain, Guarantee, Keyed, KeyedStream, Pipeline, Plan, Planned, Sealed, Stream, TimeDomain};
use crate::{
    exchange::partition::ByKey,
    failure::Location,
    graph::OperatorInfo,
    operator::KeyFn,
    operators::fused::{Fail, Then},
    process::{KeyedProcessFunction, ProcessFunction, ProcessPlan, Unkeyed, describe},
    task::head::One,
};

/// What `.process(..)` takes: a type with an impl block under `#[process]`. `Via` says whether its functions want a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process function",
    label = "not a process function",
    note = "put `#[process]` on an `impl` block of the type, with `fn on_record(&mut self, record: TradeView<'_>, cx: &mut KeyedContext<'_, Key, Out>)`, and let the type be `Clone`",
    note = "one with `on_left` and `on_right` takes two streams: `left.key_by(..).connect(right.key_by(..)).process(..)`",
    note = "an operator without state or timers is a function annotated with `#[map]`, `#[filter]` .. in `.then(..)`, or a closure in `.map(..)`, `.filter(..)` .."
)]
pub trait Processor<Via> {}

/// How [`Processor`] is fulfilled: by a function with a `KeyedContext`.
#[derive(Debug)]
pub struct WithKey;

/// How [`Processor`] is fulfilled: by a function with a `Context`.
#[derive(Debug)]
pub struct WithoutKey;

/// How [`Processor`] is fulfilled: by a block in which `#[process]` has found mistakes; what it puts out.
#[doc(hidden)]
#[derive(Debug)]
pub struct Mistaken<Out>(PhantomData<fn() -> Out>);

#[diagnostic::do_not_recommend]
impl<F: KeyedProcessFunction> Processor<WithKey> for F {}

#[diagnostic::do_not_recommend]
impl<F: ProcessFunction> Processor<WithoutKey> for F {}

/// The check that a function fits its stream.
#[diagnostic::on_unimplemented(
    message = "this stream has no key that `{F}` could process it by",
    label = "not on this stream",
    note = "a function with a `KeyedContext` stands behind `.key_by(|record| ..)` or `.key_with(my_key)`",
    note = "one that needs neither timers nor state for each key takes `cx: &mut Context<'_, Out>`, and any stream"
)]
pub trait Feeds<F, Via>: Sized {
    /// The stream behind the function.
    type Processed;
    #[doc(hidden)]
    fn feed(self, function: F, location: Location) -> Self::Processed;
}

/// The check of the record type.
#[diagnostic::on_unimplemented(
    message = "this function processes records of type `{T}`, and the stream has records of type `{Self}`",
    label = "takes `{T}`",
    note = "the record type of a process function is that of the view which its `on_record` takes; with `on_left` and `on_right` it has one for each of two streams: `left.connect(right).process(..)`"
)]
pub trait SameRecord<T> {
    #[doc(hidden)]
    type Proof;
}
#[diagnostic::do_not_recommend]
impl<T> SameRecord<T> for T {
    type Proof = ();
}

/// The check of the key's type.
#[diagnostic::on_unimplemented(
    message = "this function has a context of keys of type `{K}`, and the stream is keyed by `{Self}`",
    label = "keyed by `{Self}`",
    note = "the first type in `KeyedContext<'_, Key, Out>` is what `.key_by(..)` or the `#[key]` function gives, as an owned type: `String` for `&str`"
)]
pub trait SameKey<K> {
    #[doc(hidden)]
    type Proof;
}
#[diagnostic::do_not_recommend]
impl<K> SameKey<K> for K {
    type Proof = ();
}

impl<P, K, Time, G, F> Feeds<F, WithKey> for Keyed<P, K, Time, G>
where
    P: Plan,
    K: KeyFn<P::Out>,
    Time: TimeDomain,
    G: Guarantee,
    F: KeyedProcessFunction,
    P::Out: SameRecord<F::In>,
    K::Key: SameKey<F::Key>,
{
    type Processed = Pipeline<ProcessPlan<One<P::Out>, K, F>, Time, G>;

    fn feed(self, function: F, location: Location) -> Self::Processed {
        let (before, key) = self.into_keyed();
        let mut draft = before.partition::<Time, G>(ByKey(key.clone()), location).chain.draft;
        let location = function.location().unwrap_or(location);
        let info = OperatorInfo::new("process", function.name(), location).stateful().states(describe::<F>());
        let index = draft.operator(info);
        let plan =
            ProcessPlan { key, function, sides: F::Sides::default(), on_error: Fail, index, inputs: PhantomData };
        Pipeline { chain: Chain { plan, draft }, time: PhantomData }
    }
}

impl<S: Stream, F: ProcessFunction> Feeds<F, WithoutKey> for S
where
    S::Out: SameRecord<F::In>,
{
    type Processed = Planned<S, Then<S::Plan, Unkeyed<F>>>;

    fn feed(self, function: F, location: Location) -> Self::Processed {
        let Chain { plan: before, mut draft } = self.into_chain();
        let operator = Unkeyed::new(function);
        let index = draft.operator(OperatorInfo::of(&operator, location));
        let plan = Then { before, operator, on_error: Fail, index };
        Pipeline { chain: Chain { plan, draft }, time: PhantomData }
    }
}

/// After a mistake that `#[process]` has told of, there is nothing more to say of the stream.
#[diagnostic::do_not_recommend]
impl<S: Stream, F: Processor<Mistaken<Out>>, Out: Record> Feeds<F, Mistaken<Out>> for S {
    type Processed = Sealed<Out, S::Time, S::Guarantee>;

    fn feed(self, _: F, _: Location) -> Self::Processed {
        unreachable!("a mistake stands above")
    }
}
