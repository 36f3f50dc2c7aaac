//! Part files while they are written: under hidden names, any number of them at a time. All of it blocks.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use millstream_runtime::{env::Files, failure::Failure};

use super::{
    compress::{Compression, Encoder},
    fault::cannot_write,
    place::{FilePart, Place},
};

/// Text on its way to a part.
#[derive(Debug)]
pub(super) struct Piece {
    /// The number of the part, in its subtask.
    pub(super) part: u64,
    /// The directory of its partition; empty for that of the sink.
    pub(super) partition: Arc<str>,
    pub(super) bytes: Vec<u8>,
    /// The part ends after it.
    pub(super) ends_part: bool,
}

/// Writes the parts of a subtask.
pub(super) struct Parts {
    place: Place,
    subtask: usize,
    /// How the names of files end.
    ending: String,
    compression: Compression,
    /// By number. As many as the writer has open.
    open: BTreeMap<u64, Part>,
    /// Parts that are complete and not handed over yet.
    pub(super) finished: Vec<FilePart>,
}

struct Part {
    file: Encoder,
    path: PathBuf,
    names: FilePart,
}

impl Parts {
    pub(super) fn new(place: Place, subtask: usize, extension: &str, compression: Compression) -> Self {
        let ending = format!("{extension}{}", compression.suffix());
        Self { place, subtask, ending, compression, open: BTreeMap::new(), finished: Vec::new() }
    }

    pub(super) fn write(&mut self, files: &dyn Files, pieces: &[Piece]) -> Result<(), Failure> {
        pieces.iter().try_for_each(|piece| self.write_piece(files, piece))
    }

    fn write_piece(&mut self, files: &dyn Files, piece: &Piece) -> Result<(), Failure> {
        let mut part = match self.open.remove(&piece.part) {
            Some(open) => open,
            None => self.create(files, piece)?,
        };
        part.file.write_all(&piece.bytes).map_err(|error| cannot_write(&part.path, &error))?;
        if piece.ends_part {
            part.file.finish().map_err(|error| cannot_write(&part.path, &error))?;
            self.finished.push(part.names);
        } else {
            self.open.insert(piece.part, part);
        }
        Ok(())
    }

    fn create(&self, files: &dyn Files, piece: &Piece) -> Result<Part, Failure> {
        let names = self.place.part(&piece.partition, self.subtask, piece.part, &self.ending);
        let path = self.place.directory().join(&names.0);
        // The staging directory was made before the job began. It must not be made here: once a job that was cancelled has removed it, what
        // still goes on in the background has to end in an error.
        let file = files.create(&path).and_then(|file| self.compression.begin(file));
        let file = file.map_err(|error| cannot_write(&path, &error))?;
        Ok(Part { file, path, names })
    }
}
