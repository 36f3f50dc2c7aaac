//! [`Scratch`]: the directories of one way to run a job, which worlds leave to one another.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use millstream_runtime::failure::Failure;
use tempfile::TempDir;

/// A file system in memory, where there is one: checkpoints sync many small files, which takes a disk most of the time of these tests.
const MEMORY: &str = "/dev/shm";

/// Output and checkpoints of a job, removed in the end. It says what is run there, for messages.
pub(super) struct Scratch {
    directory: TempDir,
    how: String,
}

impl Scratch {
    pub(super) fn new(how: String) -> Self {
        let directory = match Path::new(MEMORY) {
            memory if memory.is_dir() => TempDir::new_in(memory),
            _ => TempDir::new(),
        };
        let directory = directory.unwrap_or_else(|error| panic!("{how}: no temporary directory: {error}"));
        Self { directory, how }
    }

    pub(super) fn output(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.directory.path().join("checkpoints")
    }

    /// Where keyed state goes that is not in memory.
    pub(super) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Says of what is run there that it did end, and well.
    #[track_caller]
    pub(super) fn ended_well(&self, ended: Option<&Result<(), Failure>>) {
        match ended {
            Some(Ok(())) => {}
            Some(Err(failure)) => panic!("{self}: the job failed: {failure}"),
            None => panic!("{self}: the world ended before the job"),
        }
    }

    /// All that is visible of the output.
    pub(super) fn visible(&self) -> Visible {
        let mut files = BTreeMap::new();
        visible(&self.output(), &mut files);
        Visible(files)
    }
}

impl fmt::Display for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)
    }
}

/// Committed files, with what is in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Visible(BTreeMap<PathBuf, Vec<u8>>);

impl Visible {
    /// What was visible earlier and is not any more, or holds something else.
    pub(super) fn lost_of<'a>(&self, earlier: &'a Self) -> Vec<&'a Path> {
        let lost = earlier.0.iter().filter(|(path, content)| self.0.get(*path) != Some(content));
        lost.map(|(path, _)| path.as_path()).collect()
    }
}

fn visible(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("a directory that could be opened can be listed").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            visible(&path, files);
        } else {
            let content = fs::read(&path).expect("a file that is there can be read");
            files.insert(path, content);
        }
    }
}
