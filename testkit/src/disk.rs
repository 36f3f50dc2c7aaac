//! [`SimDisk`]: a file system in memory whose machine may stop between any two steps, with or without losing what was not synced.
//!
//! It is stricter than real ones: after a loss of power each name that was made, changed or removed and not synced by its directory counts or does not,
//! one by one and in no order; and of bytes that were not synced any beginning is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_runtime::env::{Files, ReadFile, WriteFile};

use crate::rng::Rng;

/// A file system in memory; see the [module](self). Clones are the same disk.
///
/// ```
/// use std::path::Path;
/// use millstream_runtime::env::Files;
/// use millstream_testkit::{SimDisk, rng::Rng};
///
/// let disk = SimDisk::new();
/// disk.create_dir(Path::new("/out"))?;
/// disk.sync_dir(Path::new("/"))?;
/// let mut file = disk.create(Path::new("/out/a"))?;
/// file.write_all(b"synced")?;
/// file.sync()?;
/// disk.sync_dir(Path::new("/out"))?;
/// file.write_all(b", not synced")?;
///
/// disk.lose_power(&mut Rng::new(1));
/// assert!(disk.read(Path::new("/out/a")).unwrap().starts_with(b"synced"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    nodes: Vec<Node>,
    /// What there is. The root always is, and has no node.
    names: BTreeMap<PathBuf, usize>,
    /// What there was when the machine was started last.
    names_at_start: BTreeMap<PathBuf, usize>,
    /// What has become of names since then.
    changes: Vec<Change>,
    /// How many steps were taken.
    steps: u64,
    /// After how many it stops.
    stop_after: Option<u64>,
    stopped: bool,
    /// How often it was started: a file that was opened before is closed.
    starts: u64,
}

#[derive(Default)]
struct Node {
    is_dir: bool,
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

/// Names that change together.
struct Change {
    names: Vec<(PathBuf, Option<usize>)>,
    synced: bool,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps were taken so far: bytes written, names changed, files and directories synced.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Lets the machine stop in the step after so many more: it is taken in part or not at all, and from then on everything is an error.
    pub fn stop_after(&self, steps: u64) {
        let state = &mut *self.lock();
        state.stop_after = Some(state.steps + steps);
    }

    /// True if the machine has stopped.
    pub fn has_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Starts again after the process was killed: what it did is there. Files that are open are closed.
    pub fn restart(&self) {
        let state = &mut *self.lock();
        (state.stopped, state.stop_after) = (false, None);
        state.starts += 1;
    }

    /// Starts again after the machine has lost its power: what was synced is there, and of the rest what `rng` draws.
    pub fn lose_power(&self, rng: &mut Rng) {
        self.restart();
        let state = &mut *self.lock();
        let mut names = std::mem::take(&mut state.names_at_start);
        for change in std::mem::take(&mut state.changes) {
            if change.synced || rng.one_in(2) {
                apply(&mut names, &change.names);
            }
        }
        names = names
            .iter()
            .filter(|(path, _)| is_reached(&names, path))
            .map(|(path, node)| (path.clone(), *node))
            .collect();
        for node in &mut state.nodes {
            if node.bytes.starts_with(&node.synced) {
                let kept = node.synced.len() + rng.index(node.bytes.len() - node.synced.len() + 1);
                node.bytes.truncate(kept);
            } else if rng.one_in(2) {
                node.bytes.clone_from(&node.synced);
            }
            node.synced.clone_from(&node.bytes);
        }
        (state.names, state.names_at_start) = (names.clone(), names);
    }

    /// What a file holds; `None` if there is none.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(path).map(|node| &state.nodes[*node]).filter(|node| !node.is_dir).map(|node| node.bytes.clone())
    }

