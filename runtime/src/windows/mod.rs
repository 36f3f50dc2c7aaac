//! Keyed windows by slices: state is `slice -> table(key -> accumulator)`, so that a watermark pops whole tables and costs in proportion to what it fires.

mod add;
pub mod assigner;
pub(crate) mod at_end;
mod fire;
pub(crate) mod head;
mod kept;
pub(crate) mod preaggregate;
mod progress;
pub(crate) mod ranked;
mod running;
pub(crate) mod session;
pub(crate) mod slices;
mod tree;

pub use assigner::{
    Apart, Assigner, ByEventTime, ByProcessingTime, Clock, Cumulate, FitsWindows, Global, Growing, Layout, Overlapping,
    Sliding, Tumbling, Windows, WindowsOn, cumulate, global, sliding, tumbling,
};
pub use session::{ByRecord, Fixed, Gap, Session, session, session_with};
