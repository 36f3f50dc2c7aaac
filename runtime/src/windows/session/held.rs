//! [`HeldSessions`]: what a sender has aggregated of sessions since its last watermark.
//!
//! At every watermark all of it is sent. For the receiver fires what is over by then, and a record that is held back might belong to that, and make it longer.

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    table::{IntoEntries, Table},
    time::{Timestamp, Window},
};

use super::{Gap, Session, join, touch};
use crate::windows::{
    assigner::{Clock, ClockMarker},
    head::Partial,
    preaggregate::{Added, Partials},
};

/// A part of a session for each key.
pub(crate) struct HeldSessions<G, C, K: Key, V> {
    sessions: Session<G, C>,
    parts: Table<K, (Window, V)>,
    /// What is left of many parts that are being sent.
    going: Option<IntoEntries<K, (Window, V)>>,
}

impl<G, C, K: Key, V> HeldSessions<G, C, K, V> {
    pub(crate) fn new(sessions: Session<G, C>) -> Self {
        Self { sessions, parts: Table::of_sender(), going: None }
    }
}

impl<T, G, C, K, A> Partials<T, K, A> for HeldSessions<G, C, K, A::Acc>
where
    T: Record,
    G: Gap<T>,
    C: ClockMarker,
    K: Key,
    A: Aggregate<T>,
{
    const POSSIBLE: bool = matches!(C::CLOCK, Clock::Event);

    #[inline(always)]
    fn add(
        &mut self,
        aggregate: &A,
        (hash, key): (u64, K::View<'_>),
        (record, at): (T::View<'_>, Timestamp),
        watermark: Timestamp,
        mut send: impl FnMut(<Partial<K, A::Acc> as Record>::View<'_>),
    ) -> Added {
        let alone = self.sessions.window(record, at);
        if alone.max_timestamp() <= watermark {
            // Whether it is late depends on what came before it.
            if let Some((key, (window, accumulator))) = self.parts.remove(hash, key) {
                send((key.view(), window, accumulator.view()));
            }
            return Added::Refused;
        }
        let before = self.parts.len();
        let (key, part) = self.parts.entry_and_key(hash, key, || (alone, aggregate.create()));
        if touch(part.0, alone) {
            part.0 = join(part.0, alone);
        } else {
            let (window, accumulator) = std::mem::replace(part, (alone, aggregate.create()));
            send((key.view(), window, accumulator.view()));
        }
        aggregate.add(&mut part.1, record, at);
        if self.parts.len() == before { Added::Absorbed } else { Added::New }
    }

    fn drain(
        &mut self,
        _: Timestamp,
        limit: usize,
        mut send: impl FnMut(u64, <Partial<K, A::Acc> as Record>::View<'_>),
    ) -> bool {
        let mut send = |(key, (window, accumulator)): (K, (Window, A::Acc))| {
            send(K::hash(key.view()), (key.view(), window, accumulator.view()));
        };
        if self.going.is_none() {
            if self.parts.len() <= limit {
                // The table stays, since as much will follow.
                self.parts.drain().for_each(send);
                return true;
            }
            self.going = Some(std::mem::replace(&mut self.parts, Table::of_sender()).into_entries());
        }
        let Some(entries) = &mut self.going else { return true };
        entries.by_ref().take(limit).for_each(&mut send);
        if entries.len() > 0 {
            return false;
        }
        self.going = None;
        true
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.parts.len() + self.going.as_ref().map_or(0, ExactSizeIterator::len)
    }
}
