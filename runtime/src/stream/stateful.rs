//! [`StatefulStream`]: what a stream with a key can remember of each, without a process function of the user's.

use millstream_core::{
    aggregate::{Greatest, Least, Of, Ordered},
    proof::When,
    record::Record,
};

use super::{ByKeyStream, IsTimed, PutsAside, Sealed, Stream, keyed::HasKey};
use crate::{
    by_key::{
        DeduplicateArrived, DeduplicateFirst, DeduplicateLast, FilterWithState, FlatMapWithState, MapWithState,
        SortByTime, TopN,
    },
    failure::Location,
    operator::{Outcome, Several, Shippable, Verdict},
    process::SideOutput,
};

/// Operators with state for each key. Every stream has them, and those without a key are told that they need one.
pub trait StatefulStream: Stream {
    /// Puts each key's records in the order of event time: each goes on when the watermark has reached its time. Records of one time keep the order in which they
    /// came.
    ///
    /// Records that come when the watermark has reached their time already are late: they are counted by the metric `late_records` and left out; see
    /// [`ByKeyStream::with_late`]. What waits is in memory, and part of checkpoints.
    ///
    /// The order is that of the key's subtask: what follows without an exchange, or by the same key, sees it.
    #[track_caller]
    fn sort_by_time(
        self,
    ) -> When<Self::KeyedProof, When<<Self::Time as IsTimed>::TimeProof, ByKeyStream<Self, SortByTime>>>
    where
        Self: HasKey,
        Self::Time: IsTimed,
    {
        ByKeyStream::new(self, SortByTime::default(), Location::caller())
    }

    /// One record becomes one, with a value for each key: `None` at first, and whatever the closure leaves there for the key's next record. Setting it to `None`
    /// forgets the key. Otherwise as [`Stream::map`].
    ///
    /// `.key_with(user).map_with_state(|login, count: &mut Option<u64>| { .. })`
    ///
    /// For timers, several values and what is not to be written with every record there are process functions: [`Stream::process`].
    #[track_caller]
    fn map_with_state<F, S, R>(
        self,
        call: F,
    ) -> When<Self::KeyedProof, When<S::Archived, When<R::Proof, ByKeyStream<Self, MapWithState<F, S, R>>>>>
    where
        Self: HasKey,
        F: for<'a, 's> Fn(<Self::Out as Record>::View<'a>, &'s mut Option<S>) -> R,
        F: Shippable,
        S: Record,
        R: Outcome + 'static,
    {
        ByKeyStream::new(self, MapWithState::new(call), Location::caller())
    }

    /// Keeps the records for which the closure returns true, with a value for each key, as [`StatefulStream::map_with_state`] has it.
    #[track_caller]
    fn filter_with_state<F, S, R>(
        self,
        call: F,
    ) -> When<Self::KeyedProof, When<S::Archived, When<R::Error, ByKeyStream<Self, FilterWithState<F, S, R>>>>>
    where
        Self: HasKey,
        F: for<'a, 's> Fn(<Self::Out as Record>::View<'a>, &'s mut Option<S>) -> R,
        F: Shippable,
        S: Record,
        R: Verdict + 'static,
    {
        ByKeyStream::new(self, FilterWithState::new(call), Location::caller())
    }

    /// One record becomes any number, with a value for each key, as [`StatefulStream::map_with_state`] has it.
    #[track_caller]
    fn flat_map_with_state<F, S, R>(
        self,
        call: F,
    ) -> When<Self::KeyedProof, When<S::Archived, When<R::Proof, ByKeyStream<Self, FlatMapWithState<F, S, R>>>>>
    where
        Self: HasKey,
        F: for<'a, 's> Fn(<Self::Out as Record>::View<'a>, &'s mut Option<S>) -> R,
        F: Shippable,
        S: Record,
        R: Several + 'static,
    {
        ByKeyStream::new(self, FlatMapWithState::new(call), Location::caller())
    }

