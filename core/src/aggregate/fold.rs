//! [`Fold`]: records one by one into a value of the user's.

use super::Aggregate;
use crate::{record::Record, time::Timestamp};

/// Folds records into a value, in the order in which they come. Made by [`Of::fold`](super::Of::fold).
///
/// It does not merge: of two values nobody knows what they would be together. So the records themselves are sent.
#[derive(Debug, Clone)]
pub struct Fold<F, B> {
    init: B,
    step: F,
}

impl<F, B> Fold<F, B> {
    pub(super) fn new<T: Record>(init: B, step: F) -> Self
    where
        F: for<'a> Fn(B, T::View<'a>) -> B,
    {
        Self { init, step }
    }
}

impl<T: Record, F, B: Record + Clone> Aggregate<T> for Fold<F, B>
where
    F: for<'a> Fn(B, T::View<'a>) -> B + Clone + Send + 'static,
{
    /// An option, so that the step can have the value itself and put back another.
    type Acc = Option<B>;
    type Out = B;

    const MERGES: bool = false;

    #[inline(always)]
    fn create(&self) -> Option<B> {
        None
    }

    #[inline(always)]
    fn add(&self, folded: &mut Option<B>, record: T::View<'_>, _: Timestamp) {
        let so_far = folded.take().unwrap_or_else(|| self.init.clone());
        *folded = Some((self.step)(so_far, record));
    }

    fn merge(&self, _: &mut Option<B>, _: Option<B::View<'_>>) {
        unreachable!("an aggregate of which `MERGES` is false is never merged");
    }

    #[inline(always)]
    fn finish(&self, folded: &Option<B>) -> B {
        folded.clone().expect("an accumulator is finished only after a record was added")
    }
}
