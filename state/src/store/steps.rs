//! The steps of the protocol, by name. A [`StepHook`](super::StepHook) is called with each; what a crash there leaves behind is what crash tests look at.

/// Before a segment becomes visible: all of it has been given to the store but for the last part.
pub const SEGMENT: &str = "segment";
/// A segment is there, and durable.
pub const SEGMENT_DONE: &str = "segment done";
/// Before an entry of the log, a claim or a manifest, is created.
pub const CREATE: &str = "create";
/// The store has answered: the entry is there, or another one, or nobody knows.
pub const CREATE_DONE: &str = "create done";
/// Before the log is listed to see that the created entry is the highest.
pub const CONFIRM: &str = "confirm";
/// The created entry was the highest: it counts.
pub const CONFIRM_DONE: &str = "confirm done";
/// Before an entry that is no longer needed is deleted; once for each, the lowest first.
pub const DELETE_ENTRY: &str = "delete entry";
/// An entry was deleted.
pub const DELETE_ENTRY_DONE: &str = "delete entry done";
/// Before a segment that no manifest names any more is deleted; once for each.
pub const DELETE_SEGMENT: &str = "delete segment";
/// A segment was deleted.
pub const DELETE_SEGMENT_DONE: &str = "delete segment done";
/// Before what attempts that failed have left behind is looked for.
pub const SWEEP: &str = "sweep";
/// Everything left behind was deleted.
pub const SWEEP_DONE: &str = "sweep done";

/// All of them, in the order in which they first come.
pub const ALL: &[&str] = &[
    CREATE,
    CREATE_DONE,
    CONFIRM,
    CONFIRM_DONE,
    SWEEP,
    SWEEP_DONE,
    SEGMENT,
    SEGMENT_DONE,
    DELETE_ENTRY,
    DELETE_ENTRY_DONE,
    DELETE_SEGMENT,
    DELETE_SEGMENT_DONE,
];
