//! [`AppendSink`]: lines at the end of one file, as they come.

use std::{
    io::{self, SeekFrom},
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use millstream_core::time::Timestamp;
use millstream_runtime::{
    env::{Env, Files, WriteFile, blocking},
    failure::Failure,
    sink::{NoCommit, Prepare, Prepared, Sink, SinkContext, SinkWriter},
    stream::AtLeastOnce,
};

use super::format::append_line;
use crate::part_files::{fault::cannot_write, place::at_least_here};

/// How much text a subtask gathers before it must be written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Lines at the end of a file, as a sink; [`TextFiles::append`](super::TextFiles::append) makes it.
#[must_use = "a sink writes nothing until `.sink(..)` takes it"]
pub struct AppendSink {
    file: Arc<File>,
}

/// The file, shared by all subtasks so that their lines are never mixed.
struct File {
    path: PathBuf,
    /// Open once something was written.
    open: Mutex<Option<Box<dyn WriteFile>>>,
}

impl AppendSink {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { file: Arc::new(File { path, open: Mutex::new(None) }) }
    }
}

impl Sink for AppendSink {
    type In = String;
    type Guarantee = AtLeastOnce;
    type Committable = ();
    type Writer = AppendWriter;
    type Committer = NoCommit;

    fn name(&self) -> String {
        format!("append({})", self.file.path.display())
    }

    fn check(&self, cx: &SinkContext) -> Result<(), Failure> {
        let (files, path) = (cx.env().files(), &self.file.path);
        if files.is_dir(path) {
            return Err(Failure::new(format!(
                "{} is a directory; name a file in it to append to, or write part files with `TextFiles::write`",
                path.display()
            )));
        }
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            files.create_dir(directory).map_err(|error| cannot_write(directory, &error))?;
        }
        // What is neither there nor a file is refused before it is opened: to open a pipe may take for ever.
        match files.len(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => files.append(path).map(drop),
        }
        .map_err(|error| cannot_write(path, &error))
    }

    fn writer(&self, cx: &SinkContext, _: Vec<()>) -> Result<AppendWriter, Failure> {
        Ok(AppendWriter { env: Arc::clone(cx.env()), file: Arc::clone(&self.file), lines: Vec::new(), records: 0 })
    }

    fn committer(&self, _: &SinkContext) -> Result<NoCommit, Failure> {
        Ok(NoCommit)
    }
}

impl File {
    /// Writes whole lines.
    fn append(&self, files: &dyn Files, lines: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *open {
            Some(file) => file,
            none => none.insert(open_at_line(files, &self.path)?),
        };
        let written = file.write_all(lines).and_then(|()| file.flush());
        if written.is_err() {
            *open = None; // a part of a line may be there: it is ended when the file is opened again
        }
        written
    }

    /// Makes what was written survive a crash of the machine.
    fn sync(&self, files: &dyn Files) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &mut *open else { return Ok(()) };
        file.sync()?;
        // The file may be new, and so may be the way to it; what is above its directory may be of others, who do not let it be opened.
        let mut way = self.path.ancestors().skip(1).map(at_least_here);
        way.next().map_or(Ok(()), |directory| files.sync_dir(directory))?;
        way.for_each(|directory| drop(files.sync_dir(directory)));
        Ok(())
    }
}

/// Opens a file at its end; a line that someone left unfinished there is ended first.
fn open_at_line(files: &dyn Files, path: &Path) -> io::Result<Box<dyn WriteFile>> {
    let mut file = files.append(path)?;
    if files.len(path)? > 0 {
        let (mut last, mut reading) = ([0], files.open(path)?);
        reading.seek(SeekFrom::End(-1))?;
        reading.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Appends the lines of a subtask.
pub struct AppendWriter {
    env: Arc<dyn Env>,
    file: Arc<File>,
    /// Whole lines.
    lines: Vec<u8>,
    records: u64,
}

impl AppendWriter {
    /// Writes what was gathered, and with `sync` makes all of it survive a crash of the machine.
    async fn write_out(&mut self, sync: bool) -> Result<(), Failure> {
        let (lines, file, env) = (mem::take(&mut self.lines), Arc::clone(&self.file), Arc::clone(&self.env));
        let (mut lines, written) = blocking(&*self.env, move || {
            let written = if lines.is_empty() { Ok(()) } else { file.append(env.files(), &lines) };
            let written = if sync { written.and_then(|()| file.sync(env.files())) } else { written };
            (lines, written)
        })
        .await;
        lines.clear();
        self.lines = lines;
        written.map_err(|error| cannot_write(&self.file.path, &error))
    }
}

impl SinkWriter for AppendWriter {
    type In = String;
    type Committable = ();
    type State = ();

    #[inline]
    fn write(&mut self, line: &str, _: Timestamp) -> Result<(), Failure> {
        append_line(line, &mut self.lines)?;
        self.records += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BUFFER_BYTES
    }

    fn records(&self) -> u64 {
        self.records
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.write_out(false).await
    }

    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<()>, Failure> {
        self.write_out(true).await?;
        Ok(Prepared::closed(Vec::new()))
    }
}
