//! [`Lookup`]: an async function as the table of a join, from which each record gets the row of its key.

use std::{future::Future, marker::PhantomData, sync::Arc};

use millstream_core::{record::Record, time::Timestamp};

use super::{
    function::{Answers, AsyncFunction, Together},
    options::AsyncOptions,
};
use crate::{
    failure::Location,
    operator::{KeyFn, Push},
};

/// What is put out for a record and its row: `(record, row)`, if there is one; or `(record, Option<row>)`.
pub trait LookedUp<T: Record, C: Record>: Record {
    #[doc(hidden)]
    fn put_out<'a, N: Push<Self>>(row: &'a Option<C>, record: T::View<'a>, at: Timestamp, out: &mut N);
}

impl<T: Record, C: Record> LookedUp<T, C> for (T, C) {
    #[inline(always)]
    fn put_out<'a, N: Push<Self>>(row: &'a Option<C>, record: T::View<'a>, at: Timestamp, out: &mut N) {
        if let Some(row) = row {
            out.push((record, row.view()), at);
        }
    }
}

impl<T: Record, C: Record> LookedUp<T, C> for (T, Option<C>) {
    #[inline(always)]
    fn put_out<'a, N: Push<Self>>(row: &'a Option<C>, record: T::View<'a>, at: Timestamp, out: &mut N) {
        out.push((record, row.as_ref().map(C::view)), at);
    }
}

/// What a lookup asks: an async function that gives the row of a key, or that there is none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no table that `{K}` could be looked up in",
    label = "gives no row for a `{K}`",
    note = "a lookup takes an async function from the key to a row or to none: `#[async_map] async fn customer(db: &Db, id: u64) -> Result<Option<Customer>, DbError>`"
)]
pub trait Table<K: Record>: AsyncFunction<In = K, Answer = Option<Self::Row>, Queue = Together> {
    /// A row.
    type Row: Record;
}

#[diagnostic::do_not_recommend]
impl<K: Record, C: Record, F: AsyncFunction<In = K, Answer = Option<C>, Queue = Together>> Table<K> for F {
    type Row = C;
}

/// The function `O`, asked for the keys of records; `R` is what is put out. (Were it found by way of the other types, rustc 1.95 would lose it on its way into closures.)
pub struct Lookup<T, K, O, R> {
    key: K,
    table: O,
    types: PhantomData<fn(T, R)>,
}

impl<T, K, O, R> Lookup<T, K, O, R> {
    pub(crate) fn new(key: K, table: O) -> Self {
        Self { key, table, types: PhantomData }
    }
}

impl<T, K: Clone, O: Clone, R> Clone for Lookup<T, K, O, R> {
    fn clone(&self) -> Self {
        Self::new(self.key.clone(), self.table.clone())
    }
}

impl<T, K, O, R> AsyncFunction for Lookup<T, K, O, R>
where
    T: Record,
    K: KeyFn<T> + Sync,
    O: Table<K::Key>,
    R: LookedUp<T, O::Row>,
{
    type In = T;
    type Out = R;
    type Client = O::Client;
    type Request = O::Request;
    type Requests = O::Requests;
    type Answer = Option<O::Row>;
    type Error = O::Error;
    type Queue = Together;

    const KIND: &'static str = "lookup";
    const NAME: &'static str = O::NAME;
    const LOCATION: Location = O::LOCATION;
    const OPTIONS: AsyncOptions = O::OPTIONS;

    #[inline(always)]
    fn request(&self, record: T::View<'_>, at: Timestamp) -> O::Request {
        self.key.with(record, |key| self.table.request(key, at))
    }

    fn call(
        client: Arc<O::Client>,
        requests: O::Requests,
    ) -> impl Future<Output = Answers<Option<O::Row>, O::Error>> + Send + 'static {
        O::call(client, requests)
    }

    #[inline(always)]
    fn put_out<'a, N: Push<R>>(row: &'a Option<O::Row>, record: T::View<'a>, at: Timestamp, out: &mut N) {
        R::put_out(row, record, at, out);
    }

    fn copy(row: &Option<O::Row>) -> Option<O::Row> {
        O::copy(row)
    }

    fn wants_retry(answer: Result<&Option<O::Row>, &O::Error>) -> bool {
        O::wants_retry(answer)
    }

    fn fallback(request: O::Request) -> Option<Result<Option<O::Row>, O::Error>> {
        O::fallback(request)
    }
}
