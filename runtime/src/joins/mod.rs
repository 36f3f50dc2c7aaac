//! Joins of two keyed streams: as records come, by windows, and by how far apart records happened.
//!
//! What is put out for which records is a [`Matching`]; the heads keep the records of each key, and hand pairs of them to it, one by one.

mod arrival;
mod begun;
pub(crate) mod chunk;
pub(crate) mod incremental;
mod interval;
mod matching;
mod open;
mod pairing;
mod session;
pub(crate) mod window;
mod windows;

pub use incremental::{Incremental, IncrementalHead, IncrementalPlan};
pub(crate) use interval::Interval;
pub use interval::{Bound, IntervalJoin, Recent, after, before};
pub use matching::{Anti, CoGroup, FullOuter, Grouped, Inner, Keep, LeftOuter, Matching, Pairs, RightOuter, Semi};
pub use session::{SessionJoinHead, SessionJoinPlan};
pub use window::{JoinPlan, WindowJoinHead};
pub use windows::JoinWindows;
