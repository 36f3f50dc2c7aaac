//! Part files while they are written: under hidden names, any number of them at a time. All of it blocks.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use millstream_runtime::{env::Files, failure::Failure};

use super::{
    compress::{Compression, Encoder},
    fault::cannot_write,
    place::Place,
};

/// Text on its way to a part.
#[derive(Debug)]
pub(super) struct Piece {
    /// The number of the part, for its writer.
    pub(super) part: u64,
    /// The directory of its partition; empty for that of the sink.
    pub(super) partition: Arc<str>,
    pub(super) bytes: Vec<u8>,
    /// The part ends after it.
    pub(super) ends_part: bool,
}

/// A part that is complete.
#[derive(Debug)]
pub(super) struct Finished {
    /// Its name before it is committed.
    pub(super) staged: String,
    pub(super) partition: Arc<str>,
}

/// Writes the parts of a writer.
pub(super) struct Parts {
    place: Place,
    /// What tells the writer from all others of the run.
    writer: String,
    /// How the names of files end.
    ending: String,
    compression: Compression,
    /// By number. As many as the writer has open.
    open: BTreeMap<u64, Part>,
    /// Parts of other writers, by number, to go on with: their names, and how much of each counts. Nothing was done with them yet.
    restored: BTreeMap<u64, (String, u64)>,
    /// Parts that are complete and not handed over yet.
    pub(super) finished: Vec<Finished>,
    /// Files were made that a crash of the machine may take away.
    unlisted: bool,
}

struct Part {
    file: Encoder,
    staged: String,
    path: PathBuf,
    /// It has what a crash of the machine may take away.
    unsynced: bool,
}

impl Parts {
    pub(super) fn new(place: Place, writer: String, extension: &str, compression: Compression) -> Self {
        Self {
            place,
            writer,
            ending: format!("{extension}{}", compression.suffix()),
            compression,
            open: BTreeMap::new(),
            restored: BTreeMap::new(),
            finished: Vec::new(),
            unlisted: false,
        }
    }

    /// Takes over a part that another writer left open, under a number of this one.
    pub(super) fn restore(&mut self, number: u64, staged: String, len: u64) {
        self.restored.insert(number, (staged, len));
    }

    /// The name of an open part, before it is committed.
    pub(super) fn staged(&self, number: u64) -> String {
        match self.restored.get(&number) {
            Some((staged, _)) => staged.clone(),
            None => self.open.get(&number).map_or_else(|| self.name(number), |part| part.staged.clone()),
        }
    }

    fn name(&self, number: u64) -> String {
        self.place.staged(&self.writer, number, &self.ending)
    }

    /// Writes pieces, and if `durable` makes everything survive a crash of the machine.
    pub(super) fn write(&mut self, files: &dyn Files, pieces: &[Piece], durable: bool) -> Result<(), Failure> {
        pieces.iter().try_for_each(|piece| self.write_piece(files, piece))?;
        if durable { self.sync(files) } else { Ok(()) }
    }

    /// True if there is something that a crash of the machine may take away, of what was written so far.
    pub(super) fn is_unsynced(&self) -> bool {
        self.unlisted || self.open.values().any(|part| part.unsynced)
    }

    fn write_piece(&mut self, files: &dyn Files, piece: &Piece) -> Result<(), Failure> {
        let mut part = match self.open.remove(&piece.part) {
            Some(open) => open,
            None => self.open(files, piece.part)?,
        };
        part.unsynced |= !piece.bytes.is_empty();
        part.file.write_all(&piece.bytes).map_err(|error| cannot_write(&part.path, &error))?;
        if piece.ends_part {
            part.file.finish().map_err(|error| cannot_write(&part.path, &error))?;
            self.finished.push(Finished { staged: part.staged, partition: Arc::clone(&piece.partition) });
        } else {
            self.open.insert(piece.part, part);
        }
        Ok(())
    }

    fn open(&mut self, files: &dyn Files, number: u64) -> Result<Part, Failure> {
        let restored = self.restored.remove(&number);
        let (staged, len) = match restored {
            Some((staged, len)) => (staged, Some(len)),
            None => (self.name(number), None),
        };
        let path = self.place.directory().join(&staged);
        // The staging directory was made before the job began. It must not be made here: once a job that was cancelled has removed it, what
        // still goes on in the background has to end in an error.
        let file = match len {
            // What comes behind was written after the checkpoint that the job has gone back to.
            Some(len) => files.truncate(&path, len).map(Encoder::None),
            None => files.create(&path).and_then(|file| self.compression.begin(file)),
        };
        let file = file.map_err(|error| cannot_write(&path, &error))?;
        self.unlisted |= len.is_none();
        Ok(Part { file, staged, path, unsynced: true })
    }

    fn sync(&mut self, files: &dyn Files) -> Result<(), Failure> {
        for part in self.open.values_mut().filter(|part| part.unsynced) {
            part.file.sync().map_err(|error| cannot_write(&part.path, &error))?;
            part.unsynced = false;
        }
        if self.unlisted {
            let staging = self.place.staging();
            files.sync_dir(&staging).map_err(|error| cannot_write(&staging, &error))?;
            self.unlisted = false;
        }
        Ok(())
    }
}
