//! The contracts that annotated functions are written against, in the shape that the runtime gives them.

use millstream_core::{record::Record, time::Timestamp};

pub(crate) mod operator {
    //! As `millstream_runtime::operator`.

    use std::fmt::Display;

    use millstream_core::{key::Key, record::Record, time::Timestamp};

    pub(crate) struct Location {
        pub(crate) file: &'static str,
        pub(crate) line: u32,
        pub(crate) column: u32,
    }

    pub(crate) trait Push<T: Record> {
        fn push(&mut self, record: T::View<'_>, at: Timestamp);
    }

    pub(crate) trait Operator<T: Record>: Clone + Send + 'static {
        type Out: Record;
        type Error: Display + Send + 'static;
        const KIND: &'static str;
        fn name(&self) -> &'static str;
        fn location(&self) -> Option<Location>;
        fn process<N: Push<Self::Out>>(
            &mut self,
            record: T::View<'_>,
            at: Timestamp,
            out: &mut N,
        ) -> Result<(), Self::Error>;
    }

    pub(crate) trait KeyFn<T: Record>: Clone + Send + 'static {
        type Key: Key;
        fn name(&self) -> &'static str;
        fn with<R>(&self, record: T::View<'_>, then: impl FnOnce(<Self::Key as Record>::View<'_>) -> R) -> R;
    }
}

pub(crate) mod check {
    //! Calls of operators as a chain makes them.

    use super::{
        Record, Timestamp,
        operator::{KeyFn, Operator, Push},
    };

    struct Collect<T> {
        records: Vec<T>,
        at: Timestamp,
    }

    impl<T: Record> Push<T> for Collect<T> {
        fn push(&mut self, record: T::View<'_>, at: Timestamp) {
            assert_eq!(at, self.at, "the time stays with what comes of the record");
            self.records.push(T::from_view(record));
        }
    }

    pub(crate) fn run<T: Record, O: Operator<T>>(
        annotated: impl FnOnce() -> O,
        record: &T,
        at: Timestamp,
    ) -> Result<Vec<O::Out>, String> {
        assert!(["map", "filter", "flat_map", "filter_map"].contains(&O::KIND));
        let (mut operator, mut out) = (annotated(), Collect { records: Vec::new(), at });
        operator.process(record.view(), at, &mut out).map_err(|error| error.to_string())?;
        Ok(out.records)
    }

    pub(crate) fn key<T: Record, K: KeyFn<T>>(annotated: impl FnOnce() -> K, record: &T) -> K::Key {
        annotated().with(record.view(), K::Key::from_view)
    }
}
