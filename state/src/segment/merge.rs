//! [`Merge`]: makes one full segment of a chain.

use std::{cmp::Ordering, collections::VecDeque};

use bytes::Bytes;
use millstream_core::{buffer::PushError, record::Record};

use super::{
    Block, KeyView, SegmentReader, SegmentSummary, SegmentWriter,
    block::{hash_of_key, hash_of_row},
    counted_blocks,
};
use crate::{groups::GroupRange, row::RowKey, snapshot::Namespace};

/// What a merge needs to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// This block, by [`Merge::supply`].
    Block {
        /// The segment's number in the chain.
        segment: usize,
        /// The block's number in the segment.
        block: usize,
    },
    /// Nothing: everything was merged.
    Nothing,
}

/// Makes one full segment of a chain, block by block: of every key the newest row counts; tombstones vanish with what they remove, and so does what
/// earlier segments have of a namespace that a later one dropped.
///
/// It reads nothing itself: [`step`](Self::step) says which block it wants next. It holds one block of each segment.
pub struct Merge<R: RowKey, V: Record> {
    chain: Vec<SegmentReader<R, V>>,
    cursors: Vec<Cursor<R, V>>,
    groups: GroupRange,
    writer: SegmentWriter<R, V>,
}

/// What is left of a segment.
struct Cursor<R, V> {
    blocks: VecDeque<usize>,
    open: Option<Open<R, V>>,
}

/// What is left of a block. It is never empty.
struct Open<R, V> {
    block: Block<R, V>,
    row: usize,
    rows: usize,
    removed: usize,
    removals: usize,
    /// The hash of what is next, and whether that is a tombstone.
    hash: u64,
    is_tombstone: bool,
}

impl<R: RowKey, V: Record> Merge<R, V> {
    /// Merges what a chain of segments, the oldest first, has of these groups.
    pub fn new(chain: Vec<SegmentReader<R, V>>, groups: GroupRange) -> Self {
        let blocks = counted_blocks(&chain, groups).into_iter();
        let cursors = blocks.map(|blocks| Cursor { blocks: blocks.into(), open: None }).collect();
        Self { chain, cursors, groups, writer: SegmentWriter::of_sorted() }
    }

    /// The chain.
    pub fn chain(&self) -> &[SegmentReader<R, V>] {
        &self.chain
    }

    /// The blocks of a segment that are still to come, in the order in which they will be wanted.
    pub fn coming(&self, segment: usize) -> impl Iterator<Item = usize> {
        self.cursors[segment].blocks.iter().copied()
    }

    /// Goes on until a block is wanted. Puts out the blocks that have become full.
    ///
    /// # Errors
    ///
    /// Fails if a row is too large for a buffer, which it was not when it was written.
    pub fn step(&mut self, out: &mut Vec<Bytes>) -> Result<Wanted, PushError> {
        loop {
            for (segment, cursor) in self.cursors.iter().enumerate() {
                if let (None, Some(&block)) = (&cursor.open, cursor.blocks.front()) {
                    return Ok(Wanted::Block { segment, block });
                }
            }
            let open = self.cursors.iter().filter_map(|cursor| cursor.open.as_ref());
            let Some(namespace) = open.map(|open| open.block.namespace()).min() else { return Ok(Wanted::Nothing) };
            self.run(namespace, out)?;
        }
    }

    /// Takes the block that was wanted of a segment.
    ///
    /// # Panics
    ///
    /// If the segment has no more blocks to come.
    pub fn supply(&mut self, segment: usize, mut block: Block<R, V>) {
        let cursor = &mut self.cursors[segment];
        cursor.blocks.pop_front().expect("a block is supplied only where one is wanted");
        block.restrict(self.groups);
        cursor.open = Open::of(block);
    }

    /// Puts out what is left. To be called when nothing more is wanted.
    pub fn finish(self, out: &mut Vec<Bytes>) -> SegmentSummary {
        self.writer.finish(out)
    }

    /// Merges what is open of a namespace until one of the blocks is used up.
    fn run(&mut self, namespace: Namespace, out: &mut Vec<Bytes>) -> Result<(), PushError> {
        self.writer.enter(namespace, out);
        let mut open: Vec<(usize, Open<R, V>)> = Vec::with_capacity(self.cursors.len());
        for (segment, cursor) in self.cursors.iter_mut().enumerate() {
            open.extend(cursor.open.take_if(|open| open.block.namespace() == namespace).map(|open| (segment, open)));
        }
        let mut lowest: Vec<usize> = Vec::with_capacity(open.len());
        let mut used_up = false;
        while !used_up {
            lowest.clear();
            for (i, (_, next)) in open.iter().enumerate() {
                match lowest.first().map_or(Ordering::Less, |low| next.compare(&open[*low].1)) {
                    Ordering::Less => {
                        lowest.clear();
                        lowest.push(i);
                    }
                    Ordering::Equal => lowest.push(i),
                    Ordering::Greater => {}
                }
            }
            let newest = *lowest.last().expect("a namespace is merged only while something of it is open");
            let (_, winner) = &open[newest];
            if !winner.is_tombstone {
                let (key, value) = winner.block.row_records().get(winner.row);
                self.writer.row(winner.hash, key, value, out)?;
            }
            for &i in &lowest {
                used_up |= !open[i].1.advance();
            }
        }
        for (segment, open) in open {
            if !open.is_used_up() {
                self.cursors[segment].open = Some(open);
            }
        }
        Ok(())
    }
}

impl<R: RowKey, V: Record> Open<R, V> {
    /// None if the block has nothing that counts.
    fn of(block: Block<R, V>) -> Option<Self> {
        let (rows, removed) = (block.counted_rows(), block.counted_removed());
        let mut open = Self {
            row: rows.start,
            rows: rows.end,
            removed: removed.start,
            removals: removed.end,
            block,
            hash: 0,
            is_tombstone: false,
        };
        open.look().then_some(open)
    }

    fn is_used_up(&self) -> bool {
        self.row == self.rows && self.removed == self.removals
    }

    /// Goes on to what is next; false if there is nothing.
    fn advance(&mut self) -> bool {
        match self.is_tombstone {
            true => self.removed += 1,
            false => self.row += 1,
        }
        self.look()
    }

    /// Finds out what is next: a row or a tombstone.
    fn look(&mut self) -> bool {
        let (rows, removed) = (self.block.row_records(), self.block.removed_records());
        let row = (self.row < self.rows).then(|| hash_of_row::<R, V>(&rows, self.row));
        let tombstone = (self.removed < self.removals).then(|| hash_of_key::<R>(&removed, self.removed));
        let (hash, is_tombstone) = match (row, tombstone) {
            (None, None) => return false,
            (Some(row), None) => (row, false),
            (None, Some(tombstone)) => (tombstone, true),
            (Some(row), Some(tombstone)) => {
                let keys = || R::compare(removed.get(self.removed), rows.get(self.row).0);
                (row.min(tombstone), tombstone.cmp(&row).then_with(keys).is_lt())
            }
        };
        (self.hash, self.is_tombstone) = (hash, is_tombstone);
        true
    }

    fn key(&self) -> KeyView<'_, R> {
        match self.is_tombstone {
            true => self.block.removed_records().get(self.removed),
            false => self.block.row_records().get(self.row).0,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.hash.cmp(&other.hash).then_with(|| R::compare(self.key(), other.key()))
    }
}
