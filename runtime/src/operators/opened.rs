//! [`Opened`]: an annotated function that borrows, besides the record, what its subtask opened once: a table, a compiled pattern, a client.

use std::{fmt::Display, marker::PhantomData, sync::Arc};

use millstream_core::{record::Record, time::Timestamp};

use crate::{
    annotated::IsMade,
    failure::{Failure, Location},
    operator::{OpenContext, Operator, Push},
};

/// A function on records and a resource. `#[map]`, `#[filter]`, `#[flat_map]` and `#[filter_map]` implement it for a function whose first
/// parameter is a reference and not the record.
///
/// Its record type is an associated type and no parameter: with a parameter that the attributes find by projection, below the impl of [`Operator`] for
/// all such functions, incremental builds crash rustc 1.95 ("unstable fingerprints").
pub trait WithResource: 'static {
    /// What it takes.
    type In: Record;
    /// What is opened once per subtask.
    type Resource: Send + 'static;
    /// What the function puts out.
    type Out: Record;
    /// Why it may reject a record.
    type Error: Display + Send + 'static;
    /// `map`, `filter` ..
    const KIND: &'static str;
    /// The function's name.
    const NAME: &'static str;
    /// Where it is written.
    const LOCATION: Location;

    /// Takes a record and pushes any number of results.
    ///
    /// # Errors
    ///
    /// An error rejects the record.
    fn process<N: Push<Self::Out>>(
        resource: &mut Self::Resource,
        record: <Self::In as Record>::View<'_>,
        at: Timestamp,
        out: &mut N,
    ) -> Result<(), Self::Error>;
}

/// Opens a resource.
type Open<R> = dyn Fn(&OpenContext<'_>) -> Result<R, Failure> + Send + Sync;

/// The function `O` with what opens its resource: what `.then(enriched(|_| Weather::load("weather.csv")))` puts into a stream.
pub struct Opened<O, R> {
    open: Arc<Open<R>>,
    resource: Option<R>,
    function: PhantomData<fn() -> O>,
}

impl<O, R> Opened<O, R> {
    /// A function whose resource is what `open` gives to each subtask, before its first record. A failure to open fails the job.
    pub fn new<E: Display>(open: impl Fn(&OpenContext<'_>) -> Result<R, E> + Send + Sync + 'static) -> Self {
        let open = move |cx: &OpenContext<'_>| open(cx).map_err(|error| Failure::new(error.to_string()));
        Self { open: Arc::new(open), resource: None, function: PhantomData }
    }
}

impl<O, R> Clone for Opened<O, R> {
    /// A clone opens a resource of its own.
    fn clone(&self) -> Self {
        Self { open: Arc::clone(&self.open), resource: None, function: PhantomData }
    }
}

impl<O, R> IsMade for Opened<O, R> {}

impl<O: WithResource> Operator<O::In> for Opened<O, O::Resource> {
    type Out = O::Out;
    type Error = O::Error;
    const KIND: &'static str = O::KIND;
    const WATERMARK_MAY_FAIL: bool = false;

    fn name(&self) -> &'static str {
        O::NAME
    }

    fn location(&self) -> Option<Location> {
        Some(O::LOCATION)
    }

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.resource = Some((self.open)(cx)?);
        Ok(())
    }

    #[inline(always)]
    fn process<N: Push<O::Out>>(
        &mut self,
        record: <O::In as Record>::View<'_>,
        at: Timestamp,
        out: &mut N,
    ) -> Result<(), O::Error> {
        let resource = self.resource.as_mut().expect("`open` is called before the first record");
        O::process(resource, record, at, out)
    }
}
