//! [`StateSettings`]: where keyed state is held.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where keyed state is held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateSettings {
    /// Default: [`StateBackend::Memory`].
    pub backend: StateBackend,
    /// How much memory keyed state may take, in bytes. Default: half of [`Settings::memory_bytes`](super::Settings::memory_bytes).
    pub memory_bytes: Option<usize>,
    /// Where files of keyed state are put, in a folder for each process. None of them is needed after the process has ended. Default: the directory for
    /// temporary files.
    pub dir: Option<PathBuf>,
}

impl StateSettings {
    /// Where files are put.
    pub(crate) fn scratch_dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// Where the rows of keyed state are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StateBackend {
    /// All in memory, until it takes more than its share: then a state that takes more than its part of that goes on as with [`StateBackend::Redb`], and the log tells.
    #[default]
    Memory,
    /// In files of redb, with what is in use in memory, from the first row on. (Timers, windows, and joins of windows stay in memory with either.)
    Redb,
}

/// What a backend may be.
pub(super) const BACKEND_ALLOWED: &str = "`memory` or `redb` is expected";

impl fmt::Display for StateBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Redb => "redb",
        })
    }
}

impl FromStr for StateBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Self::Memory),
            "redb" => Ok(Self::Redb),
            _ => Err(BACKEND_ALLOWED.to_owned()),
        }
    }
}
