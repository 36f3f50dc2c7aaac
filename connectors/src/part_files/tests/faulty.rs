//! [`FaultyEnv`]: an environment whose disk goes wrong where a test says.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use millstream_runtime::{
    env::{Disk, Env, Files, ReadFile, WriteFile},
    forward_env,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// Writing, once so many bytes were written.
    Write { after: u64, kind: io::ErrorKind },
    /// Making a file survive a crash.
    Sync,
    /// Renaming, after so many times.
    Rename { after: u64 },
    /// Making the marker.
    Success,
    /// The first time that a file is renamed, someone has removed the directory for it.
    DirectoryGone,
}

pub(super) struct FaultyEnv {
    inner: Arc<dyn Env>,
    files: FaultyFiles,
}

struct FaultyFiles {
    fault: Fault,
    /// Bytes written, or files renamed.
    count: Arc<AtomicU64>,
}

impl FaultyEnv {
    pub(super) fn new(inner: Arc<dyn Env>, fault: Fault) -> Arc<Self> {
        Arc::new(Self { inner, files: FaultyFiles { fault, count: Arc::default() } })
    }
}

impl Env for FaultyEnv {
    fn files(&self) -> &dyn Files {
        &self.files
    }

    forward_env!(inner: spawn, now, wall, sleep_until, random, blocking, wait_in_place, network, step);
}

impl Files for FaultyFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        Disk.open(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        if self.fault == Fault::Success && path.ends_with("_SUCCESS") {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = FaultyFile { file: Disk.create(path)?, fault: self.fault, written: Arc::clone(&self.count) };
        Ok(Box::new(file))
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Disk.append(path)
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<Box<dyn WriteFile>> {
        Disk.truncate(path, len)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        Disk.len(path)
    }
    fn is_dir(&self, path: &Path) -> bool {
        Disk.is_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Disk.list(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.fault {
            Fault::Rename { after } if self.count.fetch_add(1, Relaxed) >= after => {
                Err(io::ErrorKind::PermissionDenied.into())
            }
            Fault::DirectoryGone if self.count.fetch_add(1, Relaxed) == 0 => {
                Disk.remove_empty_dir(to.parent().expect("a part is in a directory"))?;
                Disk.rename(from, to)
            }
            _ => Disk.rename(from, to),
        }
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_dir(path)
    }
    fn remove_empty_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_empty_dir(path)
    }
}

struct FaultyFile {
    file: Box<dyn WriteFile>,
    fault: Fault,
    written: Arc<AtomicU64>,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.written.fetch_add(bytes.len() as u64, Relaxed);
        match self.fault {
            Fault::Write { after, kind } if before + bytes.len() as u64 > after => Err(kind.into()),
            _ => self.file.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl WriteFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        if self.fault == Fault::Sync { Err(io::ErrorKind::StorageFull.into()) } else { self.file.sync() }
    }
}
