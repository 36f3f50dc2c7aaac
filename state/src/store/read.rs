//! Reads what a segment says of itself.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use object_store::ObjectStoreExt;

use super::{CheckpointStore, StoreError, load::next_run, segment_path};
use crate::{
    channels::{self, ChannelBatch},
    manifest::SegmentRef,
    segment::{Footer, SegmentError},
};

/// So much of a segment's end is read at first, in bytes: it has the whole footer of all but large segments.
const END_BYTES: u64 = 64 << 10;

impl CheckpointStore {
    /// Reads the footer of a segment, and checks that the segment is there and as long as the manifest says.
    ///
    /// # Errors
    ///
    /// Fails if it is not, if the footer is damaged, or if the store fails.
    pub async fn footer(&self, segment: &SegmentRef) -> Result<Footer, StoreError> {
        let path = segment_path(&segment.name)?;
        let found = self.objects().head(&path).await.map_err(|source| unreadable(segment, source))?.size;
        if found != segment.bytes {
            return Err(StoreError::Size { name: segment.name.clone(), found, stated: segment.bytes });
        }
        let damaged = |source| StoreError::Segment { name: segment.name.clone(), source };
        if found == 0 {
            return Err(damaged(SegmentError::NotASegment));
        }
        let mut end = self.range(segment, found.saturating_sub(END_BYTES)..found).await?;
        let length = Footer::length(&end, found).map_err(damaged)?;
        if length > end.len() as u64 {
            end = self.range(segment, found - length..found).await?;
        }
        Footer::read(&end, found).map_err(damaged)
    }

    /// Reads all of a segment, and checks what only reading shows: whether each block is what its checksum says.
    ///
    /// # Errors
    ///
    /// Fails if it is not, or for the reasons of [`footer`](Self::footer).
    pub(crate) async fn verify(&self, segment: &SegmentRef) -> Result<(), StoreError> {
        let footer = Arc::new(self.footer(segment).await?);
        let mut blocks = (0..footer.blocks.len()).peekable();
        while let Some(run) = next_run(&footer.blocks, &mut blocks) {
            let stored = self.read_blocks(segment, &footer.blocks, &run).await?;
            let footer = Arc::clone(&footer);
            let check =
                move || stored.iter().try_for_each(|(block, stored)| footer.blocks[*block].check(*block, stored));
            let checked = self.blocking(check).await;
            checked.map_err(|source| StoreError::Segment { name: segment.name.clone(), source })?;
        }
        Ok(())
    }

    /// Reads what was on its way between tasks, batch by batch.
    ///
    /// # Errors
    ///
    /// Fails if the object is missing, damaged, or of a later version, or if the store fails.
    pub async fn channels(&self, object: &SegmentRef) -> Result<Vec<ChannelBatch>, StoreError> {
        let path = segment_path(&object.name)?;
        let found = self.objects().head(&path).await.map_err(|source| unreadable(object, source))?.size;
        if found != object.bytes {
            return Err(StoreError::Size { name: object.name.clone(), found, stated: object.bytes });
        }
        let bytes = self.range(object, 0..found).await?;
        let read = self.blocking(move || channels::decode(&bytes)).await;
        read.map_err(|source| StoreError::Channels { name: object.name.clone(), source })
    }

    /// Reads some bytes of a segment.
    pub(crate) async fn range(&self, segment: &SegmentRef, range: Range<u64>) -> Result<Bytes, StoreError> {
        let path = segment_path(&segment.name)?;
        let length = range.end - range.start;
        let bytes = self.objects().get_range(&path, range).await.map_err(|source| unreadable(segment, source))?;
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        Err(StoreError::Size { name: segment.name.clone(), found: bytes.len() as u64, stated: length })
    }
}

fn unreadable(segment: &SegmentRef, source: object_store::Error) -> StoreError {
    match source {
        object_store::Error::NotFound { .. } => StoreError::Missing { name: segment.name.clone() },
        source => StoreError::objects(format!("read the segment `{}`", segment.name), source),
    }
}
