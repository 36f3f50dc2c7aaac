//! [`SpillError`]: why rows on disk cannot be had.

use std::io;

use thiserror::Error;

/// Why rows on disk cannot be written or read.
#[derive(Debug, Error)]
pub enum SpillError {
    /// The file system, or what redb makes of its answers.
    #[error(
        "cannot {doing} a file of spilled state: {source}; see that `state.dir` has room and that nobody else changes it"
    )]
    File {
        /// What was being done.
        doing: &'static str,
        /// What came of it.
        source: Box<redb::Error>,
    },
    /// A row is not what was written.
    #[error(
        "a row of spilled state is damaged; see that nobody else changes the files in `state.dir`, and check the disk"
    )]
    Damaged,
}

impl SpillError {
    /// Says what was being done.
    pub(super) fn of<E: Into<redb::Error>>(doing: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::File { doing, source: Box::new(source.into()) }
    }

    pub(super) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        Self::of(doing)
    }
}

/// Ends the attempt: a state has no other way to say that rows cannot be had, and the job goes on from its checkpoint.
#[cold]
#[inline(never)]
pub(super) fn fail(error: &dyn std::fmt::Display) -> ! {
    panic!("{error}")
}
