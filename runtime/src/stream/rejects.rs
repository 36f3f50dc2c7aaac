//! What becomes of records that an operator or a source rejects: skipped, or diverted to a stream of their own.

use std::marker::PhantomData;

use millstream_core::record::Record;

use super::{Chain, Guarantee, NoTime, Pipeline, Plan, Sealed, TimeDomain};
use crate::{
    operator::{KeyFn, Operator, Shippable},
    operators::{
        fused::{Divert, Fail, Skip, Then},
        source::From,
    },
    process::{Inputs, KeyedProcessFunction, ProcessPlan},
    source::{BadRecord, BadRecordView, RejectsRecords, Source},
};

impl<P, O, Time, G> Pipeline<Then<P, O, Fail>, Time, G>
where
    P: Plan,
    O: Operator<P::Out>,
    Time: TimeDomain,
    G: Guarantee,
{
    /// Leaves out records that the operator before this rejects, and counts them by the metric `records_skipped`. (Otherwise the job fails.)
    pub fn skip_errors(self) -> Pipeline<Then<P, O, Skip>, Time, G> {
        let Chain { plan: Then { before, operator, index, .. }, draft } = self.chain;
        Pipeline::new(Then { before, operator, on_error: Skip, index }, draft)
    }

    /// Sends records that the operator before this rejects to a stream of their own, each with its error as text: `(record, error)`.
    pub fn divert_errors(
        self,
    ) -> (
        Pipeline<Then<P, O, Divert<ToPair<P::Out, O::Error>, (P::Out, String)>>, Time, G>,
        Sealed<(P::Out, String), Time, G>,
    ) {
        let pair: ToPair<P::Out, O::Error> = |record, error| (P::Out::from_view(record), error.to_string());
        self.divert_errors_with(pair)
    }

    /// Sends what the closure makes of a rejected record and its error to a stream of its own: a record type of yours.
    pub fn divert_errors_with<F, R>(self, make: F) -> (Pipeline<Then<P, O, Divert<F, R>>, Time, G>, Sealed<R, Time, G>)
    where
        F: for<'a> Fn(<P::Out as Record>::View<'a>, O::Error) -> R,
        F: Shippable,
        R: Record,
    {
        let Chain { plan: Then { before, operator, index, .. }, mut draft } = self.chain;
        let output = draft.output();
        let errors = Sealed::parting(&draft, output);
        let on_error = Divert { make, output, timed: Time::TIMED, rejected: PhantomData };
        (Pipeline::new(Then { before, operator, on_error, index }, draft), errors)
    }
}

impl<I, T, K, F, Time, G> Pipeline<ProcessPlan<I, K, F>, Time, G>
where
    I: Inputs<Record = T>,
    T: Record,
    K: KeyFn<T>,
    F: KeyedProcessFunction<In = T, Key = K::Key>,
    Time: TimeDomain,
    G: Guarantee,
{
    /// Leaves out records that the function rejects, and counts them by the metric `records_skipped`. (Otherwise the job fails.) An error of `on_timer` fails
    /// the job all the same.
    pub fn skip_errors(self) -> Pipeline<ProcessPlan<I, K, F, Skip>, Time, G> {
        let Chain { plan: ProcessPlan { key, function, sides, index, inputs, .. }, draft } = self.chain;
        Pipeline::new(ProcessPlan { key, function, sides, on_error: Skip, index, inputs }, draft)
    }

    /// Sends records that the function rejects to a stream of their own, each with its error as text: `(record, error)`. An error of `on_timer` fails the job
    /// all the same.
    pub fn divert_errors(
        self,
    ) -> (Pipeline<ProcessPlan<I, K, F, Divert<ToPair<T, F::Error>, (T, String)>>, Time, G>, Sealed<(T, String), Time, G>)
    {
        let pair: ToPair<T, F::Error> = |record, error| (T::from_view(record), error.to_string());
        self.divert_errors_with(pair)
    }

    /// Sends what the closure makes of a rejected record and its error to a stream of its own: a record type of yours.
    pub fn divert_errors_with<M, R>(
        self,
        make: M,
    ) -> (Pipeline<ProcessPlan<I, K, F, Divert<M, R>>, Time, G>, Sealed<R, Time, G>)
    where
        M: for<'a> Fn(T::View<'a>, F::Error) -> R,
        M: Shippable,
        R: Record,
    {
        let Chain { plan: ProcessPlan { key, function, sides, index, inputs, .. }, mut draft } = self.chain;
        let output = draft.output();
        let errors = Sealed::parting(&draft, output);
        let on_error = Divert { make, output, timed: Time::TIMED, rejected: PhantomData };
        (Pipeline::new(ProcessPlan { key, function, sides, on_error, index, inputs }, draft), errors)
    }
}

impl<S: Source, Time: TimeDomain, G: Guarantee> Pipeline<From<S>, Time, G> {
    /// Leaves out what the source cannot read as a record, and counts it by the metric `records_skipped`. (Otherwise the job fails.)
    pub fn skip_errors(self) -> Pipeline<From<S, Skip>, Time, G>
    where
        S: RejectsRecords,
    {
        let Chain { plan: From { source, index, .. }, draft } = self.chain;
        Pipeline::new(From { source, index, on_bad: Skip }, draft)
    }

    /// Sends what the source cannot read as a record to a stream of its own, as [`BadRecord`]s: with `bad.sink(CsvFiles::write("bad"))` they
    /// are kept to be looked at. They are counted by the metric `records_diverted`.
    pub fn divert_errors(
        self,
    ) -> (Pipeline<From<S, Divert<ToBadRecord, BadRecord>>, Time, G>, Sealed<BadRecord, NoTime, G>)
    where
        S: RejectsRecords,
    {
        let Chain { plan: From { source, index, .. }, mut draft } = self.chain;
        let output = draft.output();
        let bad = Sealed::parting(&draft, output);
        let make: ToBadRecord = |bad, ()| BadRecord::from_view(bad);
        let on_bad = Divert { make, output, timed: false, rejected: PhantomData };
        (Pipeline::new(From { source, index, on_bad }, draft), bad)
    }
}

/// The function of a source's `divert_errors`.
pub type ToBadRecord = for<'a> fn(BadRecordView<'a>, ()) -> BadRecord;

/// The function of [`Pipeline::divert_errors`].
pub type ToPair<T, E> = for<'a> fn(<T as Record>::View<'a>, E) -> (T, String);

/// What `.skip_errors()` and `.divert_errors()` need where neither an operator nor a source offers them: a method of [`Stream`](super::Stream) is called only
/// then. Never implemented.
#[diagnostic::on_unimplemented(
    message = "nothing in front of this rejects records, so there are no errors to skip or to divert",
    label = "rejects nothing",
    note = "put it directly behind the operator whose closure or function returns a `Result`, or behind `job.source(..)` of files"
)]
pub trait Rejects {
    #[doc(hidden)]
    type Proof;
}