    /// Of each key the earliest record by event time; of those of one time the one that came first. It goes on when the watermark has reached its time, since none
    /// that is earlier can come then.
    ///
    /// Records that come when the watermark has reached their time already are late: they are counted by the metric `late_records` and left out, even if their key
    /// was not seen before; see [`ByKeyStream::with_late`]. Keys are remembered for ever, or as long as [`ByKeyStream::forget_after`] says.
    #[track_caller]
    fn deduplicate_first(
        self,
    ) -> When<Self::KeyedProof, When<<Self::Time as IsTimed>::TimeProof, ByKeyStream<Self, DeduplicateFirst>>>
    where
        Self: HasKey,
        Self::Time: IsTimed,
    {
        ByKeyStream::new(self, DeduplicateFirst::default(), Location::caller())
    }

    /// Of each key the latest record by event time so far, `Rolling(record)`: a record that is as late as all of its key before it, or later, goes on at once, and
    /// replaces the one before. Others are left out. The watermark plays no part. (Only the last one, at the end of the input, is
    /// `.at_end(|of| of.last(..))`.)
    ///
    /// Keys are remembered for ever.
    #[track_caller]
    fn deduplicate_last(
        self,
    ) -> When<Self::KeyedProof, When<<Self::Time as IsTimed>::TimeProof, ByKeyStream<Self, DeduplicateLast>>>
    where
        Self: HasKey,
        Self::Time: IsTimed,
    {
        ByKeyStream::new(self, DeduplicateLast, Location::caller())
    }

    /// Of each key the record that comes first, at once, whatever its time. Where the records of a key come by several ways, which one is first may differ from run to
    /// run; [`StatefulStream::deduplicate_first`] goes by event time.
    ///
    /// Keys are remembered for ever, or as long as [`ByKeyStream::forget_after`] says.
    #[track_caller]
    fn deduplicate_arrived(self) -> When<Self::KeyedProof, ByKeyStream<Self, DeduplicateArrived>>
    where
        Self: HasKey,
    {
        ByKeyStream::new(self, DeduplicateArrived::default(), Location::caller())
    }

    /// The `n` records of each key with the greatest values, as they change: `(key, rank, Rolling(record))` for each rank, from 1, that a record brings or moves
    /// others to, with the time of the record. It replaces what had that rank before. Of records with equal values the earliest ranks first, and of those that are as
    /// early the one that came first.
    ///
    /// A new first therefore puts out up to `n` records. In windows, once for each: [`Windowed::top_n`](super::Windowed::top_n); as a list `of.top_k(..)`.
    #[track_caller]
    fn top_n<F, V>(
        self,
        n: usize,
        value: F,
    ) -> When<Self::KeyedProof, When<V::OrderProof, ByKeyStream<Self, TopN<F, V, Greatest>>>>
    where
        Self: HasKey,
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> V,
        F: Shippable,
        V: Ordered,
    {
        ByKeyStream::new(self, TopN { top: Of::<Self::Out>::new().top_k(n, value) }, Location::caller())
    }

    /// The `n` records of each key with the least values, as they change; otherwise as [`StatefulStream::top_n`].
    #[track_caller]
    fn bottom_n<F, V>(
        self,
        n: usize,
        value: F,
    ) -> When<Self::KeyedProof, When<V::OrderProof, ByKeyStream<Self, TopN<F, V, Least>>>>
    where
        Self: HasKey,
        F: for<'a> Fn(<Self::Out as Record>::View<'a>) -> V,
        F: Shippable,
        V: Ordered,
    {
        ByKeyStream::new(self, TopN { top: Of::<Self::Out>::new().bottom_k(n, value) }, Location::caller())
    }

    /// Behind what has no side outputs; see [`PutsAside`].
    #[doc(hidden)]
    fn side_output<A>(self, _: A) -> When<Self::Proof, (Self, Sealed<A::Record, Self::Time, Self::Guarantee>)>
    where
        A: SideOutput,
        Self: PutsAside,
    {
        unreachable!("nothing implements this bound")
    }
}

#[diagnostic::do_not_recommend]
impl<S: Stream> StatefulStream for S {}
