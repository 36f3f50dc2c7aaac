//! Writes the records of a subtask to part files, in the background.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher},
    mem,
    sync::Arc,
    time::Duration,
};

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    env::{BoxFuture, Env, Instant},
    failure::Failure,
    metrics::Counter,
    sink::{Prepare, Prepared, SinkContext, SinkWriter},
};

use super::{
    WriteFormat,
    compress::Compression,
    partition::{Partitioning, check_directory},
    parts::{Parts, Piece},
    place::{FilePart, OpenPart, Place},
    under_way::UnderWay,
};

/// How much text a writer gathers before it wants it written. While that is done it gathers as much again.
const BUFFER_BYTES: usize = 1024 * 1024;
/// How much memory it keeps to be used again.
const SPARE_BYTES: usize = 2 * BUFFER_BYTES;
/// How many pieces of parts it gathers before it wants them written, however small they are.
const PIECES_LIMIT: usize = 1024;
/// How many parts a subtask has open at a time.
pub const OPEN_PARTS_LIMIT: usize = 128;

/// When parts are closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rolling {
    /// At this size.
    pub(super) bytes: u64,
    /// At this age. Parts then appear as they are closed, and may be open for longer than from one checkpoint to the next.
    pub(super) every: Option<Duration>,
}

/// Writes part files; see [`FileSink`](super::FileSink).
pub struct FileWriter<F, P> {
    env: Arc<dyn Env>,
    format: F,
    partitioning: P,
    rolling: Rolling,
    place: Place,
    checkpoints: bool,
    /// Parts stay open across checkpoints.
    keeps_open: bool,
    records: u64,
    /// The directory of the record that is being written; keeps its capacity.
    partition: String,
    /// The parts that records are added to, in no order.
    open: Vec<Open>,
    by_partition: HashMap<Arc<str>, usize, BuildHasherDefault<DefaultHasher>>,
    /// The part that was written to last.
    current: usize,
    next_part: u64,
    /// When the oldest part, or one that was older, is to be closed.
    due: Option<Instant>,
    /// How much text waits in parts and pieces to be written.
    gathered: usize,
    /// What is to be written besides the text of open parts.
    pieces: Vec<Piece>,
    /// The files, while nothing is being written.
    parts: Option<Parts>,
    writing: Option<Writing>,
    under_way: UnderWay,
    /// Buffers to be used again, and how large they are together.
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
    closed_early: Counter,
}

/// A part that is not closed.
struct Open {
    number: u64,
    partition: Arc<str>,
    /// What is to be added to it.
    text: Vec<u8>,
    /// How much it has, with that.
    size: u64,
    /// When its first record came, and when it is to be closed; kept only if age counts.
    began: Timestamp,
    due: Instant,
    /// The number of the last record that went there.
    used: u64,
}

/// Gives the files back, and the pieces to be used again.
type Writing = BoxFuture<'static, (Parts, Vec<Piece>, Result<(), Failure>)>;

impl<F: WriteFormat, P: Partitioning<F::In>> FileWriter<F, P> {
    pub(super) fn new(
        cx: &SinkContext,
        format: F,
        partitioning: P,
        rolling: Rolling,
        (place, compression): (Place, Compression),
        under_way: UnderWay,
    ) -> Self {
        let checkpoints = cx.checkpoints();
        // Two writers of one subtask in two attempts are two writers: the one that has failed may have left parts of the same numbers.
        let name = if checkpoints {
            format!("{:016x}", cx.attempt().wrapping_add(cx.subtask() as u64))
        } else {
            format!("{:05}", cx.subtask())
        };
        let parts = Parts::new(place.clone(), name, format.extension(), compression);
        Self {
            env: Arc::clone(cx.env()),
            format,
            partitioning,
            rolling,
            place,
            checkpoints,
            keeps_open: checkpoints && rolling.every.is_some() && compression == Compression::None,
            records: 0,
            partition: String::new(),
            open: Vec::new(),
            by_partition: HashMap::default(),
            current: 0,
            next_part: 0,
            due: None,
            gathered: 0,
            pieces: Vec::new(),
            parts: Some(parts),
            writing: None,
            under_way,
            spare: Vec::new(),
            spare_bytes: 0,
            closed_early: cx.counter("parts_closed_early"),
        }
    }

