//! Aggregates of a keyed stream without windows: a result for every record, or one at the end.

use std::{marker::PhantomData, time::Duration};

use millstream_core::aggregate::{Aggregate, Rolling};

use super::{Chain, KeyedStream, NoKey, Stream, keyed::IsKeyed, windowed::aggregated};
use crate::{
    exchange::partition::ByKey,
    failure::Location,
    graph::{Draft, OperatorInfo},
    operator::KeyFn,
    operators::rolling::RollingPlan,
    windows::{Global, at_end::AtEndPlan},
};

/// A stream of results, `(key, `[`Rolling`]`(result))`, one for every record. See [`Stream::rolling`] and [`Stream::reduce`].
#[must_use = "a stream that reaches no sink does nothing: end it with `.sink(..)`"]
pub struct RollingStream<S, A> {
    stream: S,
    aggregate: A,
    /// What plans call it.
    kind: &'static str,
    location: Location,
}

impl<S: IsKeyed, A> RollingStream<S, A> {
    pub(super) fn new(stream: S, aggregate: A, kind: &'static str, location: Location) -> Self {
        Self { stream, aggregate, kind, location }
    }
}

impl<S: KeyedStream, A: Aggregate<S::Out>> Stream for RollingStream<S, A> {
    type Out = (<S::KeyFn as KeyFn<S::Out>>::Key, Rolling<A::Out>);
    type Time = S::Time;
    type Guarantee = S::Guarantee;
    type KeyedBy = NoKey;
    type Plan = RollingPlan<S::Out, S::KeyFn, A>;

    fn into_chain(self) -> Chain<Self::Plan> {
        let Self { stream, aggregate, kind, location } = self;
        let (before, key) = stream.into_keyed();
        let info = OperatorInfo::new(kind, key.name(), location).stateful();
        let mut draft = before.partition::<S::Time, S::Guarantee>(ByKey(key.clone()), location).chain.draft;
        let index = draft.operator(info);
        Chain { plan: RollingPlan { key, aggregate, index, record: PhantomData }, draft }
    }

    fn new_draft(&self) -> Draft {
        self.stream.new_draft()
    }
}

/// A stream of results, `(key, result)`, one for each key at the end of the input. See [`Stream::at_end`].
#[must_use = "a stream that reaches no sink does nothing: end it with `.sink(..)`"]
pub struct AtEndStream<S, A> {
    stream: S,
    aggregate: A,
    location: Location,
}

impl<S: IsKeyed, A> AtEndStream<S, A> {
    pub(super) fn new(stream: S, aggregate: A, location: Location) -> Self {
        Self { stream, aggregate, location }
    }
}

impl<S: KeyedStream, A: Aggregate<S::Out>> Stream for AtEndStream<S, A> {
    type Out = (<S::KeyFn as KeyFn<S::Out>>::Key, A::Out);
    type Time = S::Time;
    type Guarantee = S::Guarantee;
    type KeyedBy = NoKey;
    type Plan = AtEndPlan<S::Out, S::KeyFn, A>;

    fn into_chain(self) -> Chain<Self::Plan> {
        let Self { stream, aggregate, location } = self;
        let info = |by: &str| OperatorInfo::new("at_end", by, location).stateful();
        let (plan, draft) = aggregated(stream, Global, Duration::ZERO, aggregate, None, info);
        Chain { plan: AtEndPlan(plan), draft }
    }

    fn new_draft(&self) -> Draft {
        self.stream.new_draft()
    }
}
