//! [`Asynchronous`], an async function as it is put into a stream, and the plan of the chain that begins with it.

use std::{collections::VecDeque, fmt, future::Future, marker::PhantomData, sync::Arc, time::Duration};

use millstream_core::{
    key::{Key, key_group, owner_of},
    record::Record,
};

use super::{
    blocking::Pool,
    flight::Flight,
    function::{AsyncError, AsyncFunction, Together},
    head::AsyncHead,
    metrics::FlightMetrics,
    options::{AsyncOptions, CacheOptions, Order, Retry},
};
use crate::{
    env::BoxFuture,
    failure::Failure,
    operator::{KeyFn, OpenContext, Push},
    operators::fused::{Fail, OnError},
    stream::Plan,
    task::{
        contain::Guard,
        context::{ChainContext, TaskInfo},
        head::One,
    },
};

/// Opens a client for a subtask, for calls with these options.
type OpenClient<C> = dyn Fn(&OpenContext<'_>, &AsyncOptions) -> Result<C, Failure> + Send + Sync;

/// Closes a client.
pub(super) type CloseClient<C> = dyn Fn(Arc<C>) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync;

/// An async function with what opens its client, and how it makes its calls: what `.then_async(priced(|_| Desk::connect("localhost:4000")))` puts into a stream.
///
/// Its attribute says how calls are made. What depends on the arguments of a job is said here: `priced(open).capacity(args.capacity)`.
pub struct Asynchronous<F: AsyncFunction> {
    pub(crate) function: F,
    pub(crate) options: AsyncOptions,
    open: Arc<OpenClient<F::Client>>,
    close: Option<Arc<CloseClient<F::Client>>>,
}

impl<F: AsyncFunction> Asynchronous<F> {
    /// A function whose client is what `open` gives to each subtask, before its first record. A failure to open fails the job.
    pub fn new<E: fmt::Display>(
        function: F,
        open: impl Fn(&OpenContext<'_>) -> Result<F::Client, E> + Send + Sync + 'static,
    ) -> Self {
        let open = move |cx: &OpenContext<'_>, _: &_| open(cx).map_err(|error| Failure::new(error.to_string()));
        Self { function, options: F::OPTIONS, open: Arc::new(open), close: None }
    }

    /// A function whose calls block: each has a client of its own while it runs, so as many are opened as calls may be in flight.
    pub fn blocking<C, E>(function: F, open: impl Fn(&OpenContext<'_>) -> Result<C, E> + Send + Sync + 'static) -> Self
    where
        F: AsyncFunction<Client = Pool<C>>,
        C: Send + 'static,
        E: fmt::Display,
    {
        let open = move |cx: &OpenContext<'_>, options: &AsyncOptions| {
            let clients: Result<Vec<C>, E> = (0..options.capacity).map(|_| open(cx)).collect();
            let clients = clients.map_err(|error| Failure::new(error.to_string()))?;
            Ok(Pool::new(Arc::clone(cx.env()), clients))
        };
        Self { function, options: F::OPTIONS, open: Arc::new(open), close: None }
    }

    /// How many calls of each subtask may be in flight. While there are as many, records wait in front of the operator.
    pub fn capacity(mut self, calls: usize) -> Self {
        self.options.capacity = calls;
        self
    }

    /// Puts answers out in the order of their records.
    pub fn ordered(mut self) -> Self
    where
        F: AsyncFunction<Queue = Together>,
    {
        self.options.order = Order::Ordered;
        self
    }

    /// Puts answers out as they come, though none overtakes a watermark.
    pub fn unordered(mut self) -> Self
    where
        F: AsyncFunction<Queue = Together>,
    {
        self.options.order = Order::Unordered;
        self
    }

    /// How long a call may take, further attempts and the waits before them included.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// How long one attempt may take; then it counts as one that has failed.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.options.attempt_timeout = Some(timeout);
        self
    }

    /// How often a call that failed is made again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Keeps so many answers in each subtask, for records that ask for the same; each for so long, if that is said.
    pub fn cache(mut self, entries: usize, ttl: impl Into<Option<Duration>>) -> Self {
        self.options.cache = Some(CacheOptions { entries, ttl: ttl.into() });
        self
    }

    /// How many calls are made in a second at most, by all subtasks together; each has the same share.
    pub fn rate(mut self, calls_per_second: f64) -> Self {
        self.options.rate = Some(calls_per_second);
        self
    }

    /// Closes the client of each subtask of a job that ends well, when all calls are over. (It is dropped in any case.)
    pub fn close_with<Fut, E>(mut self, close: impl Fn(Arc<F::Client>) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.close = Some(Arc::new(move |client| {
            let closing = close(client);
            Box::pin(async { closing.await.map_err(|error| Failure::new(error.to_string())) })
        }));
        self
    }

    /// What is wrong with its options.
    pub(crate) fn mistake(&self) -> Option<String> {
        self.options.mistake()
    }

    /// The same calls for another function with the same client.
    pub(crate) fn with_function<G: AsyncFunction<Client = F::Client>>(
        self,
        make: impl FnOnce(F) -> G,
    ) -> Asynchronous<G> {
        Asynchronous { function: make(self.function), options: self.options, open: self.open, close: self.close }
    }
}

impl<F: AsyncFunction> Clone for Asynchronous<F> {
    fn clone(&self) -> Self {
        Self {
            function: self.function.clone(),
            options: self.options,
            open: Arc::clone(&self.open),
            close: self.close.clone(),
        }
    }
}

/// Which calls wait for each other, before a subtask is opened.
pub trait Queueing<T: Record>: Send + 'static {
    #[doc(hidden)]
    type InTurn: InTurn<T>;
    #[doc(hidden)]
    fn open(&self, cx: &ChainContext<'_>) -> Self::InTurn;
}

/// Which calls wait for each other.
#[doc(hidden)]
pub trait InTurn<T: Record>: Send + 'static {
    /// The hash of the record's key, if calls of one key wait for each other.
    fn of(&self, record: T::View<'_>) -> Option<u64>;
    /// Whether records with this hash come to this subtask, if that follows from their keys.
    fn is_here(&self, hash: u64) -> bool;
    /// True if that is so.
    const BY_KEY: bool;
}

/// No call waits for another.
#[derive(Debug, Clone, Copy)]
pub struct AllAtOnce;

impl<T: Record> Queueing<T> for AllAtOnce {
    type InTurn = Self;

    fn open(&self, _: &ChainContext<'_>) -> Self {
        *self
    }
}

impl<T: Record> InTurn<T> for AllAtOnce {
    const BY_KEY: bool = false;

    #[inline(always)]
    fn of(&self, _: T::View<'_>) -> Option<u64> {
        None
    }

    fn is_here(&self, _: u64) -> bool {
        true
    }
}

/// Calls of one key wait for each other.
#[derive(Debug, Clone, Copy)]
pub struct OneByOne<K>(pub(crate) K);

impl<T: Record, K: KeyFn<T>> Queueing<T> for OneByOne<K> {
    type InTurn = OfKey<K>;

    fn open(&self, cx: &ChainContext<'_>) -> OfKey<K> {
        let TaskInfo { subtask, parallelism, max_parallelism, .. } = *cx.task;
        OfKey { key: self.0.clone(), subtask: subtask as u32, parallelism: parallelism as u32, max_parallelism }
    }
}

#[doc(hidden)]
pub struct OfKey<K> {
    key: K,
    subtask: u32,
    parallelism: u32,
    max_parallelism: u32,
}

impl<T: Record, K: KeyFn<T>> InTurn<T> for OfKey<K> {
    const BY_KEY: bool = true;

    #[inline(always)]
    fn of(&self, record: T::View<'_>) -> Option<u64> {
        Some(self.key.with(record, |key| <K::Key as Key>::hash(key)))
    }

    fn is_here(&self, hash: u64) -> bool {
        let group = key_group(hash, self.max_parallelism);
        owner_of(group, self.max_parallelism, self.parallelism) == self.subtask
    }
}

/// The plan of a chain that begins with an async function.
pub struct AsyncPlan<F: AsyncFunction, Q, H = Fail> {
    pub(crate) operator: Asynchronous<F>,
    pub(crate) queueing: Q,
    pub(crate) on_error: H,
    pub(crate) index: usize,
    pub(crate) record: PhantomData<fn() -> F>,
}

impl<F, Q, H> Plan for AsyncPlan<F, Q, H>
where
    F: AsyncFunction,
    Q: Queueing<F::In>,
    H: OnError<F::In, AsyncError<F::Error>>,
{
    type In = One<F::In>;
    type Out = F::Out;
    type Chain<N: Push<F::Out>> = AsyncHead<F, Q::InTurn, H::Handler, N>;

    fn chain<N: Push<F::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let open = cx.open_context(&info);
        let Asynchronous { function, mut options, .. } = self.operator.clone();
        let guard = Guard::new(&info);
        let client = (self.operator.open)(&open, &options);
        guard.done();
        let client = client.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
        options.rate = options.rate.map(|rate| rate / open.parallelism() as f64);
        let (env, metrics) = (Arc::clone(open.env()), FlightMetrics::of(&open, options.cache.is_some()));
        let access = cx.state(&info);
        let turn = self.queueing.open(cx);
        let handler = self.on_error.open(cx, &info)?;
        Ok(AsyncHead {
            flight: Flight::new(function, Arc::new(client), options, Arc::clone(&env), metrics),
            turn,
            handler,
            access,
            env,
            info: Arc::new(info),
            close: self.operator.close.clone(),
            restored: VecDeque::new(),
            is_ending: false,
            next,
        })
    }
}
