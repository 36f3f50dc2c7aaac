//! One result of each key at the end of the input: a global window whose results do not say so.

use millstream_core::{
    aggregate::Aggregate,
    record::Record,
    time::{Timestamp, Window},
};

use super::{
    assigner::Global,
    head::{Partial, WindowHead, WindowPlan},
};
use crate::{
    failure::Failure,
    operator::{KeyFn, Push, Stage, forward_stage},
    stream::Plan,
    task::{context::ChainContext, head::Two},
};

/// The plan of a chain that begins with aggregation to the end of the input.
pub struct AtEndPlan<T, K, A>(pub(crate) WindowPlan<T, K, Global, A>);

impl<T: Record, K: KeyFn<T>, A: Aggregate<T>> Plan for AtEndPlan<T, K, A> {
    type In = Two<T, Partial<K::Key, A::Acc>>;
    type Out = (K::Key, A::Out);
    type Chain<N: Push<Self::Out>> = WindowHead<T, K, Global, A, WithoutWindow<N>>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        self.0.chain(cx, WithoutWindow { next })
    }
}

/// Leaves the window out of the results of a window aggregation.
pub struct WithoutWindow<N> {
    next: N,
}

impl<K: Record, R: Record, N: Push<(K, R)>> Push<(K, Window, R)> for WithoutWindow<N> {
    #[inline(always)]
    fn push(&mut self, (key, _, result): <(K, Window, R) as Record>::View<'_>, at: Timestamp) {
        self.next.push((key, result), at);
    }
}

impl<N: Stage> Stage for WithoutWindow<N> {
    forward_stage!();
}
