//! Keyed windows. Plain aggregates of aligned windows are kept by slices: state is `slice -> table(key -> accumulator)`, so that a watermark pops whole tables and
//! costs in proportion to what it fires. Everything else is kept by panes, a row for each key and window.

mod add;
pub mod assigner;
pub(crate) mod at_end;
mod count;
pub mod evictors;
mod fire;
pub(crate) mod head;
pub(crate) mod held;
pub(crate) mod kept;
pub mod panes;
pub(crate) mod preaggregate;
mod progress;
pub(crate) mod ranked;
mod running;
pub(crate) mod session;
pub(crate) mod slices;
pub(crate) mod stored;
mod tree;
pub mod triggers;

#[cfg(feature = "time-zones")]
pub use assigner::calendar;
pub use assigner::{
    Apart, Assigner, ByEventTime, ByProcessingTime, Clock, Cumulate, FitsWindows, Global, Growing, Layout, Overlapping,
    Sliding, Tumbling, WindowsOn, cumulate, global, sliding, tumbling,
};
pub use count::{Count, SlidingCount, count};
pub use evictors::Evictor;
pub use panes::{
    All, Elements, Merging, MergingTrigger, RecordAssigner, Separate, Trigger, TriggerContext, TriggerResult,
    WindowContext, WindowFunction,
};
pub use session::{ByRecord, Fixed, Gap, Session, session, session_with};