    /// All files below a directory, and the directories that hold nothing, sorted.
    pub fn tree(&self, directory: &Path) -> Vec<PathBuf> {
        let state = self.lock();
        let holds = |path: &Path| state.names.keys().any(|other| other.parent() == Some(path));
        let below = state.names.keys().filter(|path| path.starts_with(directory) && *path != directory);
        below.filter(|path| !holds(path)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, changes: &[(PathBuf, Option<usize>)]) {
    for (path, node) in changes {
        if let Some(node) = node {
            names.insert(path.clone(), *node);
            continue;
        }
        // With a directory goes what is in it: one that is made in its place is another one.
        let below = names.range(path.clone()..).map(|(name, _)| name).take_while(|name| name.starts_with(path));
        for name in below.cloned().collect::<Vec<_>>() {
            names.remove(&name);
        }
    }
}

fn is_reached(names: &BTreeMap<PathBuf, usize>, path: &Path) -> bool {
    path.ancestors().skip(1).all(|above| above.parent().is_none() || names.contains_key(above))
}

impl State {
    /// Begins a step that changes something; an error if the machine has stopped, or stops in it.
    fn step(&mut self) -> io::Result<()> {
        self.is_running()?;
        self.stopped = self.stop_after == Some(self.steps);
        self.steps += 1;
        self.is_running()
    }

    fn is_running(&self) -> io::Result<()> {
        if self.stopped { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
    }

    fn node(&self, path: &Path) -> io::Result<usize> {
        self.is_running()?;
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        let node = self.node(path)?;
        if self.nodes[node].is_dir { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(node) }
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.names.get(path).is_some_and(|node| self.nodes[*node].is_dir)
    }

    fn parent_is_there(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if !self.is_dir(parent) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, names: Vec<(PathBuf, Option<usize>)>) {
        apply(&mut self.names, &names);
        self.changes.push(Change { names, synced: false });
    }

    fn make(&mut self, path: &Path, is_dir: bool) -> usize {
        self.nodes.push(Node { is_dir, ..Node::default() });
        self.change(vec![(path.to_path_buf(), Some(self.nodes.len() - 1))]);
        self.nodes.len() - 1
    }

    fn children(&self, directory: &Path) -> Vec<PathBuf> {
        self.names.keys().filter(|path| path.parent() == Some(directory)).cloned().collect()
    }
}

impl Files for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let state = self.lock();
        let node = state.file(path)?;
        Ok(Box::new(Cursor::new(state.nodes[node].bytes.clone())))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let state = &mut *self.lock();
        state.step()?;
        let node = match state.file(path) {
            Ok(node) => {
                state.nodes[node].bytes.clear();
                node
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                state.parent_is_there(path)?;
                state.make(path, false)
            }
            Err(error) => return Err(error),
        };
        Ok(self.writer(state, node))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let state = &mut *self.lock();
        let node = match state.file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                state.step()?;
                state.parent_is_there(path)?;
                state.make(path, false)
            }
            node => node?,
        };
        Ok(self.writer(state, node))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<Box<dyn WriteFile>> {
        let state = &mut *self.lock();
        state.step()?;
        let node = state.file(path)?;
        let (bytes, len) = (&mut state.nodes[node].bytes, usize::try_from(len).unwrap_or(usize::MAX));
        if bytes.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.truncate(len);
        Ok(self.writer(state, node))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.lock();
        let node = state.file(path)?;
        Ok(state.nodes[node].bytes.len() as u64)
    }

