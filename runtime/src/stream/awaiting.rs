//! `.then_async(..)`, `.lookup(..)` and `.sink_async(..)`: async functions in a stream.

use std::marker::PhantomData;

use millstream_core::record::Record;

use super::{Chain, ExactlyOnce, Guarantee, Keyed, KeyedStream, Pipeline, Plan, Planned, Stream, TimeDomain};
use crate::{
    async_io::{
        AllAtOnce, AsyncFunction, AsyncPlan, AsyncSink, Asynchronous, KeyByKey, LookedUp, Lookup, OneByOne, Table,
        Together, describe,
    },
    exchange::partition::ByKey,
    failure::Location,
    graph::{Draft, OperatorInfo},
    operator::{AnnotatedAsync, KeyFn},
    operators::fused::Fail,
};

/// The check of the record type.
#[diagnostic::on_unimplemented(
    message = "this async function takes records of type `{T}`, and the stream has records of type `{Self}`",
    label = "takes `{T}`",
    note = "the record type of an async function is that of its last parameter: `async fn priced(desk: &Desk, trade: Trade) -> ..`"
)]
pub trait Asked<T> {
    #[doc(hidden)]
    type Proof;
}
#[diagnostic::do_not_recommend]
impl<T> Asked<T> for T {
    type Proof = ();
}

/// With one way to be fulfilled only, rustc would take it that the function is for the stream's records, and then say of the function that it is not.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfNoStream;
#[diagnostic::do_not_recommend]
impl<T: Record> Asked<OfNoStream> for T {
    type Proof = ();
}

/// The check that a function fits its stream. `Queue` says which of its calls wait for each other.
#[diagnostic::on_unimplemented(
    message = "`{F}` makes its calls one after the other for each key, and this stream has no key",
    label = "this stream is not keyed",
    note = "insert `.key_by(|record| ..)` or `.key_with(my_key)` in front of it, or choose `order = \"ordered\"` or `order = \"unordered\"`"
)]
pub trait Awaits<F, Queue>: Sized {
    /// The stream of the answers.
    type Awaited;
    #[doc(hidden)]
    fn await_with(self, operator: Asynchronous<F>, location: Location) -> Self::Awaited
    where
        F: AsyncFunction;
}

impl<S: Stream, F: AsyncFunction> Awaits<F, Together> for S
where
    S::Out: Asked<F::In>,
{
    type Awaited = Planned<S, AsyncPlan<F, AllAtOnce>>;

    fn await_with(self, operator: Asynchronous<F>, location: Location) -> Self::Awaited {
        let draft = self.new_draft();
        self.end_at(&draft, 0);
        planned(draft, operator, AllAtOnce, location)
    }
}

impl<P, K, Time, G, F> Awaits<F, KeyByKey> for Keyed<P, K, Time, G>
where
    P: Plan,
    K: KeyFn<P::Out>,
    Time: TimeDomain,
    G: Guarantee,
    F: AsyncFunction,
    P::Out: Asked<F::In>,
{
    type Awaited = Pipeline<AsyncPlan<F, OneByOne<K>>, Time, G>;

    fn await_with(self, operator: Asynchronous<F>, location: Location) -> Self::Awaited {
        let (before, key) = self.into_keyed();
        let draft = before.partition::<Time, G>(ByKey(key.clone()), location).chain.draft;
        planned(draft, operator, OneByOne(key), location)
    }
}

#[diagnostic::do_not_recommend]
impl<S: Stream, F> Awaits<F, OfNoStream> for S {
    type Awaited = ();

    fn await_with(self, _: Asynchronous<F>, _: Location)
    where
        F: AsyncFunction,
    {
    }
}

/// The check of `.sink_async(..)` in a job that promises that each record counts once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot keep the guarantee `ExactlyOnce` of this job",
    label = "may write records again after a failure",
    note = "if what is written again takes the place of what was there, say so: `#[async_sink(idempotent)]`",
    note = "or declare the job as `Job<AtLeastOnce>`, or use a sink whose output appears with checkpoints, as files do"
)]
pub trait WritesOnceAsync {}

#[diagnostic::do_not_recommend]
impl<F: AsyncSink<Guarantee = ExactlyOnce>> WritesOnceAsync for F {}

impl<P, Time> Pipeline<P, Time, ExactlyOnce>
where
    Self: Stream,
{
    /// Writes the stream out by an async function, as [`Stream::sink_async`] does, that keeps what the job promises.
    #[track_caller]
    pub fn sink_async<M, F, Via>(self, function: M)
    where
        M: AnnotatedAsync<F, Via>,
        F: AsyncSink,
        F: WritesOnceAsync,
        Self: Awaits<F, F::Queue>,
        <Self as Awaits<F, F::Queue>>::Awaited: Stream<Out = ()>,
    {
        Stream::sink_async(self, function);
    }
}

impl<P, K, Time> Keyed<P, K, Time, ExactlyOnce>
where
    Self: Stream,
{
    /// Writes the stream out by an async function, as [`Stream::sink_async`] does, that keeps what the job promises.
    #[track_caller]
    pub fn sink_async<M, F, Via>(self, function: M)
    where
        M: AnnotatedAsync<F, Via>,
        F: AsyncSink,
        F: WritesOnceAsync,
        Self: Awaits<F, F::Queue>,
        <Self as Awaits<F, F::Queue>>::Awaited: Stream<Out = ()>,
    {
        Stream::sink_async(self, function);
    }
}

/// The stream behind an async function, at the beginning of a chain.
pub(super) fn planned<F: AsyncFunction, Q, Time, G>(
    mut draft: Draft,
    operator: Asynchronous<F>,
    queueing: Q,
    location: Location,
) -> Pipeline<AsyncPlan<F, Q>, Time, G> {
    let info = OperatorInfo::new(F::KIND, F::NAME, F::LOCATION).states(vec![describe::<F::In>()]);
    if let Some(mistake) = operator.mistake() {
        draft.graph().borrow_mut().mistake(format!("{location}: {info}: {mistake}"));
    }
    let index = draft.operator(info);
    let plan = AsyncPlan { operator, queueing, on_error: Fail, index, record: PhantomData };
    Pipeline { chain: Chain { plan, draft }, time: PhantomData }
}

/// A stream with the rows that an async function gives for its keys.
pub type LookedUpIn<S, K, O, R> = Planned<S, AsyncPlan<Lookup<<S as Stream>::Out, K, O, R>, AllAtOnce>>;

/// Puts a lookup behind a stream.
pub(super) fn look_up<S, K, O, R>(
    stream: S,
    key: K,
    table: Asynchronous<O>,
    location: Location,
) -> LookedUpIn<S, K, O, R>
where
    S: Stream,
    K: KeyFn<S::Out> + Sync,
    O: Table<K::Key>,
    R: LookedUp<S::Out, O::Row>,
{
    let draft = stream.new_draft();
    stream.end_at(&draft, 0);
    planned(draft, table.with_function(|table| Lookup::new(key, table)), AllAtOnce, location)
}
