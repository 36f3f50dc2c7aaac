//! Streams that go on in several: forks, splits by predicate, and the errors of an operator.

use std::marker::PhantomData;

use millstream_core::record::Record;

use super::{Chain, Pipeline, Plan, Sealed, Stream, TimeDomain};
use crate::{
    failure::Location,
    graph::{EdgeKind, OperatorInfo},
    operator::{Operator, Shippable},
    operators::{
        fused::{Divert, Fail, Skip, Then},
        split::SplitTail,
    },
    task::{context::ChainContext, head::Head},
};

impl<P: Plan, Time: TimeDomain> Pipeline<P, Time> {
    /// Two streams of the same records. Each buffer is built once and shared by reference.
    pub fn fork(self) -> (Sealed<P::Out, Time>, Sealed<P::Out, Time>) {
        let [first, second] = self.forks();
        (first, second)
    }

    /// Any number of streams of the same records: `let [a, b, c] = stream.forks();`.
    pub fn forks<const N: usize>(self) -> [Sealed<P::Out, Time>; N] {
        let streams = self.chain.share(&[const { EdgeKind::Forward }; N]);
        streams.try_into().unwrap_or_else(|_| unreachable!("as many readers as kinds"))
    }

    /// Two streams: the records for which the predicate holds, and the rest.
    #[track_caller]
    pub fn split<F>(self, predicate: F) -> (Sealed<P::Out, Time>, Sealed<P::Out, Time>)
    where
        F: for<'a> Fn(<P::Out as Record>::View<'a>) -> bool,
        F: Shippable,
    {
        let Chain { plan, mut draft } = self.chain;
        let index = draft.operator(OperatorInfo::new("split", "", Location::caller()));
        let (matching, rest) = (draft.output(), draft.output());
        let streams = (
            Sealed::reading(draft.reader::<P::Out>(matching, EdgeKind::Forward)),
            Sealed::reading(draft.reader::<P::Out>(rest, EdgeKind::Forward)),
        );
        let make = move |cx: &mut ChainContext<'_>| {
            let tail = SplitTail {
                predicate: predicate.clone(),
                matching: cx.output::<P::Out>(matching, Time::TIMED),
                rest: cx.output::<P::Out>(rest, Time::TIMED),
                info: cx.operator(index),
            };
            Ok(Box::new(plan.chain(cx, tail)?) as Box<dyn Head>)
        };
        draft.end(Box::new(make), None);
        streams
    }
}

impl<P, O, Time> Pipeline<Then<P, O, Fail>, Time>
where
    P: Plan,
    O: Operator<P::Out>,
    Time: TimeDomain,
{
    /// Leaves out records that the operator before this rejects, and counts them by the metric `records_skipped`. (Otherwise the job fails.)
    pub fn skip_errors(self) -> Pipeline<Then<P, O, Skip>, Time> {
        let Chain { plan: Then { before, operator, index, .. }, draft } = self.chain;
        Pipeline::new(Then { before, operator, on_error: Skip, index }, draft)
    }

    /// Sends records that the operator before this rejects to a stream of their own, each with its error as text: `(record, error)`.
    pub fn divert_errors(
        self,
    ) -> (Pipeline<Then<P, O, Divert<ToPair<P::Out, O::Error>, (P::Out, String)>>, Time>, Sealed<(P::Out, String), Time>)
    {
        let pair: ToPair<P::Out, O::Error> = |record, error| (P::Out::from_view(record), error.to_string());
        self.divert_errors_with(pair)
    }

    /// Sends what the closure makes of a rejected record and its error to a stream of its own: a record type of yours.
    pub fn divert_errors_with<F, R>(
        self,
        make: F,
    ) -> (Pipeline<Then<P, O, Divert<F, R>>, Time>, Sealed<R, Time>)
    where
        F: for<'a> Fn(<P::Out as Record>::View<'a>, O::Error) -> R,
        F: Shippable,
        R: Record,
    {
        let Chain { plan: Then { before, operator, index, .. }, mut draft } = self.chain;
        let output = draft.output();
        let errors = Sealed::reading(draft.reader::<R>(output, EdgeKind::Forward));
        let on_error = Divert { make, output, timed: Time::TIMED, rejected: PhantomData };
        (Pipeline::new(Then { before, operator, on_error, index }, draft), errors)
    }
}

/// The function of [`Pipeline::divert_errors`].
pub type ToPair<T, E> = for<'a> fn(<T as Record>::View<'a>, E) -> (T, String);
