//! Files as a table in memory, for what an operator looks up.

use std::{io::Read, path::Path, sync::Arc};

use millstream_core::record::Record;
use millstream_runtime::{
    env::{Disk, Files},
    failure::Failure,
};

use super::{
    FileSource, compression,
    error::cannot_read,
    format::{Parsed, Parser, ReadFormat},
};

/// How much text [`FileSource::load`] takes of a file, in bytes.
pub const LOAD_BYTES: u64 = 1 << 30;

impl<F: ReadFormat> FileSource<F> {
    /// Reads all records into memory, file by file in the order of their names: a small table to look something up in, where an operator opens.
    /// Blocks.
    ///
    /// ```no_run
    /// # use millstream_connectors::CsvFiles;
    /// # use millstream_core::cell::Row;
    /// # fn load<Airport: for<'t> Row<'t>>() -> Result<(), Box<dyn std::error::Error>> {
    /// let airports = CsvFiles::<Airport>::read("airports.csv").load()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Names the file and the line. A file of more than [`LOAD_BYTES`] is refused.
    pub fn load(&self) -> Result<Vec<F::Out>, Failure> {
        let mut records = Vec::new();
        for path in self.wanted().find(&Disk)? {
            self.load_file(&Disk, &path, &mut records)?;
        }
        Ok(records)
    }

    fn load_file(&self, files: &dyn Files, path: &Path, records: &mut Vec<F::Out>) -> Result<(), Failure> {
        let mut text = Vec::new();
        compression::open(files, path, 0)
            .and_then(|file| file.take(LOAD_BYTES + 1).read_to_end(&mut text))
            .map_err(|error| cannot_read(path, &error))?;
        if text.len() as u64 > LOAD_BYTES {
            return Err(Failure::new(format!(
                "{} is longer than {LOAD_BYTES} bytes, the most that is loaded as a whole; read it as a source",
                path.display()
            )));
        }
        let (header, start) = self.format.header(&mut &text[..], path)?;
        let mut parser = self.format.parser(&Arc::new(header));
        let mut at = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
        parser.seek(at);
        while at < text.len() {
            match parser.next(&text, at, true) {
                Parsed::Record { view, next } => {
                    records.push(F::Out::from_view(view));
                    at = next;
                }
                Parsed::Blank { next } => at = next,
                Parsed::Incomplete => unreachable!("nothing follows the text"),
                Parsed::Bad { reason, .. } => {
                    let line = 1 + memchr::memchr_iter(b'\n', &text[..at]).count();
                    return Err(Failure::new(format!("{}, line {line}: {reason}", path.display())));
                }
            }
        }
        Ok(())
    }
}
