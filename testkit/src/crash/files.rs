//! Files of a world: they fail where its mishap says, and always when it is over.

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use millstream_runtime::env::{Env, Files, ReadFile, WriteFile};

use super::{MISHAP, Mishap, World};
use crate::sim::SimEnv;

/// The files of a simulation, as long as the world lasts.
pub(super) struct WorldFiles {
    sim: Arc<SimEnv>,
    world: Arc<World>,
}

impl WorldFiles {
    pub(super) fn new(sim: Arc<SimEnv>, world: Arc<World>) -> Self {
        Self { sim, world }
    }

    /// Does what has a result that somebody relies on.
    fn work<T>(&self, work: impl FnOnce(&dyn Files) -> io::Result<T>) -> io::Result<T> {
        self.world.operation(true)?;
        work(self.sim.files())
    }

    /// Does what only tidies up: it ends with the world, but it does not fail by itself.
    fn tidy<T>(&self, work: impl FnOnce(&dyn Files) -> io::Result<T>) -> io::Result<T> {
        self.world.operation(false)?;
        work(self.sim.files())
    }
}

impl World {
    /// Counts an operation; an error if it must not happen.
    fn operation(&self, may_fail: bool) -> io::Result<()> {
        if self.is_over() {
            return Err(io::Error::other("the world is over"));
        }
        let count = 1 + self.file_operations.fetch_add(1, Relaxed);
        match self.mishap {
            Mishap::EndAtFile { nth } if nth == count => {
                self.end();
                Err(io::Error::other("the world ends"))
            }
            Mishap::FailFile { nth } if nth == count && may_fail => Err(io::Error::other(MISHAP)),
            _ => Ok(()),
        }
    }
}

impl Files for WorldFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let file = self.work(|files| files.open(path))?;
        Ok(Box::new(Reading { world: Arc::clone(&self.world), file }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let file = self.work(|files| files.create(path))?;
        Ok(Box::new(Writing { world: Arc::clone(&self.world), file }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let file = self.work(|files| files.append(path))?;
        Ok(Box::new(Writing { world: Arc::clone(&self.world), file }))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<Box<dyn WriteFile>> {
        let file = self.work(|files| files.truncate(path, len))?;
        Ok(Box::new(Writing { world: Arc::clone(&self.world), file }))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.work(|files| files.len(path))
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.sim.files().is_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.work(|files| files.list(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.work(|files| files.create_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.work(|files| files.sync_dir(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.work(|files| files.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.tidy(|files| files.remove(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.tidy(|files| files.remove_dir(path))
    }

    fn remove_empty_dir(&self, path: &Path) -> io::Result<()> {
        self.tidy(|files| files.remove_empty_dir(path))
    }
}

struct Reading {
    world: Arc<World>,
    file: Box<dyn ReadFile>,
}

impl Read for Reading {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.world.operation(true)?;
        self.file.read(buf)
    }
}

impl Seek for Reading {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.file.seek(pos)
    }
}

struct Writing {
    world: Arc<World>,
    file: Box<dyn WriteFile>,
}

impl Write for Writing {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let was_over = self.world.is_over();
        let allowed = self.world.operation(true);
        if allowed.is_err() && !was_over {
            // The last that this world does.
            self.file.write_all(&buf[..buf.len() / 2])?;
        }
        allowed?;
        self.file.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.world.operation(true)?;
        self.file.flush()
    }
}

impl WriteFile for Writing {
    fn sync(&mut self) -> io::Result<()> {
        self.world.operation(true)?;
        self.file.sync()
    }
}