    fn is_dir(&self, path: &Path) -> bool {
        let state = self.lock();
        !state.stopped && state.is_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.lock();
        state.is_running()?;
        if state.is_dir(path) { Ok(state.children(path)) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        let missing: Vec<_> = path.ancestors().take_while(|path| !state.is_dir(path)).map(Path::to_path_buf).collect();
        for directory in missing.iter().rev() {
            state.step()?;
            if state.names.contains_key(directory) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            state.make(directory, true);
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.step()?;
        if !state.is_dir(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        for change in &mut state.changes {
            change.synced |= change.names.iter().any(|(name, _)| name.parent() == Some(path));
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.step()?;
        let node = state.file(from)?;
        state.parent_is_there(to)?;
        if state.is_dir(to) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        state.change(vec![(from.to_path_buf(), None), (to.to_path_buf(), Some(node))]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.step()?;
        state.file(path)?;
        state.change(vec![(path.to_path_buf(), None)]);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let below: BTreeSet<_> = self.lock().names.keys().filter(|name| name.starts_with(path)).cloned().collect();
        // One by one, what is inside first, as a real one does it.
        for name in below.iter().rev() {
            let state = &mut *self.lock();
            state.step()?;
            state.change(vec![(name.clone(), None)]);
        }
        if below.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn remove_empty_dir(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.step()?;
        state.node(path)?;
        if !state.is_dir(path) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if !state.children(path).is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.change(vec![(path.to_path_buf(), None)]);
        Ok(())
    }
}

impl SimDisk {
    fn writer(&self, state: &State, node: usize) -> Box<dyn WriteFile> {
        Box::new(Writer { disk: self.clone(), node, opened: state.starts })
    }
}

/// A file that is open for writing, at its end.
struct Writer {
    disk: SimDisk,
    node: usize,
    /// In which run of the machine it was opened.
    opened: u64,
}

impl Writer {
    fn step(&self, state: &mut State) -> io::Result<()> {
        if state.starts == self.opened { state.step() } else { Err(io::Error::other("the machine was started anew")) }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let state = &mut *self.disk.lock();
        let stepped = self.step(state);
        if stepped.is_ok() {
            state.nodes[self.node].bytes.extend_from_slice(bytes);
        } else if state.starts == self.opened && state.stop_after == Some(state.steps - 1) {
            state.stop_after = None; // torn once
            state.nodes[self.node].bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
        }
        stepped.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for Writer {
    fn sync(&mut self) -> io::Result<()> {
        let state = &mut *self.disk.lock();
        self.step(state)?;
        let node = &mut state.nodes[self.node];
        node.synced.clone_from(&node.bytes);
        Ok(())
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("SimDisk")
            .field("names", &state.names.keys())
            .field("steps", &state.steps)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> &Path {
        Path::new(name)
    }

    fn write(disk: &SimDisk, name: &str, text: &str, sync: bool) {
        let mut file = disk.create(path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        if sync {
            file.sync().unwrap();
        }
    }

    #[test]
    fn what_is_synced_outlives_a_loss_of_power_and_the_rest_may_or_may_not() {
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let disk = SimDisk::new();
            disk.create_dir(path("/a")).unwrap();
            disk.sync_dir(path("/")).unwrap();
            write(&disk, "/a/kept", "kept", true);
            disk.sync_dir(path("/a")).unwrap();
            write(&disk, "/a/lost", "1234", false);
            disk.rename(path("/a/kept"), path("/a/moved")).unwrap();
            disk.lose_power(&mut Rng::new(seed));
            let (kept, moved) = (disk.read(path("/a/kept")), disk.read(path("/a/moved")));
            assert_eq!(kept.or(moved.clone()).unwrap(), b"kept");
            seen.insert((moved.is_some(), disk.read(path("/a/lost"))));
        }
        // Renamed or not; not there, or any beginning of it.
        assert_eq!(seen.len(), 2 * 6);
    }

    #[test]
    fn it_stops_in_the_middle_of_a_step_and_everything_fails_until_it_is_started_again() {
        let disk = SimDisk::new();
        let mut file = disk.create(path("/file")).unwrap();
        disk.stop_after(1);
        file.write_all(b"12").unwrap();
        assert!(file.write_all(b"345678").is_err());
        assert!(disk.has_stopped() && file.write_all(b"9").is_err() && disk.open(path("/file")).is_err());
        disk.restart();
        assert!(file.write_all(b"9").is_err(), "its process is gone");
        assert_eq!(disk.read(path("/file")).unwrap(), b"12345");
        disk.truncate(path("/file"), 4).unwrap().write_all(b"x").unwrap();
        assert_eq!(disk.read(path("/file")).unwrap(), b"1234x");
        assert_eq!(disk.truncate(path("/file"), 6).err().unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn directories_hold_names() {
        let disk = SimDisk::new();
        assert!(disk.create(path("/a/b/file")).is_err());
        disk.create_dir(path("/a/b")).unwrap();
        write(&disk, "/a/b/file", "x", false);
        assert_eq!(disk.list(path("/a")).unwrap(), [path("/a/b")]);
        assert_eq!(disk.remove_empty_dir(path("/a/b")).unwrap_err().kind(), io::ErrorKind::DirectoryNotEmpty);
        assert_eq!(disk.tree(path("/")), [path("/a/b/file")]);
        disk.remove_dir(path("/a")).unwrap();
        assert!(disk.tree(path("/")).is_empty());
    }
}
