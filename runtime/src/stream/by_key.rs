//! [`ByKeyStream`]: `.sort_by_time()`, `.map_with_state(..)` and other operators with state for each key.

use std::{marker::PhantomData, time::Duration};

use millstream_core::record::Record;

use super::{Chain, KeyedStream, NoKey, Pipeline, Planned, Sealed, Stream, keyed::HasKey, rejects::ToPair};
use crate::{
    by_key::{DropsLate, ForKey, Forgets, KeyedLogic, Late},
    exchange::partition::ByKey,
    failure::Location,
    graph::{Draft, OperatorInfo},
    operator::{KeyFn, Shippable},
    operators::fused::{Divert, Fail, Skip},
    process::{ProcessPlan, describe},
    task::head::One,
};

/// A stream of what an operator with state for each key puts out.
#[must_use = "a stream that reaches no sink does nothing: end it with `.sink(..)`"]
pub struct ByKeyStream<S, L> {
    stream: S,
    logic: L,
    location: Location,
}

impl<S: HasKey, L> ByKeyStream<S, L> {
    pub(super) fn new(stream: S, logic: L, location: Location) -> Self {
        Self { stream, logic, location }
    }
}

/// The type of a stream's keys.
pub(super) type KeyOf<S> = <<S as KeyedStream>::KeyFn as KeyFn<<S as Stream>::Out>>::Key;

/// The plan behind such an operator; `H` is what happens to records that it rejects.
pub type ByKeyPlan<S, L, H = Fail> =
    ProcessPlan<One<<S as Stream>::Out>, <S as KeyedStream>::KeyFn, ForKey<L, <S as Stream>::Out, KeyOf<S>>, H>;

/// The errors of such an operator.
type ErrorOf<S, L> = <L as KeyedLogic<<S as Stream>::Out>>::Error;

/// What such an operator rejects, with the error as text.
type Rejected<S> = (<S as Stream>::Out, String);

impl<S: KeyedStream, L: KeyedLogic<S::Out>> Stream for ByKeyStream<S, L> {
    type Out = L::Out<KeyOf<S>>;
    type Time = S::Time;
    type Guarantee = S::Guarantee;
    type KeyedBy = NoKey;
    type Plan = ByKeyPlan<S, L>;

    fn into_chain(self) -> Chain<Self::Plan> {
        let Self { stream, logic, location } = self;
        let (before, key) = stream.into_keyed();
        let states = describe::<ForKey<L, S::Out, KeyOf<S>>>();
        let info = OperatorInfo::new(L::KIND, key.name(), location).stateful().states(states);
        let mut draft = before.partition::<S::Time, S::Guarantee>(ByKey(key.clone()), location).chain.draft;
        if let Some(mistake) = logic.mistake() {
            draft.graph().borrow_mut().mistake(format!("{location}: {mistake}"));
        }
        let index = draft.operator(info);
        let sides = L::Sides::default();
        let plan = ProcessPlan { key, function: ForKey::new(logic), sides, on_error: Fail, index, inputs: PhantomData };
        Chain { plan, draft }
    }

    fn new_draft(&self) -> Draft {
        self.stream.new_draft()
    }
}

impl<S: KeyedStream, L: KeyedLogic<S::Out>> ByKeyStream<S, L> {
    fn pipeline(self) -> Planned<Self, ByKeyPlan<S, L>> {
        Pipeline { chain: self.into_chain(), time: PhantomData }
    }

    /// Leaves out records that the operator before this rejects, and counts them by the metric `records_skipped`. (Otherwise the job fails.)
    pub fn skip_errors(self) -> Planned<Self, ByKeyPlan<S, L, Skip>> {
        self.pipeline().skip_errors()
    }

    /// Sends records that the operator before this rejects to a stream of their own, each with its error as text: `(record, error)`.
    pub fn divert_errors(
        self,
    ) -> (
        Planned<Self, ByKeyPlan<S, L, Divert<ToPair<S::Out, ErrorOf<S, L>>, Rejected<S>>>>,
        Sealed<Rejected<S>, S::Time, S::Guarantee>,
    ) {
        self.pipeline().divert_errors()
    }

    /// Sends what the closure makes of a rejected record and its error to a stream of its own: a record type of yours.
    pub fn divert_errors_with<M, R>(
        self,
        make: M,
    ) -> (Planned<Self, ByKeyPlan<S, L, Divert<M, R>>>, Sealed<R, S::Time, S::Guarantee>)
    where
        M: for<'a> Fn(<S::Out as Record>::View<'a>, ErrorOf<S, L>) -> R,
        M: Shippable,
        R: Record,
    {
        self.pipeline().divert_errors_with(make)
    }

    /// Hands out the late records as a stream: those whose time the watermark had reached when they came.
    ///
    /// `let (sorted, late) = readings.key_with(sensor).sort_by_time().with_late();`
    pub fn with_late(self) -> (Planned<Self, ByKeyPlan<S, L>>, Sealed<S::Out, S::Time, S::Guarantee>)
    where
        L: DropsLate<S::Out>,
    {
        self.pipeline().side_output(Late::new())
    }
}

impl<S, L> ByKeyStream<S, L> {
    /// Forgets a key so long after the record that was put out: by event time, as far as the watermark has come, where the operator goes by event time, otherwise by
    /// the clock on the wall. The next record of the key then counts as its first. Without this every key is remembered for ever.
    pub fn forget_after(mut self, after: Duration) -> Self
    where
        L: Forgets,
    {
        self.logic.forget_after(after);
        self
    }
}
