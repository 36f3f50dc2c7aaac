//! Part files while they are written: under hidden names, one after the other.

use std::{
    io,
    path::{Path, PathBuf},
};

use millstream_runtime::{
    env::{Files, WriteFile},
    failure::Failure,
};

/// A finished part: its name in the staging directory, and the name that it gets in the directory itself.
pub type CsvPart = (String, String);

/// The marker of a directory whose parts are complete.
pub(super) const SUCCESS: &str = "_SUCCESS";
/// How the names of parts begin.
const PART_PREFIX: &str = "part-";

/// Where a sink writes.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    /// Tells this run of a job from all others.
    run: u64,
}

impl Place {
    pub(super) fn new(directory: PathBuf, run: u64) -> Self {
        Self { directory, run }
    }

    /// Where the parts go.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name of the directory inside of it that holds parts before they are committed.
    fn staging_name(&self) -> String {
        format!(".staging-{:016x}", self.run)
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.directory.join(self.staging_name())
    }

    /// A part by name: unique among all runs, subtasks and sequences, so parts never replace one another.
    fn part(&self, subtask: usize, sequence: u64) -> CsvPart {
        let name = format!("{PART_PREFIX}{:016x}-{subtask:05}-{sequence:06}.csv", self.run);
        (format!("{}/{name}", self.staging_name()), name)
    }

    /// True for the parts of other runs.
    pub(super) fn is_foreign_part(&self, path: &Path) -> bool {
        is_part(path) && !name_of(path).starts_with(&format!("{PART_PREFIX}{:016x}-", self.run))
    }
}

/// True for what a sink may have left in a directory earlier.
pub(super) fn is_part(path: &Path) -> bool {
    let name = name_of(path);
    name.starts_with(PART_PREFIX) && name.ends_with(".csv")
}

/// True for the marker of completeness.
pub(super) fn is_success(path: &Path) -> bool {
    name_of(path) == SUCCESS
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Says that something cannot be written.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

/// Text on its way to a part.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// The part ends after it.
    pub(super) ends_part: bool,
}

/// Writes the parts of a subtask. All of it blocks.
pub(super) struct Parts {
    place: Place,
    subtask: usize,
    sequence: u64,
    open: Option<(Box<dyn WriteFile>, CsvPart)>,
    /// Parts that are complete and not handed over yet.
    pub(super) finished: Vec<CsvPart>,
}

impl Parts {
    pub(super) fn new(place: Place, subtask: usize) -> Self {
        Self { place, subtask, sequence: 0, open: None, finished: Vec::new() }
    }

    pub(super) fn write(&mut self, files: &dyn Files, pieces: &[Piece]) -> Result<(), Failure> {
        pieces.iter().try_for_each(|piece| self.write_piece(files, piece))
    }

    fn write_piece(&mut self, files: &dyn Files, piece: &Piece) -> Result<(), Failure> {
        let (mut file, part) = match self.open.take() {
            Some(open) => open,
            None => self.create(files)?,
        };
        let path = self.place.directory.join(&part.0);
        file.write_all(&piece.bytes).map_err(|error| cannot_write(&path, &error))?;
        if piece.ends_part {
            file.flush().and_then(|()| file.sync()).map_err(|error| cannot_write(&path, &error))?;
            self.finished.push(part);
        } else {
            self.open = Some((file, part));
        }
        Ok(())
    }

    fn create(&mut self, files: &dyn Files) -> Result<(Box<dyn WriteFile>, CsvPart), Failure> {
        let staging = self.place.staging();
        files.create_dir(&staging).map_err(|error| cannot_write(&staging, &error))?;
        let part = self.place.part(self.subtask, self.sequence);
        self.sequence += 1;
        let path = self.place.directory.join(&part.0);
        let file = files.create(&path).map_err(|error| cannot_write(&path, &error))?;
        Ok((file, part))
    }
}
