//! Triggers: when windows fire. `.trigger(triggers::count(3))` puts one in the place of the windows' own.
//!
//! Those by count, delta and interval fire *early*, and again and again, with all that the window holds; [`purging`] forgets that each time.

mod continuous;
mod count;
mod delta;
mod purging;
mod time;

pub use self::{
    continuous::{Continuous, ContinuousProcessingTime, continuous, continuous_processing_time},
    count::{Count, count},
    delta::{Delta, delta},
    purging::{Purging, purging},
    time::{EndOfInput, EventTime, Never, ProcessingTime, WindowEnd, end_of_input, event_time, never, processing_time},
};
pub(crate) use time::window_end;
