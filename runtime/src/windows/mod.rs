//! Keyed windows by slices: state is `slice -> table(key -> accumulator)`, so that a watermark pops whole tables and costs in proportion to what it fires.

pub mod assigner;
pub(crate) mod at_end;
pub(crate) mod head;
pub(crate) mod preaggregate;
pub(crate) mod slices;

pub use assigner::{
    Assigner, ByEventTime, ByProcessingTime, Clock, Cumulate, Global, Sliding, Tumbling, WindowsOn, cumulate, global,
    sliding, tumbling,
};
