//! Windows by panes: a row for each key and window, with what is kept of its records and what its trigger remembers. Flink's general window operator, for
//! everything that is not a plain aggregate of aligned windows with the default trigger.
//!
//! A record goes through three parts: its windows (`assigner.rs`; of a merging kind they are joined with those in flight, `merging.rs`), what is kept of it there (`contents.rs`), and the
//! window's trigger (`trigger.rs`), which says when the window fires. What comes out then is up to a function (`function.rs`), behind an evictor if there is one; a function that may reject a window has a policy for that (`rejected.rs`).

mod assigner;
mod contents;
mod elements;
mod function;
mod head;
mod merging;
mod operator;
mod plan;
mod rejected;
mod results;
mod timers;
mod trigger;

pub use assigner::{Admits, ByCount, BySession, BySlice, KeptBy, Kind, Merging, RecordAssigner, Separate};
pub use contents::{Contents, Folded, Whole};
pub use elements::{All, Elements, ElementsIter, WindowInput};
pub use function::{Applied, OnElements, WindowContext, WindowFunction};
pub use head::PaneHead;
pub use plan::PanePlan;
pub use rejected::{FailWindow, Unfired};
pub use results::{Finished, Given, OnResult, PutOut};
pub use trigger::{GivenBy, MergingTrigger, Trigger, TriggerContext, TriggerResult};
