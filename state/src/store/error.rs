//! [`StoreError`]: what goes wrong with stored checkpoints.

use std::{fmt, io, path::PathBuf};

use millstream_core::buffer::PushError;

use super::refusal::Refusal;
use crate::{channels::ChannelsError, log::EntryError, segment::SegmentError};

/// What goes wrong with stored checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store refuses, or does not answer. Trying again may help.
    #[error("cannot {doing}: {source}")]
    Objects {
        /// What was to be done, and with which object.
        doing: String,
        /// What the store says.
        source: Refusal,
    },
    /// The program cannot use this kind of store.
    #[error(
        "{location} cannot be used, since the program was built without it: add the feature `{feature}` to the dependency `millstream`, or choose a \
         directory"
    )]
    Feature {
        /// The location.
        location: String,
        /// The feature that it needs.
        feature: &'static str,
    },
    /// A location cannot be used as it is.
    #[error("{location} cannot be used: {problem}")]
    Location {
        /// The location.
        location: String,
        /// Why.
        problem: String,
    },
    /// The file system refuses.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Files {
        /// What was to be done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it open.
    #[error(
        "the checkpoints in {} are in use by a live process{}: stop it first, or give this job another directory",
        .path.display(), Pid(*.pid)
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process, if it could be found out.
        pid: Option<u32>,
    },
    /// A segment that a manifest names is not there.
    #[error("the segment `{name}` is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A segment is not what the manifest says.
    #[error("the segment `{name}` has {found} bytes, and the checkpoint says {stated}")]
    Size {
        /// Its name.
        name: String,
        /// Its size.
        found: u64,
        /// The size in the manifest.
        stated: u64,
    },
    /// A segment cannot be read.
    #[error("the segment `{name}` cannot be read: {source}")]
    Segment {
        /// Its name.
        name: String,
        /// Why.
        source: SegmentError,
    },
    /// What was on its way between tasks cannot be read.
    #[error("the channel state `{name}` cannot be read: {source}")]
    Channels {
        /// The name of its object.
        name: String,
        /// Why.
        source: ChannelsError,
    },
    /// A manifest names something that is no segment.
    #[error("`{name}` is not the name of a segment: the checkpoint that names it is damaged")]
    Name {
        /// What it names.
        name: String,
    },
    /// A row does not fit into a segment.
    #[error("the segment `{name}` cannot be written: {source}")]
    Row {
        /// The segment's name.
        name: String,
        /// Why.
        source: PushError,
    },
    /// An entry of the log is missing.
    #[error("entry {number} of the log is missing")]
    NoEntry {
        /// Its number.
        number: u64,
    },
    /// An entry of the log cannot be read.
    #[error("entry {number} of the log cannot be read: {source}")]
    Entry {
        /// Its number.
        number: u64,
        /// Why.
        source: EntryError,
    },
    /// The checkpoints are of another job.
    #[error(
        "these are the checkpoints of the job `{found}`, not of `{wanted}`: give each job a place of its own for its checkpoints"
    )]
    OtherJob {
        /// Whose they are.
        found: String,
        /// Who asked.
        wanted: String,
    },
    /// There are checkpoints, but none can be used.
    #[error(
        "none of the checkpoints can be used, so the job does not start, rather than begin anew with empty state: {}. Repair them, or remove all of \
         the checkpoints to begin anew",
        Reasons(.skipped)
    )]
    NoneUsable {
        /// Numbers of entries, the newest first, and why each cannot be used.
        skipped: Vec<(u64, String)>,
    },
    /// The log has lost entries that nobody may delete.
    #[error(
        "the log of the checkpoints is incomplete ({what}), so the job does not start, rather than begin anew with empty state. Restore the missing \
         objects, or remove all of the checkpoints to begin anew"
    )]
    Incomplete {
        /// What is missing.
        what: String,
    },
    /// There is something where a savepoint is to be written.
    #[error("there is something already where the savepoint is to be written: name a place that is empty")]
    Occupied,
    /// There is no savepoint where one should be.
    #[error("there is no complete savepoint: {what}")]
    NoSavepoint {
        /// What is there instead.
        what: &'static str,
    },
    /// Someone else writes checkpoints here now.
    #[error("another process has taken over this job's checkpoints: entry {number} of the log is not this process's")]
    Deposed {
        /// The entry that says so.
        number: u64,
    },
}

impl StoreError {
    pub(crate) fn objects(doing: impl Into<String>, source: object_store::Error) -> Self {
        Self::Objects { doing: doing.into(), source: Refusal(source) }
    }

    /// True if something stored is missing or damaged for good; false if trying again may help, or if the job has to be changed.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Size { .. } | Self::Name { .. } | Self::NoEntry { .. } => true,
            Self::Segment { source, .. } => !matches!(
                source,
                SegmentError::Version { .. }
                    | SegmentError::Key { .. }
                    | SegmentError::Schema(_)
                    | SegmentError::Undescribed { .. }
                    | SegmentError::Migration { .. }
            ),
            Self::Channels { source, .. } => !matches!(source, ChannelsError::Version { .. }),
            Self::Entry { source, .. } => !matches!(source, EntryError::Version { .. }),
            Self::Objects { .. }
            | Self::Feature { .. }
            | Self::Location { .. }
            | Self::Files { .. }
            | Self::InUse { .. }
            | Self::Row { .. }
            | Self::OtherJob { .. }
            | Self::Occupied
            | Self::NoSavepoint { .. } => false,
            Self::NoneUsable { .. } | Self::Incomplete { .. } | Self::Deposed { .. } => false,
        }
    }
}

struct Pid(Option<u32>);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |pid| write!(f, " (pid {pid})"))
    }
}

struct Reasons<'s>(&'s [(u64, String)]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (number, reason)) in self.0.iter().enumerate() {
            write!(f, "{}entry {number}: {reason}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
