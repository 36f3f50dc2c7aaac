//! `.map_with_state(..)` and its kin: closures with a value for each key.

use std::marker::PhantomData;

use millstream_core::{key::Key, record::Record};

use super::{KeyedLogic, Single};
use crate::{
    operator::{Outcome, Push, Several, Shippable, Verdict},
    process::{KeyedContext, StateOf, ValueState},
};

macro_rules! with_state {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $returns:ident, $out:ty, |$record:ident, $returned:ident, $cx:ident| $body:expr) => {
        $(#[$doc])*
        pub struct $name<F, S, R> {
            call: F,
            types: PhantomData<fn(S) -> R>,
        }

        impl<F, S, R> $name<F, S, R> {
            pub(crate) fn new(call: F) -> Self {
                Self { call, types: PhantomData }
            }
        }

        impl<F: Clone, S, R> Clone for $name<F, S, R> {
            fn clone(&self) -> Self {
                Self::new(self.call.clone())
            }
        }

        impl<T: Record, F: Shippable, S: Record, R: $returns + 'static> KeyedLogic<T> for $name<F, S, R>
        where
            F: for<'a, 's> Fn(T::View<'a>, &'s mut Option<S>) -> R,
        {
            const KIND: &'static str = $kind;

            type State = Single<ValueState<Option<S>>>;
            type Out<K: Key> = $out;
            type Sides = ();
            type Error = R::Error;

            #[inline(always)]
            fn on_record<K: Key, N: Push<$out>>(
                &mut self,
                $record: T::View<'_>,
                state: &mut StateOf<'_, '_, Self::State, K>,
                $cx: &mut KeyedContext<'_, '_, K, $out, N>,
            ) -> Result<(), R::Error> {
                let value: &mut Option<S> = &mut *state;
                let $returned = (self.call)($record, value);
                if value.is_none() {
                    state.clear();
                }
                $body
                Ok(())
            }
        }
    };
}

with_state!(
    /// One record becomes one.
    MapWithState, "map_with_state", Outcome, R::Value, |record, returned, cx| {
        cx.emit(returned.outcome()?.view());
    }
);
with_state!(
    /// A record stays or goes.
    FilterWithState, "filter_with_state", Verdict, T, |record, returned, cx| {
        if returned.verdict()? {
            cx.emit(record);
        }
    }
);
with_state!(
    /// One record becomes any number.
    FlatMapWithState, "flat_map_with_state", Several, R::Value, |record, returned, cx| {
        for value in returned.several()? {
            cx.emit(value.view());
        }
    }
);
