//! [`Collect`]: the values of all records, as a list.

use std::marker::PhantomData;

use super::Aggregate;
use crate::{record::Record, time::Timestamp};

/// Collects a value of each record, in the order in which they come. Made by [`Of::collect`](super::Of::collect).
///
/// It does not merge: nothing would be saved, and the order would be lost. So the records themselves are sent.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug)]
pub struct Collect<F, V> {
    value: F,
    returns: PhantomData<fn() -> V>,
}

impl<F: Clone, V> Clone for Collect<F, V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), returns: PhantomData }
    }
}

impl<F, V> Collect<F, V> {
    pub(super) fn new(value: F) -> Self {
        Self { value, returns: PhantomData }
    }
}

impl<T: Record, F, V: Record> Aggregate<T> for Collect<F, V>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Vec<V>;
    type Out = Vec<V>;

    const MERGES: bool = false;

    #[inline(always)]
    fn create(&self) -> Vec<V> {
        Vec::new()
    }

    #[inline(always)]
    fn add(&self, values: &mut Vec<V>, record: T::View<'_>, _: Timestamp) {
        let value = (self.value)(record);
        if !V::is_none(value.view()) {
            values.push(value);
        }
    }

    fn merge(&self, _: &mut Vec<V>, _: <Vec<V> as Record>::View<'_>) {
        unreachable!("an aggregate of which `MERGES` is false is never merged");
    }

    fn finish(&self, values: &Vec<V>) -> Vec<V> {
        Vec::from_view(values.view())
    }
}
