//! What becomes of records that an operator or a source rejects: skipped, or diverted to a stream of their own.

use std::marker::PhantomData;

use millstream_core::{outcome::Several, record::Record, time::Window};

use super::{Chain, Guarantee, NoTime, Pipeline, Plan, Sealed, TimeDomain};
use crate::{
    async_io::{AsyncError, AsyncFunction, AsyncPlan, Queueing},
    operator::{KeyFn, Operator, Shippable},
    operators::{
        fused::{Divert, Fail, Skip, Then},
        source::From,
    },
    process::{Inputs, KeyedProcessFunction, ProcessPlan},
    source::{BadRecord, BadRecordView, RejectsRecords, Source},
    windows::{
        Elements, Evictor, RecordAssigner, Trigger,
        panes::{Admits, Applied, PanePlan, Whole},
    },
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

impl<F, Q, Time, G> Pipeline<AsyncPlan<F, Q>, Time, G>
where
    F: AsyncFunction,
    Q: Queueing<F::In>,
    Time: TimeDomain,
    G: Guarantee,
{
    /// Leaves out records for which the last attempt has failed or was not answered in time, and counts them by the metric `records_skipped`. (Otherwise the job fails.)
    pub fn skip_errors(self) -> Pipeline<AsyncPlan<F, Q, Skip>, Time, G> {
        let Chain { plan: AsyncPlan { operator, queueing, index, record, .. }, draft } = self.chain;
        Pipeline::new(AsyncPlan { operator, queueing, on_error: Skip, index, record }, draft)
    }

    /// Sends records for which the last attempt has failed or was not answered in time to a stream of their own, each with its error as text: `(record, error)`.
    pub fn divert_errors(self) -> (DivertedCalls<F, Q, Time, G>, Sealed<(F::In, String), Time, G>) {
        let pair: ToPair<F::In, AsyncError<F::Error>> = |record, error| (F::In::from_view(record), error.to_string());
        self.divert_errors_with(pair)
    }

    /// Sends what the closure makes of a record without an answer and of its error to a stream of its own: a record type of yours.
    pub fn divert_errors_with<M, R>(
        self,
        make: M,
    ) -> (Pipeline<AsyncPlan<F, Q, Divert<M, R>>, Time, G>, Sealed<R, Time, G>)
    where
        M: for<'a> Fn(<F::In as Record>::View<'a>, AsyncError<F::Error>) -> R,
        M: Shippable,
        R: Record,
    {
        let Chain { plan: AsyncPlan { operator, queueing, index, record, .. }, mut draft } = self.chain;
        let output = draft.output();
        let errors = Sealed::parting(&draft, output);
        let on_error = Divert { make, output, timed: Time::TIMED, rejected: PhantomData };
        (Pipeline::new(AsyncPlan { operator, queueing, on_error, index, record }, draft), errors)
    }
}

/// A stream of answers whose records without one go elsewhere, as pairs with the error.
pub type DivertedCalls<F, Q, Time, G> = Pipeline<AsyncPlan<F, Q, PairedErrors<F>>, Time, G>;

/// What becomes of records without an answer by `.divert_errors()`.
pub type PairedErrors<F> = Divert<
    ToPair<<F as AsyncFunction>::In, AsyncError<<F as AsyncFunction>::Error>>,
    (<F as AsyncFunction>::In, String),
>;

impl<T, K, W, Tr, Ev, F, R, Time, G> Pipeline<PanePlan<T, K, W, Tr, OfClosure<T, K, Ev, F, R>>, Time, G>
where
    T: Record,
    K: KeyFn<T>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    Ev: Evictor<T>,
    F: for<'k, 'a> Fn(<K::Key as Record>::View<'k>, Window, Elements<'a, T>) -> R,
    F: Shippable,
    R: Several + 'static,
    Time: TimeDomain,
    G: Guarantee,
{
    /// Leaves out windows of a key that the function rejects when they fire, and counts them by the metric `records_skipped`. (Otherwise the job fails.)
    pub fn skip_errors(self) -> Pipeline<PanePlan<T, K, W, Tr, OfClosure<T, K, Ev, F, R>, Skip>, Time, G> {
        let Chain { plan, draft } = self.chain;
        Pipeline::new(plan.on_error(Skip), draft)
    }

    /// Sends windows of a key that the function rejects when they fire to a stream of their own, each with its error as text: `(key, window, error)`.
    pub fn divert_errors(
        self,
    ) -> (
        Pipeline<PanePlan<T, K, W, Tr, OfClosure<T, K, Ev, F, R>, DivertedWindows<K::Key, R::Error>>, Time, G>,
        Sealed<(K::Key, Window, String), Time, G>,
    ) {
        let make: ToWindow<K::Key, R::Error> =
            |(key, window), error| (K::Key::from_view(key), window, error.to_string());
        self.divert_errors_with(make)
    }

    /// Sends what the closure makes of the key and window that the function rejects, and of the error, to a stream of its own: a record type of yours. It has the window's
    /// last millisecond as its time.
    pub fn divert_errors_with<M, E>(
        self,
        make: M,
    ) -> (Pipeline<PanePlan<T, K, W, Tr, OfClosure<T, K, Ev, F, R>, Divert<M, E>>, Time, G>, Sealed<E, Time, G>)
    where
        M: for<'a> Fn(<(K::Key, Window) as Record>::View<'a>, R::Error) -> E,
        M: Shippable,
        E: Record,
    {
        let Chain { plan, mut draft } = self.chain;
        let output = draft.output();
        let errors = Sealed::parting(&draft, output);
        let on_error = Divert { make, output, timed: Time::TIMED, rejected: PhantomData };
        (Pipeline::new(plan.on_error(on_error), draft), errors)
    }
}

/// What windows with a closure in `.apply(..)` keep.
pub type OfClosure<T, K, Ev, F, R> = Whole<T, Ev, Applied<F, <K as KeyFn<T>>::Key, T, R>>;

/// What becomes of rejected windows by `.divert_errors()`.
pub type DivertedWindows<K, E> = Divert<ToWindow<K, E>, (K, Window, String)>;

/// The function of `.divert_errors()` behind windows.
pub type ToWindow<K, E> = for<'a> fn(<(K, Window) as Record>::View<'a>, E) -> (K, Window, String);

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
