//! `.side_output(..)`: the side outputs of an operator as streams.

use super::{Guarantee, Pipeline, Plan, Sealed, TimeDomain};
use crate::{
    operator::{KeyFn, Operator},
    operators::fused::Then,
    process::{HasSides, Inputs, KeyedProcessFunction, OneOf, ProcessPlan},
};

impl<I, K, F, H, Time, G> Pipeline<ProcessPlan<I, K, F, H>, Time, G>
where
    I: Inputs,
    K: KeyFn<I::Record>,
    F: KeyedProcessFunction<In = I::Record, Key = K::Key>,
    ProcessPlan<I, K, F, H>: Plan,
    Time: TimeDomain,
    G: Guarantee,
{
    /// Hands out a side output of the process function before this: what it puts out by `cx.emit_to(..)`. Call it again for another one.
    ///
    /// `let (main, alerts) = logins.key_by(|login| login.user).process(Watch).side_output(Alerts);`
    ///
    /// Watermarks and checkpoints go through a side output as through the stream beside it, and one that is read slowly holds up both.
    pub fn side_output<A, At>(mut self, _: A) -> (Self, Sealed<A::Record, Time, G>)
    where
        A: OneOf<F::Sides, At>,
    {
        let output = A::of(&mut self.chain.plan.sides).output(&mut self.chain.draft, Time::TIMED);
        let aside = Sealed::parting(&self.chain.draft, output);
        (self, aside)
    }
}

impl<P, O, H, Time, G> Pipeline<Then<P, O, H>, Time, G>
where
    P: Plan,
    O: Operator<P::Out> + HasSides,
    Then<P, O, H>: Plan,
    Time: TimeDomain,
    G: Guarantee,
{
    /// Hands out a side output of the operator before this: what a process function puts out by `cx.emit_to(..)`, or an [`Operator`] of one's own by
    /// [`Side::push`](crate::process::Side::push). Call it again for another one.
    ///
    /// Watermarks and checkpoints go through a side output as through the stream beside it, and one that is read slowly holds up both.
    pub fn side_output<A, At>(mut self, _: A) -> (Self, Sealed<A::Record, Time, G>)
    where
        A: OneOf<O::Sides, At>,
    {
        let output = A::of(self.chain.plan.operator.list()).output(&mut self.chain.draft, Time::TIMED);
        let aside = Sealed::parting(&self.chain.draft, output);
        (self, aside)
    }
}

/// What `.side_output(..)` needs where nothing offers it: a method of [`Stream`](super::Stream) is called only then. Never implemented.
#[diagnostic::on_unimplemented(
    message = "nothing in front of this has side outputs",
    label = "puts nothing aside",
    note = "put `.side_output(..)` directly behind the `.process(..)` whose function names the side output in its context"
)]
pub trait PutsAside {
    #[doc(hidden)]
    type Proof;
}
