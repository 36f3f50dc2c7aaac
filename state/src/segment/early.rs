//! [`Early`]: rows that were copied before it was their range's turn, until that comes.

use millstream_core::{
    buffer::{Buffer, BufferBuilder, LIMIT_MAX_RECORD_SIZE, PushError, Records},
    record::Record,
    time::Timestamp,
};

use super::Row;
use crate::{
    groups::{GroupRange, Slots},
    row::RowKey,
    snapshot::columns,
};

/// Rows wait in `2^SLOT_BITS` heaps, by their hashes: so few that the ends of all are in the processor's caches, and so many that most ranges take whole
/// ones.
const SLOT_BITS: u32 = 8;

/// A heap begins another buffer when one has so many bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Rows of one namespace in heaps, the heaps in the order of hashes. A row is moved once, and again for each range that ends in its heap.
pub(super) struct Early<R: RowKey, V: Record> {
    slots: Slots,
    /// None before the first row.
    heaps: Vec<Heap<R, V>>,
    /// All heaps before this one are empty.
    first: usize,
}

/// Rows in no order.
struct Heap<R: RowKey, V: Record> {
    open: BufferBuilder<Row<R, V>>,
    sealed: Vec<Buffer>,
}

impl<R: RowKey, V: Record> Default for Heap<R, V> {
    fn default() -> Self {
        Self { open: BufferBuilder::new(columns::<R>(), LIMIT_MAX_RECORD_SIZE), sealed: Vec::new() }
    }
}

impl<R: RowKey, V: Record> Heap<R, V> {
    #[inline(always)]
    fn push(&mut self, row: <Row<R, V> as Record>::View<'_>, hash: u64) -> Result<(), PushError> {
        self.open.push(row, Timestamp::MIN, hash)?;
        if self.open.len_bytes() >= BUFFER_BYTES {
            self.sealed.push(self.open.seal(0));
        }
        Ok(())
    }

    fn take(&mut self) -> Vec<Buffer> {
        let mut taken = std::mem::take(&mut self.sealed);
        if !self.open.is_empty() {
            taken.push(self.open.seal(0));
        }
        taken
    }

    fn size_bytes(&self) -> usize {
        let columns = if columns::<R>().hashed { size_of::<u64>() } else { 0 } + size_of::<u32>();
        self.open.len_bytes() + self.open.len() * columns + self.sealed.iter().map(Buffer::size).sum::<usize>()
    }
}

impl<R: RowKey, V: Record> Early<R, V> {
    pub(super) fn new(groups: GroupRange) -> Self {
        Self { slots: Slots::of(groups), heaps: Vec::new(), first: 0 }
    }

    /// Takes rows in.
    pub(super) fn add(&mut self, buffers: &[Buffer]) -> Result<(), PushError> {
        if self.heaps.is_empty() && !buffers.is_empty() {
            self.heaps = std::iter::repeat_with(Heap::default).take(1 << SLOT_BITS).collect();
        }
        for buffer in buffers {
            let rows = buffer.records::<Row<R, V>>(0);
            for i in 0..buffer.len() {
                let (row, hash) = hashed::<R, V>(&rows, i);
                let slot = self.slots.slot(hash, SLOT_BITS);
                self.first = self.first.min(slot);
                self.heaps[slot].push(row, hash)?;
            }
        }
        Ok(())
    }

    /// Gives what has been taken in up to this hash, in no order.
    pub(super) fn take(&mut self, last: u64) -> Result<Vec<Buffer>, PushError> {
        let mut taken = Vec::new();
        while self.first < self.heaps.len() && self.slots.last(self.first, SLOT_BITS) <= last {
            taken.append(&mut self.heaps[self.first].take());
            self.first += 1;
        }
        // The range ends in a heap.
        let Some(heap) = self.heaps.get_mut(self.first) else { return Ok(taken) };
        let mut due = Heap::<R, V>::default();
        for buffer in heap.take() {
            let rows = buffer.records::<Row<R, V>>(0);
            for i in 0..buffer.len() {
                let (row, hash) = hashed::<R, V>(&rows, i);
                if hash <= last { &mut due } else { &mut *heap }.push(row, hash)?;
            }
        }
        taken.append(&mut due.take());
        Ok(taken)
    }

    /// What waits takes so many bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.heaps.iter().map(Heap::size_bytes).sum()
    }
}

/// A row and its hash.
#[inline(always)]
fn hashed<'b, R: RowKey, V: Record>(rows: &Records<'b, Row<R, V>>, i: usize) -> (<Row<R, V> as Record>::View<'b>, u64) {
    let row = rows.get(i);
    (row, rows.hash(i).unwrap_or_else(|| R::hash(row.0)))
}
