//! Keyed streams: all records of a key meet in one subtask.

use std::marker::PhantomData;

use millstream_core::{key::Key, record::Record};

use super::{Chain, Guarantee, Plan, Sealed, Stream, TimeDomain};
use crate::{
    exchange::partition::ByKey,
    failure::Location,
    graph::Draft,
    operator::{KeyFn, Shippable},
    operators::input::Input,
};

/// A stream with a key. Windows and aggregates use it; any other operator takes it as a stream whose records are where their key is.
#[must_use = "a stream that reaches no sink does nothing: end it with `.sink(..)`"]
pub struct Keyed<P, K, Time, G> {
    chain: Chain<P>,
    key: K,
    location: Location,
    time: PhantomData<fn() -> (Time, G)>,
}

impl<P, K, Time, G> Keyed<P, K, Time, G> {
    pub(crate) fn new(chain: Chain<P>, key: K, location: Location) -> Self {
        Self { chain, key, location, time: PhantomData }
    }
}

impl<P, K, Time, G> Stream for Keyed<P, K, Time, G>
where
    P: Plan,
    K: KeyFn<P::Out>,
    Time: TimeDomain,
    G: Guarantee,
{
    type Out = P::Out;
    type Time = Time;
    type Guarantee = G;
    type KeyedBy = K::Key;
    type Plan = Input<P::Out>;

    fn into_chain(self) -> Chain<Input<P::Out>> {
        let keyed: Sealed<P::Out, Time, G> = self.chain.partition(ByKey(self.key), self.location);
        keyed.chain
    }

    fn end_at(self, reader: &Draft, port: u8) {
        self.chain.partition_to::<Time>(ByKey(self.key), self.location, reader, port);
    }

    fn new_draft(&self) -> Draft {
        Draft::new(self.chain.draft.graph())
    }
}

/// What a stream without key is keyed by.
#[derive(Debug, Clone, Copy)]
pub struct NoKey;

/// The check of what needs a key.
#[diagnostic::on_unimplemented(
    message = "windows, joins and aggregates need a key, and this stream has none",
    label = "this stream is not keyed",
    note = "insert `.key_by(|record| ..)` or `.key_with(my_key)` in front of it"
)]
pub trait IsKeyed {
    #[doc(hidden)]
    type Proof;
    /// The type of the key.
    type Key: Key;
}
impl<P: Plan, K: KeyFn<P::Out>, Time, G> IsKeyed for Keyed<P, K, Time, G> {
    type Proof = ();
    type Key = K::Key;
}

/// The check of what keeps state by key.
#[diagnostic::on_unimplemented(
    message = "this keeps state for each key, and the stream has no key",
    label = "this stream is not keyed",
    note = "insert `.key_by(|record| ..)` or `.key_with(my_key)` in front of it"
)]
pub trait HasKey {
    #[doc(hidden)]
    type KeyedProof;
}
impl<P, K, Time, G> HasKey for Keyed<P, K, Time, G> {
    type KeyedProof = ();
}

/// A keyed stream in parts: what stands before the exchange, and the key.
#[diagnostic::on_unimplemented(
    message = "a function with a `KeyedContext` has state and timers for each key, and these streams have none",
    label = "not on these streams",
    note = "key both: `left.key_by(|record| ..).connect(right.key_by(|record| ..))`",
    note = "where the right stream is broadcast, all keys read what it brings: there `on_right` takes `cx: &mut Context<'_, Out>`",
    note = "one that needs neither timers nor state for each key takes `cx: &mut Context<'_, Out>`"
)]
pub trait KeyedStream: Stream + IsKeyed {
    #[doc(hidden)]
    type Before: Plan<Out = Self::Out>;
    #[doc(hidden)]
    type KeyFn: KeyFn<Self::Out, Key = Self::Key>;
    #[doc(hidden)]
    fn into_keyed(self) -> (Chain<Self::Before>, Self::KeyFn);
}

impl<P, K, Time, G> KeyedStream for Keyed<P, K, Time, G>
where
    P: Plan,
    K: KeyFn<P::Out>,
    Time: TimeDomain,
    G: Guarantee,
{
    type Before = P;
    type KeyFn = K;

    fn into_keyed(self) -> (Chain<P>, K) {
        (self.chain, self.key)
    }
}

/// A closure as a key selector.
pub struct KeyBy<F, K> {
    select: F,
    key: PhantomData<fn() -> K>,
}

impl<F, K> KeyBy<F, K> {
    pub(crate) fn new(select: F) -> Self {
        Self { select, key: PhantomData }
    }
}

impl<F: Clone, K> Clone for KeyBy<F, K> {
    fn clone(&self) -> Self {
        Self::new(self.select.clone())
    }
}

impl<T: Record, F: Shippable, K: Key> KeyFn<T> for KeyBy<F, K>
where
    F: for<'a> Fn(T::View<'a>) -> K,
{
    type Key = K;

    #[inline(always)]
    fn with<R>(&self, record: T::View<'_>, then: impl FnOnce(K::View<'_>) -> R) -> R {
        then((self.select)(record).view())
    }
}

/// The key of [`Stream::window_all`](super::Stream::window_all): all records have the same.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl<T: Record> KeyFn<T> for Everything {
    type Key = ();

    fn name(&self) -> &'static str {
        "nothing"
    }

    #[inline(always)]
    fn with<R>(&self, _: T::View<'_>, then: impl FnOnce(()) -> R) -> R {
        then(())
    }
}
