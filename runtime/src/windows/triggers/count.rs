//! A trigger that counts elements.

use millstream_core::{key::Key, record::Record, time::Timestamp};

use crate::{
    stream::NoTime,
    windows::{MergingTrigger, Trigger, TriggerContext, TriggerResult},
};

/// See [`count`].
#[derive(Debug, Clone, Copy)]
pub struct Count(u64);

/// Fires at every so many elements of a window. What comes after the last of them does not fire: the window's end is no matter of this trigger.
pub fn count(elements: u64) -> Count {
    Count(elements)
}

impl<T: Record> Trigger<T> for Count {
    /// The elements since it fired.
    type State = u64;
    type Time = NoTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        _: T::View<'_>,
        _: Timestamp,
        count: &mut u64,
        _: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        *count += 1;
        if *count < self.0 {
            return TriggerResult::Continue;
        }
        *count = 0;
        TriggerResult::Fire
    }

    fn clear<K: Key>(&self, count: &mut u64, _: &mut TriggerContext<'_, '_, K>) {
        *count = 0;
    }

    fn is_blank(&self, count: &u64) -> bool {
        *count == 0
    }

    fn mistake(&self) -> Option<String> {
        (self.0 == 0).then(|| "a trigger at every 0 elements: `triggers::count(..)` takes 1 or more".to_owned())
    }
}

impl<T: Record> MergingTrigger<T> for Count {
    fn merge(&self, count: &mut u64, other: &u64) {
        *count += other;
    }

    fn on_merge<K: Key>(&self, _: &mut u64, _: &mut TriggerContext<'_, '_, K>) {}
}