    /// Goes on with the parts that writers had open at the checkpoint that the job goes on from. Those that cannot be are closed, and appear
    /// with the next checkpoint.
    pub(super) fn restored(mut self, restored: Vec<OpenPart>) -> Self {
        for (staged, partition, len, began) in restored {
            let number = self.next_part;
            self.next_part += 1;
            if let Some(parts) = &mut self.parts {
                parts.restore(number, staged, len);
            }
            let partition = Arc::<str>::from(partition);
            let goes_on = self.keeps_open
                && len < self.rolling.bytes
                && self.open.len() < OPEN_PARTS_LIMIT
                && !self.by_partition.contains_key(&partition);
            if !goes_on {
                self.pieces.push(Piece { part: number, partition, bytes: Vec::new(), ends_part: true });
                continue;
            }
            let began = Timestamp::from_millis(began);
            let due = self.due(began);
            self.by_partition.insert(Arc::clone(&partition), self.open.len());
            self.open.push(Open { number, partition, text: Vec::new(), size: len, began, due, used: 0 });
        }
        self.due = self.open.iter().map(|open| open.due).min();
        self
    }

    /// When a part that was begun then is to be closed.
    fn due(&self, began: Timestamp) -> Instant {
        let age = self.env.wall().millis().saturating_sub(began.millis());
        let every = self.rolling.every.unwrap_or_default();
        self.env.now() + every.saturating_sub(Duration::from_millis(u64::try_from(age).unwrap_or(0)))
    }

    #[cfg(test)]
    pub(super) fn open_parts(&self) -> usize {
        self.open.len()
    }

    /// The part of another partition than that of the record before.
    fn turn(&mut self) -> Result<usize, Failure> {
        if let Some(index) = self.by_partition.get(&*self.partition) {
            return Ok(*index);
        }
        if P::HAS_DIRECTORIES {
            check_directory(&self.partition)?;
        }
        if self.open.len() >= OPEN_PARTS_LIMIT {
            let oldest = (0..self.open.len()).min_by_key(|index| self.open[*index].used);
            self.close(oldest.expect("there are parts when there are too many"));
            self.closed_early.add(1);
        }
        self.begin();
        Ok(self.open.len() - 1)
    }

    /// Begins a part for the partition of this record.
    #[cold]
    fn begin(&mut self) {
        let partition = Arc::<str>::from(&*self.partition);
        let (mut began, mut due) = (Timestamp::MIN, Instant::default());
        if let Some(every) = self.rolling.every {
            (began, due) = (self.env.wall(), self.env.now() + every);
            self.due.get_or_insert(due);
        }
        let mut text = self.take_spare();
        self.format.header(&mut text);
        self.gathered += text.len();
        let (number, size) = (self.next_part, text.len() as u64);
        self.next_part += 1;
        self.by_partition.insert(Arc::clone(&partition), self.open.len());
        self.open.push(Open { number, partition, text, size, began, due, used: self.records });
    }

    /// Closes a part: what it has is written as its last piece.
    #[cold]
    fn close(&mut self, index: usize) {
        let Open { number, partition, text, .. } = self.open.swap_remove(index);
        self.by_partition.remove(&partition);
        if let Some(moved) = self.open.get(index) {
            self.by_partition.insert(Arc::clone(&moved.partition), index);
        }
        self.pieces.push(Piece { part: number, partition, bytes: text, ends_part: true });
    }

    /// Closes the parts that are older than they may be.
    fn close_old(&mut self) {
        let now = self.env.now();
        for index in (0..self.open.len()).rev() {
            if self.open[index].due <= now {
                self.close(index);
            }
        }
        self.due = self.open.iter().map(|open| open.due).min();
    }

    /// Waits until nothing is being written.
    async fn written(&mut self) -> Result<&mut Parts, Failure> {
        if let Some(writing) = &mut self.writing {
            let (parts, pieces, result) = writing.await;
            self.writing = None;
            self.parts = Some(parts);
            pieces.into_iter().for_each(|piece| self.keep_spare(piece.bytes));
            result?;
        }
        Ok(self.parts.as_mut().expect("the files are here unless they are being written"))
    }

