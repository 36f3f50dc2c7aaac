//! Calls of operators as a chain makes them.

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    env::Instant,
    operator::{KeyFn, Operator, Push, Signal, Stage, Wait},
};

/// The end of a chain.
struct Collect<T> {
    records: Vec<T>,
    at: Timestamp,
}

impl<T: Record> Stage for Collect<T> {
    fn signal(&mut self, signal: Signal) {
        panic!("no operator here signals, and yet: {signal:?}");
    }

    fn is_full(&self) -> bool {
        false
    }

    fn flush(&mut self, _: Instant) -> Option<Instant> {
        None
    }

    fn idle(&mut self) {}

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async { Ok(()) })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async { Ok(()) })
    }
}

impl<T: Record> Push<T> for Collect<T> {
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        assert_eq!(at, self.at, "the time stays with what comes of the record");
        self.records.push(T::from_view(record));
    }
}

/// What an annotated function makes of a record.
pub(crate) fn run<T: Record, O: Operator<T>>(
    function: impl FnOnce() -> O,
    record: &T,
    at: Timestamp,
) -> Result<Vec<O::Out>, String> {
    assert!(["map", "filter", "flat_map", "filter_map"].contains(&O::KIND));
    let mut out = Collect { records: Vec::new(), at };
    function().process(record.view(), at, &mut out).map_err(|error| error.to_string())?;
    Ok(out.records)
}

/// The key that an annotated function selects.
pub(crate) fn key<T: Record, K: KeyFn<T>>(function: impl FnOnce() -> K, record: &T) -> K::Key {
    function().with(record.view(), K::Key::from_view)
}
