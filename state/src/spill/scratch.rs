//! [`Scratch`]: where the files of spilled state lie. Nothing in them outlives the process: after a failure state comes from the checkpoint.
#![allow(
    clippy::disallowed_methods,
    reason = "redb reads and writes files by itself; all calls but point reads are made before a job runs, or as blocking work"
)]

use std::{
    collections::VecDeque,
    fmt,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use redb::{
    StorageBackend,
    backends::{FileBackend, InMemoryBackend},
};

/// Starts work beside the tasks and does not wait for it.
pub type Workers = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// How many merges there are at a time: each takes memory for what it reads and writes, and a processor.
const MERGES_LIMIT: usize = 2;

/// Merges that wait for their turn, of which each table has one at most.
#[derive(Default)]
struct Merges {
    running: usize,
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
}

/// What the names of the folders of processes begin with.
const FOLDER: &str = "millstream-state-";
/// What a process holds locked in its folder as long as it lives.
const LOCK: &str = "lock";
/// How many names are tried for a folder: others may be making theirs.
const FOLDERS_LIMIT: u32 = 10_000;

/// Where the files of spilled state lie: a folder of this process alone, or memory.
pub struct Scratch {
    place: Option<Place>,
    next: AtomicU64,
    usage: Arc<Usage>,
    merges: Arc<Mutex<Merges>>,
    workers: Workers,
}

/// Where a folder is, or will be when the first file is.
struct Place {
    parent: PathBuf,
    folder: Mutex<Option<Arc<Folder>>>,
}

struct Folder {
    path: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

/// What has become of the files so far.
#[derive(Debug, Default)]
pub struct Usage {
    pub(super) written: AtomicU64,
    pub(super) files: AtomicU64,
    pub(super) read: AtomicU64,
}

impl Usage {
    /// How many bytes were written.
    pub fn written_bytes(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// How many bytes the files take now.
    pub fn file_bytes(&self) -> u64 {
        self.files.load(Relaxed)
    }

    /// How many rows were sought in files.
    pub fn lookups(&self) -> u64 {
        self.read.load(Relaxed)
    }
}

impl Scratch {
    /// Files in a folder of its own below `path`, which is created if it is missing. What processes have left there that do not live any more is removed.
    ///
    /// It blocks, shortly.
    ///
    /// # Errors
    ///
    /// Fails if the file system refuses.
    pub fn directory(path: &Path, workers: Workers) -> io::Result<Self> {
        let scratch = Self::directory_if_needed(path, workers);
        scratch.folder()?;
        Ok(scratch)
    }

    /// As [`Scratch::directory`], but the folder is only made with the first file.
    pub fn directory_if_needed(path: &Path, workers: Workers) -> Self {
        let place = Place { parent: path.to_owned(), folder: Mutex::default() };
        Self { place: Some(place), ..Self::in_memory(workers) }
    }

    /// The folder, which is made if it is not there.
    fn folder(&self) -> io::Result<Option<Arc<Folder>>> {
        let Some(place) = &self.place else { return Ok(None) };
        let mut folder = place.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if folder.is_none() {
            fs::create_dir_all(&place.parent)?;
            remove_leftovers(&place.parent)?;
            *folder = Some(Arc::new(Folder::create(&place.parent)?));
        }
        Ok(folder.clone())
    }

    /// Files in memory, for environments that have no others. Nothing is gained by them but that rows lie densely.
    pub fn in_memory(workers: Workers) -> Self {
        Self { place: None, next: AtomicU64::new(0), usage: Arc::default(), merges: Arc::default(), workers }
    }

    /// Has something written beside the tasks, or removed, at once: somebody may soon wait for it.
    pub(super) fn write(&self, work: impl FnOnce() + Send + 'static) {
        (self.workers)(Box::new(work));
    }

    /// Has something merged beside the tasks, in its turn.
    pub(super) fn merge(&self, work: impl FnOnce() + Send + 'static) {
        let mut merges = lock(&self.merges);
        merges.waiting.push_back(Box::new(work));
        if merges.running == MERGES_LIMIT {
            return;
        }
        merges.running += 1;
        drop(merges);
        let mut merger = Merger { merges: Arc::clone(&self.merges), has_ended: false };
        (self.workers)(Box::new(move || {
            while let Some(work) = merger.next() {
                work();
            }
        }));
    }

    /// What has become of the files so far.
    pub fn usage(&self) -> Arc<Usage> {
        Arc::clone(&self.usage)
    }

    /// An empty file.
    pub(super) fn create(&self) -> io::Result<Storage> {
        let number = self.next.fetch_add(1, Relaxed);
        let path = self.folder()?.map(|folder| folder.path.join(format!("{number:08}.redb")));
        let memory = Arc::new(InMemoryBackend::new());
        if let Some(path) = &path {
            OpenOptions::new().write(true).create_new(true).open(path)?;
        }
        Ok(Storage { path, memory, usage: Arc::clone(&self.usage), bytes: AtomicU64::new(0) })
    }
}

/// Where its files lie.
impl fmt::Display for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => place.parent.display().fmt(f),
            None => f.write_str("memory"),
        }
    }
}

