//! A directory of checkpoints: its lock, and what interrupted uploads leave in it.
#![allow(
    clippy::disallowed_methods,
    reason = "locks, and the temporary files of object_store, cannot be reached through object_store; all calls are made before a job runs, or as blocking work"
)]

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::{SEGMENTS, StoreError};
use crate::log::LOG;

/// A directory that checkpoints are written to.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked until it is closed; `None` if others write there, too.
    lock: Option<File>,
}

impl Directory {
    /// Creates the directory if it is missing, and locks it.
    pub(super) fn create_and_lock(path: &Path) -> Result<Self, StoreError> {
        create_durably(path).map_err(failed("create the directory of checkpoints", path))?;
        let name = path.join("lock");
        // Not emptied when it is opened: it may be another process's.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name);
        let mut lock = file.map_err(failed("open the lock of the checkpoints", &name))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::InUse { path: path.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock the checkpoints in", path)(source)),
        }
        let write_pid = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        write_pid(&mut lock).map_err(failed("write the lock of the checkpoints", &name))?;
        Ok(Self { path: path.to_owned(), lock: Some(lock) })
    }

    /// Creates the directory if it is missing.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        create_durably(path).map_err(failed("create the directory of checkpoints", path))?;
        Ok(Self { path: path.to_owned(), lock: None })
    }

    /// Removes the directory if nothing is left in it.
    pub(super) fn remove_if_empty(&self) -> Result<(), StoreError> {
        for path in [self.path.join(LOG), self.path.join(SEGMENTS), self.path.clone()] {
            match fs::remove_dir(&path) {
                Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
                    return Err(failed("remove the directory", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the temporary files of uploads that were interrupted. While the lock is held and nothing is being uploaded, nobody needs them; without a lock,
    /// nobody needs those that were begun under claims before `claim`: such a process is deposed, or will find that it is.
    pub(super) fn remove_leftovers(&self, claim: u64) -> Result<(), StoreError> {
        for folder in [LOG, SEGMENTS] {
            let folder = self.path.join(folder);
            let is_over = |name: &str| self.lock.is_some() || number_of(name).is_some_and(|number| number < claim);
            remove_leftovers(&folder, is_over).map_err(failed("remove what interrupted uploads left in", &folder))?;
        }
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Files { doing, path, source }
}

fn remove_leftovers(folder: &Path, is_over: impl Fn(&str) -> bool) -> io::Result<()> {
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for file in files {
        let file = file?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        if is_leftover(&name) && is_over(&name) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// The number that the name of an entry, or of a segment, begins with: its own, or that of the claim that it was written under.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// True for the names that object_store gives to files that are being written: it appends `#` and a number.
fn is_leftover(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Creates a directory and those above it, so that they survive a crash of the machine.
fn create_durably(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    fs::create_dir_all(path)?;
    for created in missing {
        let parent = created.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Directories cannot be opened as files here, and the system keeps them in order by itself.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{is_leftover, number_of};

    #[test]
    fn only_names_that_end_in_a_number_sign_and_a_number_are_leftovers() {
        assert!(is_leftover("00000000000000000001#1") && is_leftover("a#b#17"));
        assert!(
            !is_leftover("00000000000000000001") && !is_leftover("a#") && !is_leftover("a#1b") && !is_leftover("#")
        );
    }

    #[test]
    fn a_leftover_says_under_which_claim_it_was_written() {
        assert_eq!(number_of("00000000000000000012-ab-00000003#1"), Some(12));
        assert_eq!(number_of("00000000000000000007#2"), Some(7));
        assert_eq!(number_of("lock#1"), None);
    }
}
