//! [`AsyncStream`]: async functions in a stream, as `.then_async(..)`, `.lookup(..)` and `.sink_async(..)`.

use std::marker::PhantomData;

use millstream_core::{key::Key, proof::When, record::Record};

use super::{Chain, ExactlyOnce, Guarantee, KeyBy, Keyed, KeyedStream, Pipeline, Plan, Planned, Stream, TimeDomain};
use crate::{
    async_io::{
        AllAtOnce, AsyncFunction, AsyncPlan, AsyncSink, Asynchronous, KeyByKey, LookedUp, Lookup, OneByOne, Table,
        Together, Written, describe,
    },
    exchange::partition::ByKey,
    failure::Location,
    graph::{Draft, OperatorInfo},
    operator::{AnnotatedAsync, KeyFn, Shippable},
    operators::fused::Fail,
};

/// Streams wait for services by async functions. Every stream has this.
pub trait AsyncStream: Stream {
    /// Puts in an async function annotated with `#[async_map]`, `#[async_filter]` or `#[async_flat_map]`, which waits for a service while it makes further calls:
    /// `.then_async(priced(|_| Desk::connect("localhost:4000")))`; one without a client by its name, `.then_async(priced)`.
    ///
    /// Answers are put out in the order of their records, as they come, or in order for each key, as the attribute says; none overtakes a watermark. While as many calls are in
    /// flight as may be, records wait in front of the operator. Records whose answers have not been put out are part of each checkpoint, and calls are made for them again
    /// after a failure. The functions begin a chain of their own.
    #[track_caller]
    fn then_async<F, O, Via>(self, function: F) -> <Self as Awaits<O, O::Queue>>::Awaited
    where
        F: AnnotatedAsync<O, Via>,
        O: AsyncFunction,
        Self: Awaits<O, O::Queue>,
    {
        self.await_with(function.make(), Location::caller())
    }

    /// Joins each record with the row that an async function gives for its key, as `(record, row)`; records without a row are left out:
    /// `orders.lookup(|order| order.customer, customer(|_| Db::connect("localhost:5432")))`.
    ///
    /// The function is one with `#[async_map]` from the key to an `Option` of the row, and all its options count: with `cache = 10_000, cache_ttl = "10min"` rows that are asked for often are
    /// fetched once in a while. The row is that of the moment of the call, whenever the record happened.
    #[track_caller]
    fn lookup<F, K, O, C, A, Via>(
        self,
        key: F,
        table: A,
    ) -> When<O::Row, LookedUpIn<Self, KeyBy<F, K>, O, (Self::Out, C)>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> K,
        F: Shippable + Sync,
        K: Key,
        A: AnnotatedAsync<O, Via>,
        O: Table<K, Row = C>,
        C: Record,
    {
        look_up(self, KeyBy::new(key), table.make(), Location::caller())
    }

    /// As [`AsyncStream::lookup`], with `(record, None)` for records without a row.
    #[track_caller]
    fn lookup_left<F, K, O, C, A, Via>(
        self,
        key: F,
        table: A,
    ) -> When<O::Row, LookedUpIn<Self, KeyBy<F, K>, O, (Self::Out, Option<C>)>>
    where
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> K,
        F: Shippable + Sync,
        K: Key,
        A: AnnotatedAsync<O, Via>,
        O: Table<K, Row = C>,
        C: Record,
    {
        look_up(self, KeyBy::new(key), table.make(), Location::caller())
    }

    /// Writes the stream out by an async function annotated with `#[async_sink]`: `rows.sink_async(stored(|_| Db::connect("localhost:5432")))`.
    ///
    /// Records that have not been written are part of each checkpoint, and are written after a failure: each at least once. A job that promises exactly once takes a function that is
    /// `#[async_sink(idempotent)]`. To go on without records that are refused, or to divert them, put the function in by [`AsyncStream::then_async`].
    #[track_caller]
    fn sink_async<F, O, Via>(self, function: F)
    where
        F: AnnotatedAsync<O, Via>,
        O: AsyncSink,
        Self: Awaits<O, O::Queue>,
        Self::Awaited: Stream<Out = ()>,
    {
        Stream::sink(self.await_with(function.make(), Location::caller()), Written::<O>::default());
    }
}

#[diagnostic::do_not_recommend]
impl<S: Stream> AsyncStream for S {}

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
    /// Writes the stream out by an async function, as [`AsyncStream::sink_async`] does, that keeps what the job promises.
    #[track_caller]
    pub fn sink_async<M, F, Via>(self, function: M)
    where
        M: AnnotatedAsync<F, Via>,
        F: AsyncSink,
        F: WritesOnceAsync,
        Self: Awaits<F, F::Queue>,
        <Self as Awaits<F, F::Queue>>::Awaited: Stream<Out = ()>,
    {
        AsyncStream::sink_async(self, function);
    }
}

impl<P, K, Time> Keyed<P, K, Time, ExactlyOnce>
where
    Self: Stream,
{
    /// Writes the stream out by an async function, as [`AsyncStream::sink_async`] does, that keeps what the job promises.
    #[track_caller]
    pub fn sink_async<M, F, Via>(self, function: M)
    where
        M: AnnotatedAsync<F, Via>,
        F: AsyncSink,
        F: WritesOnceAsync,
        Self: Awaits<F, F::Queue>,
        <Self as Awaits<F, F::Queue>>::Awaited: Stream<Out = ()>,
    {
        AsyncStream::sink_async(self, function);
    }
}

/// The stream behind an async function, at the beginning of a chain.
fn planned<F: AsyncFunction, Q, Time, G>(
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
fn look_up<S, K, O, R>(stream: S, key: K, table: Asynchronous<O>, location: Location) -> LookedUpIn<S, K, O, R>
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
