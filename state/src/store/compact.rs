//! Makes one segment of a chain of them.

use std::collections::VecDeque;

use bytes::Bytes;
use millstream_core::{buffer::PushError, record::Record};

use super::{CheckpointStore, SegmentUpload, StoreError, load::next_run};
use crate::{
    groups::GroupRange,
    manifest::{KeyedPart, SegmentRef},
    row::RowKey,
    segment::{Merge, SegmentError, SegmentSummary, Wanted},
};

/// Blocks of one segment that have been read, and not been merged yet.
type Ahead = VecDeque<(usize, Bytes)>;

impl CheckpointStore {
    /// Merges what the segments of a part have of these groups into one full segment, in bounded memory. The segments stay as they are.
    ///
    /// # Errors
    ///
    /// Fails if a segment is missing, damaged, or of other types, or if the store fails; nothing is left of the new segment then.
    pub async fn compact<R: RowKey, V: Record>(
        &self,
        part: &KeyedPart,
        groups: GroupRange,
        mut upload: SegmentUpload,
    ) -> Result<SegmentRef, StoreError> {
        match self.merge_into::<R, V>(part, groups.intersection(part.groups), &mut upload).await {
            Ok(summary) => {
                let name = upload.name().to_owned();
                let bytes = upload.finish().await?;
                Ok(SegmentRef { name, bytes, rows: summary.rows, full: true })
            }
            Err(error) => {
                // What went wrong first is what counts; parts that stay are swept, or removed by a rule of the store.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    async fn merge_into<R: RowKey, V: Record>(
        &self,
        part: &KeyedPart,
        groups: GroupRange,
        upload: &mut SegmentUpload,
    ) -> Result<SegmentSummary, StoreError> {
        let mut merge = Merge::new(self.open_chain::<R, V>(part).await?, groups);
        let mut ahead: Vec<Ahead> = part.segments.iter().map(|_| Ahead::new()).collect();
        let mut supply = None;
        loop {
            // Unpacking, merging and packing are one piece of blocking work; the merge goes there and comes back.
            let step = self.blocking(move || step(merge, supply)).await;
            let (wanted, out);
            (merge, wanted, out) = step.map_err(|failed| failed.on(part, upload.name()))?;
            for piece in out {
                upload.push(piece).await?;
            }
            let Wanted::Block { segment, block } = wanted else { break };
            if ahead[segment].is_empty() {
                let entries = &merge.chain()[segment].footer().blocks;
                let run = next_run(entries, &mut merge.coming(segment).peekable()).unwrap_or_default();
                ahead[segment] = self.read_blocks(&part.segments[segment], entries, &run).await?.into();
            }
            let (number, bytes) = ahead[segment].pop_front().expect("the block that is wanted comes first");
            debug_assert_eq!(number, block, "blocks are read in the order in which they are wanted");
            supply = Some((segment, block, bytes));
        }
        let mut out = Vec::new();
        let summary = merge.finish(&mut out);
        for piece in out {
            upload.push(piece).await?;
        }
        Ok(summary)
    }
}

/// What went wrong in a step, with the number of the segment.
enum Failed {
    Read(usize, SegmentError),
    Write(PushError),
}

impl Failed {
    fn on(self, part: &KeyedPart, output: &str) -> StoreError {
        match self {
            Self::Read(segment, source) => StoreError::Segment { name: part.segments[segment].name.clone(), source },
            Self::Write(source) => StoreError::Row { name: output.to_owned(), source },
        }
    }
}

type Stepped<R, V> = (Merge<R, V>, Wanted, Vec<Bytes>);

fn step<R: RowKey, V: Record>(
    mut merge: Merge<R, V>,
    supply: Option<(usize, usize, Bytes)>,
) -> Result<Stepped<R, V>, Failed> {
    if let Some((segment, block, stored)) = supply {
        let block = merge.chain()[segment].decode(block, &stored).map_err(|error| Failed::Read(segment, error))?;
        merge.supply(segment, block);
    }
    let mut out = Vec::new();
    let wanted = merge.step(&mut out).map_err(Failed::Write)?;
    Ok((merge, wanted, out))
}
