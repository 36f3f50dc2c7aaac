//! The closures of `map`, `filter`, `filter_map`, `flat_map` and `inspect` as operators.

use std::{convert::Infallible, marker::PhantomData};

use millstream_core::{record::Record, time::Timestamp};

use crate::operator::{Operator, Outcome, Perhaps, Push, Several, Shippable, Verdict};

macro_rules! closure_operator {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $returns:ident, $out:ty, |$self:ident, $record:ident, $at:ident, $next:ident| $body:expr) => {
        $(#[$doc])*
        pub struct $name<F, R> {
            call: F,
            returns: PhantomData<fn() -> R>,
        }

        impl<F, R> $name<F, R> {
            pub(crate) fn new(call: F) -> Self {
                Self { call, returns: PhantomData }
            }
        }

        impl<F: Clone, R> Clone for $name<F, R> {
            fn clone(&self) -> Self {
                Self::new(self.call.clone())
            }
        }

        impl<T: Record, F: Shippable, R: $returns + 'static> Operator<T> for $name<F, R>
        where
            F: for<'a> Fn(T::View<'a>) -> R,
        {
            type Out = $out;
            type Error = R::Error;
            const KIND: &'static str = $kind;
            const WATERMARK_MAY_FAIL: bool = false;

            #[inline(always)]
            fn process<N: Push<Self::Out>>(
                &mut $self,
                $record: T::View<'_>,
                $at: Timestamp,
                $next: &mut N,
            ) -> Result<(), R::Error> {
                $body
                Ok(())
            }
        }
    };
}

closure_operator!(
    /// One record becomes one.
    Map, "map", Outcome, R::Value, |self, record, at, out| {
        let value = (self.call)(record).outcome()?;
        out.push(value.view(), at);
    }
);
closure_operator!(
    /// A record stays or goes.
    Filter, "filter", Verdict, T, |self, record, at, out| {
        if (self.call)(record).verdict()? {
            out.push(record, at);
        }
    }
);
closure_operator!(
    /// One record becomes one or none.
    FilterMap, "filter_map", Perhaps, R::Value, |self, record, at, out| {
        if let Some(value) = (self.call)(record).perhaps()? {
            out.push(value.view(), at);
        }
    }
);
closure_operator!(
    /// One record becomes any number.
    FlatMap, "flat_map", Several, R::Value, |self, record, at, out| {
        for value in (self.call)(record).several()? {
            out.push(value.view(), at);
        }
    }
);

/// Records pass; the closure looks at them.
#[derive(Clone)]
pub struct Inspect<F>(pub(crate) F);

impl<T: Record, F: Shippable> Operator<T> for Inspect<F>
where
    F: for<'a> Fn(T::View<'a>),
{
    type Out = T;
    type Error = Infallible;
    const KIND: &'static str = "inspect";
    const WATERMARK_MAY_FAIL: bool = false;

    #[inline(always)]
    fn process<N: Push<T>>(&mut self, record: T::View<'_>, at: Timestamp, out: &mut N) -> Result<(), Infallible> {
        (self.0)(record);
        out.push(record, at);
        Ok(())
    }
}