fn lock(merges: &Mutex<Merges>) -> MutexGuard<'_, Merges> {
    merges.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody who merges, until there is nothing to merge, or one panics.
struct Merger {
    merges: Arc<Mutex<Merges>>,
    has_ended: bool,
}

impl Merger {
    fn next(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        let mut merges = lock(&self.merges);
        let next = merges.waiting.pop_front();
        if next.is_none() {
            // At once: whoever comes later has to find that nobody is here.
            merges.running -= 1;
            self.has_ended = true;
        }
        next
    }
}

impl Drop for Merger {
    fn drop(&mut self) {
        if !self.has_ended {
            lock(&self.merges).running -= 1;
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("parent", &self.place.as_ref().map(|place| &place.parent))
            .finish_non_exhaustive()
    }
}

impl Folder {
    fn create(parent: &Path) -> io::Result<Self> {
        let pid = std::process::id();
        for number in 0..FOLDERS_LIMIT {
            let path = parent.join(format!("{FOLDER}{pid}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            let lock = OpenOptions::new().write(true).create_new(true).open(path.join(LOCK))?;
            // Whoever removes leftovers may have been faster, and has then taken it for one.
            if lock.try_lock().is_ok() && path.join(LOCK).exists() {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free for a folder of scratch files"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path); // what stays is removed by the next process
    }
}

/// Removes the folders of processes that do not live any more: their locks can be had.
fn remove_leftovers(parent: &Path) -> io::Result<()> {
    for folder in fs::read_dir(parent)? {
        let folder = folder?;
        if !folder.file_name().to_string_lossy().starts_with(FOLDER) {
            continue;
        }
        let Ok(lock) = OpenOptions::new().write(true).open(folder.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(folder.path()); // another process may be removing it
        }
    }
    Ok(())
}

/// A file, which is removed with it.
#[derive(Debug)]
pub(super) struct Storage {
    path: Option<PathBuf>,
    memory: Arc<InMemoryBackend>,
    usage: Arc<Usage>,
    bytes: AtomicU64,
}

impl Storage {
    /// Its bytes, as redb reads and writes them.
    pub(super) fn open(&self) -> io::Result<impl StorageBackend + use<>> {
        let inner = match &self.path {
            None => Inner::Memory(Arc::clone(&self.memory)),
            Some(path) => {
                let file = OpenOptions::new().read(true).write(true).open(path)?;
                Inner::File(FileBackend::new(file).map_err(io::Error::other)?)
            }
        };
        Ok(Counted { inner, usage: Arc::clone(&self.usage) })
    }

    /// Takes notice of how much it takes. redb makes files longer than what it writes to them, which takes no room on most disks.
    pub(super) fn note_bytes(&self) -> io::Result<()> {
        let bytes = match &self.path {
            None => self.memory.len()?,
            Some(path) => taken_bytes(&fs::metadata(path)?),
        };
        self.bytes.store(bytes, Relaxed);
        self.usage.files.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// How long it is, as was noted.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Counts a look-up.
    pub(super) fn count_lookup(&self) {
        self.usage.read.fetch_add(1, Relaxed);
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.usage.files.fetch_sub(self.bytes(), Relaxed);
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path); // it goes with its folder, then
        }
    }
}

#[cfg(unix)]
fn taken_bytes(file: &fs::Metadata) -> u64 {
    /// As `stat` counts, whatever the blocks of the file system are.
    const BLOCK_BYTES: u64 = 512;
    std::os::unix::fs::MetadataExt::blocks(file) * BLOCK_BYTES
}

#[cfg(not(unix))]
fn taken_bytes(file: &fs::Metadata) -> u64 {
    file.len()
}

#[derive(Debug)]
enum Inner {
    File(FileBackend),
    Memory(Arc<InMemoryBackend>),
}

impl Inner {
    fn of(&self) -> &dyn StorageBackend {
        match self {
            Self::File(file) => file,
            Self::Memory(memory) => &**memory,
        }
    }
}

/// Counts what is written, and does not wait until a disk has it: nobody reads it after a crash.
#[derive(Debug)]
struct Counted {
    inner: Inner,
    usage: Arc<Usage>,
}

impl StorageBackend for Counted {
    fn len(&self) -> Result<u64, io::Error> {
        self.inner.of().len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.inner.of().read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.inner.of().set_len(len)
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.usage.written.fetch_add(data.len() as u64, Relaxed);
        self.inner.of().write(offset, data)
    }
}
