//! The DSL: jobs, streams and what may be done with them. A stream is a plan under construction; nothing runs before the job is deployed.

mod awaiting;
mod broadcast;
mod by_key;
mod chain;
mod connected;
mod domain;
mod firing;
mod job;
mod joined;
mod keyed;
mod pipeline;
mod process;
mod rejects;
mod rolling;
mod sides;
mod sink;
mod stateful;
mod thinned;
mod time;
mod two_inputs;
mod windowed;

pub use awaiting::{Asked, AsyncStream, Awaits, LookedUpIn, WritesOnceAsync};
pub use broadcast::{Broadcast, Broadcasted, IsBroadcast, ProcessedBroadcast, WithBroadcastState};
pub use by_key::{ByKeyPlan, ByKeyStream};
pub use chain::Chain;
pub use connected::{
    Alike, Beside, CoProcessor, Connected, FeedsBoth, InNoWay, KeyedAs, OneKey, OneTime, ProcessedBoth,
    ProcessedUnkeyed,
};
pub use domain::{AtLeastOnce, BestEffort, EventTime, ExactlyOnce, Guarantee, NoTime, TimeDomain};
pub use firing::{
    AggregatesBy, AggregatesWith, Chosen, Counted, EvictorChoice, Incremental, IncrementalWith, KeepsNoElements,
    OfElements, Paned, Preset, TriggerChoice,
};
pub use job::{Job, Replayable, SuitsGuarantee};
pub use joined::{Between, HasWindow, IsJoined, Joined, JoinedBetween, JoinedBy, JoinedIn, Timed, WindowJoin};
pub use keyed::{Everything, HasKey, IsKeyed, KeyBy, Keyed, KeyedStream, NoKey};
pub use pipeline::{Behind, Clocked, ForkToUseAStreamTwice, Pipeline, Planned, SameStream, Sealed, Stream};
pub use process::{Feeds, Mistaken, Processor, SameKey, SameRecord, WithKey, WithoutKey};
pub use rejects::{DivertedCalls, DivertedWindows, OfClosure, PairedErrors, Rejects, ToBadRecord, ToPair, ToWindow};
pub use rolling::{AtEndStream, RollingStream};
pub use sides::PutsAside;
pub use sink::WritesOnce;
pub use stateful::StatefulStream;
pub use thinned::IsRate;
pub use time::{ByTime, GivenTime, HasTimes, IsStrategy, IsTimed, OwnTime, TimeFn};
pub use two_inputs::two_inputs;
pub use windowed::{Aggregated, InSessions, IsAggregated, Ranked, Windowed};

use millstream_core::record::Record;

use crate::{
    failure::Failure,
    operator::Push,
    task::{
        context::ChainContext,
        head::{Head, Ports},
    },
};

/// What a chain will be: a head and the operators fused behind it. Plans nest in the order of the DSL, chains in that of the data.
pub trait Plan: Send + 'static {
    /// What the head takes.
    type In: Ports;
    /// What comes out at the end.
    type Out: Record;
    /// The chain in front of a given end: one type, fully inlined.
    type Chain<N: Push<Self::Out>>: Head;

    /// Makes the chain of a subtask.
    ///
    /// # Errors
    ///
    /// What an operator's `open` says.
    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure>;
}
