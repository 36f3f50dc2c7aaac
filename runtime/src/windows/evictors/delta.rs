//! An evictor that keeps the elements which are near to the last.

use millstream_core::record::Record;

use super::{Evicting, EvictionContext, Evictor, by_one_rule};
use crate::operator::Shippable;

/// See [`delta`].
#[derive(Debug, Clone, Copy)]
pub struct Delta<F> {
    threshold: f64,
    delta: F,
    after: bool,
}

/// Removes the elements that differ by the threshold or more from the one that came last. How much two differ is what the function says, given an
/// element and the last: `evictors::delta(0.5, |a: TradeView<'_>, last: TradeView<'_>| (a.price - last.price).abs())`.
pub fn delta<F>(threshold: f64, delta: F) -> Delta<F> {
    Delta { threshold, delta, after: false }
}

impl<F> Delta<F> {
    /// Evicts once the window's function has seen the elements.
    #[must_use]
    pub fn after(self) -> Self {
        Self { after: true, ..self }
    }

    fn evict<T: Record>(&self, elements: &mut Evicting<'_, T>)
    where
        F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> f64,
    {
        // A copy, since the last may have to go as well.
        let last = elements.iter().next_back().map(|(last, _)| T::from_view(last));
        if let Some(last) = last {
            elements.retain(|element, _| (self.delta)(element, last.view()) < self.threshold);
        }
    }
}

impl<T: Record, F> Evictor<T> for Delta<F>
where
    F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> f64,
    F: Shippable,
{
    by_one_rule!();
}
