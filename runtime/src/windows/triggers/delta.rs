//! A trigger that fires when elements have changed by so much.

use millstream_core::{key::Key, record::Record, time::Timestamp};

use crate::{
    operator::Shippable,
    stream::NoTime,
    windows::{Trigger, TriggerContext, TriggerResult},
};

/// See [`delta`].
#[derive(Debug, Clone, Copy)]
pub struct Delta<F> {
    threshold: f64,
    delta: F,
}

/// Fires at an element that differs by more than the threshold from the one at which it last fired, or from the window's first. How much two differ is what the function says, given the
/// earlier and the later: `triggers::delta(0.5, |a: TradeView<'_>, b: TradeView<'_>| (a.price - b.price).abs())`. It cannot merge.
pub fn delta<F>(threshold: f64, delta: F) -> Delta<F> {
    Delta { threshold, delta }
}

impl<T: Record, F> Trigger<T> for Delta<F>
where
    F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> f64,
    F: Shippable,
{
    /// The element at which it last fired.
    type State = Option<T>;
    type Time = NoTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        record: T::View<'_>,
        _: Timestamp,
        last: &mut Option<T>,
        _: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        let result = match last {
            None => TriggerResult::Continue,
            Some(last) if (self.delta)(last.view(), record) > self.threshold => TriggerResult::Fire,
            Some(_) => return TriggerResult::Continue,
        };
        *last = Some(T::from_view(record));
        result
    }

    fn clear<K: Key>(&self, last: &mut Option<T>, _: &mut TriggerContext<'_, '_, K>) {
        *last = None;
    }

    fn is_blank(&self, last: &Option<T>) -> bool {
        last.is_none()
    }
}
