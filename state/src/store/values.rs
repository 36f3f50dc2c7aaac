//! Reads rows without knowing their types, for tools that show what is stored.

use std::collections::HashSet;

use millstream_core::{
    buffer::Columns,
    dynamic::{Damaged, StoredSchema, Value, Values},
};

use super::{CheckpointStore, StoreError, load::next_run};
use crate::{
    manifest::KeyedPart,
    schema::SchemaName,
    segment::{Footer, SegmentError, Unpacked},
    snapshot::Namespace,
};

/// A key of a namespace, by a hash that is as good as the key.
type Seen = HashSet<(Namespace, u128)>;

impl CheckpointStore {
    /// Reads the rows that a subtask had of a state as values, whatever their types are: `each` gets the namespace, the key and the value of every row that counts, in the order
    /// of the hash within a segment, and the newest segment first. The key of an entry of a collection is the pair of the stream's key and the entry's own.
    ///
    /// It is for tools: everything is read and unpacked where it is called, and of a chain of more than one segment the keys are remembered, in 17 to 48 bytes each.
    ///
    /// # Errors
    ///
    /// Fails if a segment is missing or damaged, if it was written before segments said what their types are made of, or if the store fails; `each` may
    /// have been called before.
    pub async fn read_values(
        &self,
        part: &KeyedPart,
        mut each: impl FnMut(Namespace, &Value<'_>, &Value<'_>),
    ) -> Result<(), StoreError> {
        let (mut seen, mut dropped) = (Seen::new(), HashSet::new());
        for (number, segment) in part.segments.iter().enumerate().rev() {
            let footer = self.footer(segment).await?;
            let failed = |source| StoreError::Segment { name: segment.name.clone(), source };
            let types = Types::of(&footer).map_err(failed)?;
            let counts = |block: &usize| {
                let entry = &footer.blocks[*block];
                entry.overlaps(part.groups) && !dropped.contains(&entry.namespace)
            };
            let mut blocks = (0..footer.blocks.len()).filter(counts).peekable();
            while let Some(run) = next_run(&footer.blocks, &mut blocks) {
                for (block, stored) in self.read_blocks(segment, &footer.blocks, &run).await? {
                    let unpacked = footer.unpack(block, &stored).map_err(failed)?;
                    let last = number == 0;
                    let read = types.read(&footer, block, &unpacked, part, (&mut seen, last), &mut each);
                    read.map_err(|damaged| failed(SegmentError::Block { block, what: damaged.what }))?;
                }
            }
            dropped.extend(footer.dropped.iter().copied());
        }
        Ok(())
    }
}

/// The schemas of a segment.
struct Types {
    key: StoredSchema,
    row: StoredSchema,
}

impl Types {
    fn of(footer: &Footer) -> Result<Self, SegmentError> {
        let schema =
            |name: &SchemaName| name.schema().ok_or_else(|| SegmentError::Undescribed { schema: name.clone() });
        let (key, value) = (schema(&footer.key)?, schema(&footer.value)?);
        let row = StoredSchema::tuple(vec![key.clone(), value]);
        Ok(Self { row: row.ok_or(SegmentError::Footer("the type of its rows is larger than any"))?, key })
    }

    /// Reads a block. The keys of the last segment need not be remembered.
    fn read(
        &self,
        footer: &Footer,
        block: usize,
        unpacked: &Unpacked,
        part: &KeyedPart,
        (seen, last): (&mut Seen, bool),
        each: &mut impl FnMut(Namespace, &Value<'_>, &Value<'_>),
    ) -> Result<(), Damaged> {
        let (entry, columns) = (&footer.blocks[block], Columns { timed: false, hashed: footer.hashed });
        let mut is_new = |key: &Value<'_>| {
            let seen_key = (entry.namespace, key.fingerprint());
            if last { !seen.contains(&seen_key) } else { seen.insert(seen_key) }
        };
        let rows = Values::new(&self.row, entry.rows, columns, &unpacked.rows)?;
        let hashes: Vec<Option<u64>> = (0..entry.rows as usize).map(|row| rows.hash(row)).collect();
        for (row, hash) in rows.zip(hashes) {
            let Value::Tuple(row) = row? else { continue };
            let [key, value] = row.as_slice() else { continue };
            if hash.is_none_or(|hash| part.groups.holds(hash)) && is_new(key) {
                each(entry.namespace, key, value);
            }
        }
        for key in Values::new(&self.key, entry.removed, columns, &unpacked.removed)? {
            is_new(&key?);
        }
        Ok(())
    }
}
