//! Reads the rows of a state back, reading and unpacking ahead of whoever takes them.

use std::{iter::Peekable, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use millstream_core::record::Record;

use super::{CheckpointStore, StoreError};
use crate::{
    groups::GroupRange,
    manifest::{KeyedPart, SegmentRef},
    row::RowKey,
    segment::{Block, BlockEntry, SegmentReader, counted_blocks},
};

/// So much of a segment is read at once, in bytes, where its blocks lie side by side. A larger block is read alone.
const READ_BYTES: u64 = 2 << 20;
/// How many reads are under way or unpacked, ahead of the one whose blocks are being taken.
const READ_AHEAD: usize = 3;
/// How many footers are read at a time.
const FOOTERS_AT_A_TIME: usize = 8;

/// How rows were read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// True if a segment held values of an earlier version.
    pub migrated: bool,
}

impl CheckpointStore {
    /// Reads the rows that a subtask had of a state, those of the groups that are wanted: segment by segment, the oldest first, in the order of namespace,
    /// hash and key within each. `each` gets a segment's number in the part, from 0, and a block of it: rows that replace those of earlier segments, and
    /// the keys of rows of earlier segments that were removed.
    ///
    /// What earlier segments have of a namespace that a later one dropped does not come at all.
    ///
    /// Rows whose values are of an earlier version are migrated; it says whether there were such segments, which should not be added to.
    ///
    /// # Errors
    ///
    /// Fails if a segment is missing, damaged, or of other types, or if the store fails; `each` may have been called before.
    pub async fn load<R: RowKey, V: Record>(
        &self,
        part: &KeyedPart,
        wanted: GroupRange,
        mut each: impl FnMut(usize, &Block<R, V>),
    ) -> Result<Loaded, StoreError> {
        let groups = wanted.intersection(part.groups);
        if groups.is_empty() {
            return Ok(Loaded { migrated: false });
        }
        let chain = Arc::new(self.open_chain::<R, V>(part).await?);
        let migrated = chain.iter().any(SegmentReader::migrates);
        let mut runs = Vec::new();
        for (segment, blocks) in counted_blocks(&chain, groups).into_iter().enumerate() {
            let (entries, mut blocks) = (&chain[segment].footer().blocks, blocks.into_iter().peekable());
            runs.extend(std::iter::from_fn(|| next_run(entries, &mut blocks)).map(|run| (segment, run)));
        }
        let reads = stream::iter(runs).map(|(segment, run)| {
            let chain = chain.clone();
            async move { Ok((segment, self.read_run(part, chain, segment, run, groups).await?)) }
        });
        let mut reads = reads.buffered(READ_AHEAD);
        while let Some((segment, blocks)) = reads.try_next().await? {
            blocks.iter().for_each(|block| each(segment, block));
        }
        Ok(Loaded { migrated })
    }

    /// Opens the segments of a part.
    pub(super) async fn open_chain<R: RowKey, V: Record>(
        &self,
        part: &KeyedPart,
    ) -> Result<Vec<SegmentReader<R, V>>, StoreError> {
        let open = |segment: SegmentRef| async move {
            let footer = self.footer(&segment).await?;
            SegmentReader::new(footer).map_err(|source| StoreError::Segment { name: segment.name, source })
        };
        stream::iter(part.segments.iter().cloned()).map(open).buffered(FOOTERS_AT_A_TIME).try_collect().await
    }

    async fn read_run<R: RowKey, V: Record>(
        &self,
        part: &KeyedPart,
        chain: Arc<Vec<SegmentReader<R, V>>>,
        segment: usize,
        run: Vec<usize>,
        groups: GroupRange,
    ) -> Result<Vec<Block<R, V>>, StoreError> {
        let bytes = self.read_blocks(&part.segments[segment], &chain[segment].footer().blocks, &run).await?;
        let decode = move || {
            let decode = |(block, stored): (usize, Bytes)| {
                let mut block = chain[segment].decode(block, &stored)?;
                block.restrict(groups);
                Ok(block)
            };
            bytes.into_iter().map(decode).collect()
        };
        let decoded: Result<_, _> = self.blocking(decode).await;
        decoded.map_err(|source| StoreError::Segment { name: part.segments[segment].name.clone(), source })
    }

    /// Reads the bytes of blocks that lie side by side.
    pub(super) async fn read_blocks(
        &self,
        segment: &SegmentRef,
        entries: &[BlockEntry],
        run: &[usize],
    ) -> Result<Vec<(usize, Bytes)>, StoreError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(Vec::new()) };
        let start = entries[*first].offset;
        let bytes = self.range(segment, start..entries[*last].end()).await?;
        let cut = |block: &usize| {
            let entry = &entries[*block];
            (*block, bytes.slice((entry.offset - start) as usize..(entry.end() - start) as usize))
        };
        Ok(run.iter().map(cut).collect())
    }
}

/// Takes the next blocks that lie side by side in a segment and are to be read at once; none if there are no more.
pub(super) fn next_run(
    entries: &[BlockEntry],
    blocks: &mut Peekable<impl Iterator<Item = usize>>,
) -> Option<Vec<usize>> {
    let first = blocks.next()?;
    let mut run = vec![first];
    let follows =
        |block: usize, last: usize| block == last + 1 && entries[block].end() - entries[first].offset <= READ_BYTES;
    while let Some(block) = blocks.next_if(|block| follows(*block, run[run.len() - 1])) {
        run.push(block);
    }
    Some(run)
}
