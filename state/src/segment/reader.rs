//! [`SegmentReader`]: reads the blocks of a segment whose rows have known types.

use std::{fmt, marker::PhantomData};

use millstream_core::record::Record;

use super::{Block, Footer, SchemaName, SegmentError};
use crate::{groups::GroupRange, row::RowKey};

/// Reads the blocks of a segment of rows of one type.
pub struct SegmentReader<R, V> {
    footer: Footer,
    row: PhantomData<fn() -> (R, V)>,
}

impl<R: RowKey, V: Record> SegmentReader<R, V> {
    /// Reads a segment that has this footer.
    ///
    /// # Errors
    ///
    /// Fails if its rows are of other types.
    pub fn new(footer: Footer) -> Result<Self, SegmentError> {
        if footer.key.hash == <R::Key as Record>::HASH && footer.value.hash == V::HASH {
            return Ok(Self { footer, row: PhantomData });
        }
        let row = |key: &SchemaName, value: &SchemaName| format!("{key} and {value}");
        Err(SegmentError::Schema {
            found: row(&footer.key, &footer.value),
            wanted: row(&SchemaName::of::<R::Key>(), &SchemaName::of::<V>()),
        })
    }

    /// What the segment says of itself.
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// The numbers of the blocks that may have rows of these groups, in order.
    pub fn overlapping(&self, groups: GroupRange) -> impl Iterator<Item = usize> {
        let blocks = self.footer.blocks.iter().enumerate();
        blocks.filter(move |(_, block)| block.overlaps(groups)).map(|(number, _)| number)
    }

    /// Decodes a block from its bytes, those from its entry's [`offset`](super::BlockEntry::offset) to its [`end`](super::BlockEntry::end).
    ///
    /// # Errors
    ///
    /// Fails if the bytes are damaged.
    ///
    /// # Panics
    ///
    /// If there is no such block.
    pub fn decode(&self, block: usize, stored: &[u8]) -> Result<Block<R, V>, SegmentError> {
        Block::decode(block, &self.footer.blocks[block], self.footer.hashed, stored)
    }
}

impl<R, V> fmt::Debug for SegmentReader<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SegmentReader").field(&self.footer).finish()
    }
}
