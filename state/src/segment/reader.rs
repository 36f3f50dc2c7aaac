//! [`SegmentReader`]: reads the blocks of a segment whose rows have known types.

use std::{fmt, marker::PhantomData};

use millstream_core::{dynamic::StoredSchema, record::Record};

use super::{Block, Footer, SchemaName, SegmentError};
use crate::{groups::GroupRange, row::RowKey, schema::Fit};

/// Reads the blocks of a segment of rows of one type. Rows whose values are of an earlier version are migrated as they are read.
pub struct SegmentReader<R, V> {
    footer: Footer,
    /// That of the stored rows, if their values are of another type.
    stored: Option<StoredSchema>,
    row: PhantomData<fn() -> (R, V)>,
}

impl<R: RowKey, V: Record> SegmentReader<R, V> {
    /// Reads a segment that has this footer.
    ///
    /// # Errors
    ///
    /// Fails if its rows have other keys, or values that the type's are not made from.
    pub fn new(footer: Footer) -> Result<Self, SegmentError> {
        if footer.key.hash != <R::Key as Record>::HASH {
            return Err(SegmentError::Key { found: footer.key, wanted: SchemaName::of::<R::Key>() });
        }
        let stored = match footer.value.fit::<V>().map_err(SegmentError::Schema)? {
            Fit::Same => None,
            Fit::Migrates(value) => {
                let key = StoredSchema::of(<R::Key as Record>::SCHEMA);
                let row = key.and_then(|key| StoredSchema::tuple(vec![key, value]));
                Some(row.ok_or(SegmentError::Footer("the type of its rows is larger than any"))?)
            }
        };
        Ok(Self { footer, stored, row: PhantomData })
    }

    /// True if its values are of an earlier version, so that what is read is not what is stored.
    pub fn migrates(&self) -> bool {
        self.stored.is_some()
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
    /// Fails if the bytes are damaged, or if a row cannot be migrated.
    ///
    /// # Panics
    ///
    /// If there is no such block.
    pub fn decode(&self, block: usize, stored: &[u8]) -> Result<Block<R, V>, SegmentError> {
        Block::decode(block, &self.footer.blocks[block], self.footer.hashed, self.stored.as_ref(), stored)
    }
}

impl<R, V> fmt::Debug for SegmentReader<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SegmentReader").field(&self.footer).finish()
    }
}
