//! A trigger that makes another one forget what has fired.

use millstream_core::{key::Key, record::Record, time::Timestamp};

use crate::windows::{MergingTrigger, Trigger, TriggerContext, TriggerResult};

/// See [`purging`].
#[derive(Debug, Clone, Copy)]
pub struct Purging<Tr>(Tr);

/// Fires when another trigger does, and the window forgets what it holds: each element fires once. The state of the trigger stays.
pub fn purging<Tr>(trigger: Tr) -> Purging<Tr> {
    Purging(trigger)
}

fn purge(result: TriggerResult) -> TriggerResult {
    if result.fires() { TriggerResult::FireAndPurge } else { result }
}

impl<T: Record, Tr: Trigger<T>> Trigger<T> for Purging<Tr> {
    type State = Tr::State;
    type Time = Tr::Time;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        record: T::View<'_>,
        at: Timestamp,
        state: &mut Tr::State,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        purge(self.0.on_element(record, at, state, cx))
    }

    fn on_event_time<K: Key>(
        &self,
        at: Timestamp,
        state: &mut Tr::State,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        purge(self.0.on_event_time(at, state, cx))
    }

    fn on_processing_time<K: Key>(
        &self,
        at: Timestamp,
        state: &mut Tr::State,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        purge(self.0.on_processing_time(at, state, cx))
    }

    fn clear<K: Key>(&self, state: &mut Tr::State, cx: &mut TriggerContext<'_, '_, K>) {
        self.0.clear(state, cx);
    }

    fn is_blank(&self, state: &Tr::State) -> bool {
        self.0.is_blank(state)
    }

    fn mistake(&self) -> Option<String> {
        self.0.mistake()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Record, Tr: MergingTrigger<T>> MergingTrigger<T> for Purging<Tr> {
    fn merge(&self, state: &mut Tr::State, other: &Tr::State) {
        self.0.merge(state, other);
    }

    fn on_merge<K: Key>(&self, state: &mut Tr::State, cx: &mut TriggerContext<'_, '_, K>) {
        self.0.on_merge(state, cx);
    }
}
