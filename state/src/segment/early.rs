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

/// Rows of one namespace in heaps, the heaps in the order of hashes. A row is moved once, or as often as ranges end in its heap.
pub(super) struct Early<R: RowKey, V: Record> {
    slots: Slots,
    /// None before the first row.
    heaps: Vec<BufferBuilder<Row<R, V>>>,
    /// All heaps before this one are empty.
    first: usize,
}

impl<R: RowKey, V: Record> Early<R, V> {
    pub(super) fn new(groups: GroupRange) -> Self {
        Self { slots: Slots::of(groups), heaps: Vec::new(), first: 0 }
    }

    /// Takes rows in.
    pub(super) fn add(&mut self, buffers: &[Buffer]) -> Result<(), PushError> {
        if self.heaps.is_empty() && !buffers.is_empty() {
            let heap = || BufferBuilder::new(columns::<R>(), LIMIT_MAX_RECORD_SIZE);
            self.heaps = std::iter::repeat_with(heap).take(1 << SLOT_BITS).collect();
        }
        for buffer in buffers {
            let rows = buffer.records::<Row<R, V>>(0);
            for i in 0..buffer.len() {
                let (row, hash) = hashed::<R, V>(&rows, i);
                let slot = self.slots.slot(hash, SLOT_BITS);
                self.first = self.first.min(slot);
                self.heaps[slot].push(row, Timestamp::MIN, hash)?;
            }
        }
        Ok(())
    }

    /// Gives what has been taken in up to this hash, in no order.
    pub(super) fn take(&mut self, last: u64) -> Result<Vec<Buffer>, PushError> {
        let mut taken = Vec::new();
        while self.first < self.heaps.len() && self.slots.last(self.first, SLOT_BITS) <= last {
            let heap = &mut self.heaps[self.first];
            if !heap.is_empty() {
                taken.push(heap.seal(0));
            }
            self.first += 1;
        }
        if self.heaps.get(self.first).is_some_and(|heap| !heap.is_empty()) {
            let mut due = BufferBuilder::new(columns::<R>(), LIMIT_MAX_RECORD_SIZE);
            let heap = &mut self.heaps[self.first];
            let all = heap.seal(0);
            let rows = all.records::<Row<R, V>>(0);
            for i in 0..all.len() {
                let (row, hash) = hashed::<R, V>(&rows, i);
                if hash <= last { &mut due } else { &mut *heap }.push(row, Timestamp::MIN, hash)?;
            }
            if !due.is_empty() {
                taken.push(due.seal(0));
            }
        }
        Ok(taken)
    }

    /// What waits takes so many bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let columns = if columns::<R>().hashed { size_of::<u64>() } else { 0 } + size_of::<u32>();
        self.heaps.iter().map(|heap| heap.len_bytes() + heap.len() * columns).sum()
    }
}

/// A row and its hash.
#[inline(always)]
fn hashed<'b, R: RowKey, V: Record>(rows: &Records<'b, Row<R, V>>, i: usize) -> (<Row<R, V> as Record>::View<'b>, u64) {
    let row = rows.get(i);
    (row, rows.hash(i).unwrap_or_else(|| R::hash(row.0)))
}