    /// Starts to write what was gathered, and if `durable` to make everything survive a crash of the machine.
    async fn start(&mut self, durable: bool) -> Result<(), Failure> {
        let unsynced = self.written().await?.is_unsynced();
        for index in 0..self.open.len() {
            if !self.open[index].text.is_empty() {
                let empty = self.take_spare();
                let open = &mut self.open[index];
                let (bytes, partition) = (mem::replace(&mut open.text, empty), Arc::clone(&open.partition));
                self.pieces.push(Piece { part: open.number, partition, bytes, ends_part: false });
            }
        }
        self.gathered = 0;
        if let Some(mut parts) = self.parts.take_if(|_| !self.pieces.is_empty() || (durable && unsynced)) {
            let pieces = mem::take(&mut self.pieces);
            let env = Arc::clone(&self.env);
            self.writing = Some(self.under_way.start(&*self.env, move || {
                let result = parts.write(env.files(), &pieces, durable);
                (parts, pieces, result)
            }));
        }
        Ok(())
    }

    /// The parts that have been closed and written, as what a checkpoint commits, or 0.
    fn hand_over(&mut self, checkpoint: u64) -> Vec<FilePart> {
        let finished = self.parts.as_mut().map(|parts| mem::take(&mut parts.finished)).unwrap_or_default();
        finished.into_iter().map(|part| self.place.part(part.staged, &part.partition, checkpoint)).collect()
    }

    /// What a checkpoint has to know of the parts that stay open.
    fn kept_open(&self) -> Vec<OpenPart> {
        let Some(parts) = &self.parts else { return Vec::new() };
        let part =
            |open: &Open| (parts.staged(open.number), open.partition.to_string(), open.size, open.began.millis());
        self.open.iter().map(part).collect()
    }

    fn take_spare(&mut self) -> Vec<u8> {
        let spare = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= spare.capacity();
        spare
    }

    fn keep_spare(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && self.spare_bytes + buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            self.spare_bytes += buffer.capacity();
            self.spare.push(buffer);
        }
    }
}

impl<F: WriteFormat, P: Partitioning<F::In>> SinkWriter for FileWriter<F, P> {
    type In = F::In;
    type Committable = FilePart;
    type State = OpenPart;

    #[inline]
    fn write(&mut self, record: <F::In as Record>::View<'_>, _: Timestamp) -> Result<(), Failure> {
        self.partition.clear();
        if self.partitioning.directory(record, &mut self.partition).is_err() {
            return Err(Failure::new(
                "the name of a record's partition cannot be displayed: its `Display` returns an error",
            ));
        }
        let index = match self.open.get(self.current) {
            Some(open) if *open.partition == *self.partition => self.current,
            _ => self.turn()?,
        };
        self.current = index;
        self.records += 1;
        let open = &mut self.open[index];
        open.used = self.records;
        let before = open.text.len();
        self.format.row(record, &mut open.text)?;
        let written = open.text.len() - before;
        self.gathered += written;
        open.size += written as u64;
        if open.size >= self.rolling.bytes {
            self.close(index);
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.gathered >= BUFFER_BYTES || self.pieces.len() >= PIECES_LIMIT
    }

    fn records(&self) -> u64 {
        self.records
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.rolling.every.is_some() {
            self.close_old();
        }
        let closed = self.pieces.iter().any(|piece| piece.ends_part);
        self.start(false).await?;
        if closed && self.rolling.every.is_some() && !self.checkpoints {
            // A part that is to appear now: nobody would look for it before the next flush.
            self.written().await?;
        }
        Ok(())
    }

    fn take_early(&mut self) -> Vec<FilePart> {
        if self.rolling.every.is_some() && !self.checkpoints { self.hand_over(0) } else { Vec::new() }
    }

    async fn prepare(&mut self, at: Prepare) -> Result<Prepared<FilePart, OpenPart>, Failure> {
        if self.keeps_open && !at.last && !at.close {
            self.close_old();
        } else {
            while !self.open.is_empty() {
                self.close(self.open.len() - 1);
            }
            self.due = None;
        }
        self.start(self.checkpoints).await?;
        self.written().await?;
        Ok(Prepared { committables: self.hand_over(at.checkpoint), state: self.kept_open() })
    }
}
