//! Writes the records of a subtask to part files, in the background.

use std::{mem, sync::Arc};

use millstream_core::{cell::Row, record::Record, time::Timestamp};
use millstream_runtime::{
    env::{BoxFuture, Env},
    failure::Failure,
    sink::SinkWriter,
};

use super::{
    parts::{CsvPart, Parts, Piece},
    quote::Formatter,
};
use crate::background::background;

/// How much text a writer gathers before it wants it written. While that is done it gathers as much again.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Writes part files; see [`CsvFiles::write`](super::CsvFiles::write).
pub struct CsvWriter<T> {
    env: Arc<dyn Env>,
    formatter: Formatter<T>,
    records: u64,
    part_bytes: u64,
    /// What is gathered. The last piece is the one that records are added to.
    pieces: Vec<Piece>,
    /// How much that is.
    gathered: usize,
    /// How much the part has that the last piece belongs to; 0 if the next record begins a part.
    part_size: u64,
    /// The files, while nothing is being written.
    parts: Option<Parts>,
    writing: Option<Writing>,
    /// The buffer that was written last, to be used again.
    spare: Vec<u8>,
}

/// Gives the files back, and the pieces to be used again.
type Writing = BoxFuture<'static, (Parts, Vec<Piece>, Result<(), Failure>)>;

impl<T: for<'t> Row<'t>> CsvWriter<T> {
    pub(super) fn new(env: Arc<dyn Env>, delimiter: u8, part_bytes: u64, parts: Parts) -> Self {
        Self {
            records: 0,
            env,
            formatter: Formatter::new(delimiter),
            part_bytes,
            pieces: Vec::new(),
            gathered: 0,
            part_size: 0,
            parts: Some(parts),
            writing: None,
            spare: Vec::new(),
        }
    }

    /// Waits until nothing is being written.
    async fn written(&mut self) -> Result<&mut Parts, Failure> {
        if let Some(writing) = &mut self.writing {
            let (parts, pieces, result) = writing.await;
            self.writing = None;
            self.parts = Some(parts);
            self.spare = pieces.into_iter().map(|piece| piece.bytes).max_by_key(Vec::capacity).unwrap_or_default();
            self.spare.clear();
            result?;
        }
        Ok(self.parts.as_mut().expect("the files are here unless they are being written"))
    }

    /// Starts to write what was gathered.
    async fn start(&mut self) -> Result<(), Failure> {
        self.written().await?;
        if let Some(mut parts) = self.parts.take() {
            let pieces = mem::take(&mut self.pieces);
            self.gathered = 0;
            let env = Arc::clone(&self.env);
            self.writing = Some(background(&*self.env, move || {
                let result = parts.write(env.files(), &pieces);
                (parts, pieces, result)
            }));
        }
        Ok(())
    }
}

impl<T: for<'t> Row<'t>> SinkWriter for CsvWriter<T> {
    type In = T;
    type Committable = CsvPart;

    #[inline]
    fn write(&mut self, record: <T as Record>::View<'_>, _: Timestamp) -> Result<(), Failure> {
        if self.part_size == 0 || self.pieces.is_empty() {
            self.pieces.push(Piece { bytes: mem::take(&mut self.spare), ends_part: false });
        }
        let Some(piece) = self.pieces.last_mut() else { unreachable!("one was just added") };
        let before = piece.bytes.len();
        if self.part_size == 0 {
            self.formatter.header(&mut piece.bytes);
        }
        self.formatter.row(record, &mut piece.bytes);
        self.records += 1;
        let written = piece.bytes.len() - before;
        self.gathered += written;
        self.part_size += written as u64;
        if self.part_size >= self.part_bytes {
            piece.ends_part = true;
            self.part_size = 0;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.gathered >= BUFFER_BYTES
    }

    fn records(&self) -> u64 {
        self.records
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.pieces.is_empty() {
            return Ok(());
        }
        self.start().await
    }

    async fn prepare(&mut self) -> Result<Vec<CsvPart>, Failure> {
        if self.part_size > 0 {
            // The part may be open without anything gathered for it: an empty piece ends it just as well.
            match self.pieces.last_mut() {
                Some(piece) => piece.ends_part = true,
                None => self.pieces.push(Piece { ends_part: true, ..Piece::default() }),
            }
            self.part_size = 0;
        }
        self.start().await?;
        Ok(mem::take(&mut self.written().await?.finished))
    }
}
