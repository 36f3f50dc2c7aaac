//! The log: numbered entries, which are claims of leadership and manifests of complete checkpoints. It is the one source of truth.
//!
//! Each entry is created at a number that nobody has used, in one step that either happens or not. A [`Leader`] begins by creating its claim at the next
//! free number, and reads only afterwards what is before it: whatever another process creates later, it creates behind the claim, and finds out there
//! that it is no longer the leader. No clock is involved. `docs/internals/checkpoint-log.md` says more.

mod entry;
mod leader;
mod read;
mod recover;
mod retain;

#[cfg(test)]
mod tests;

pub use entry::{Body, Entry, EntryError, EntryId, LIMIT_ENTRY_BYTES, LiveEntry, MAGIC, OwnerId, VERSION};
pub use leader::{Candidate, CommitError, Leader, Pin};
pub use read::Listing;
pub(crate) use read::path as entry_path;
pub use recover::Recovery;

/// Below which the entries lie.
pub(crate) const LOG: &str = "log";
