//! [`SegmentUpload`]: puts a segment into the store, piece by piece.

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload, UploadPart, path::Path};

use super::{CheckpointStore, SEGMENTS, StoreError, steps};

/// Segments are uploaded in parts of this size, in bytes. Stores want parts of 5 MiB or more, and some want all of them to be of one size.
const PART_BYTES: usize = 5 << 20;
/// A directory takes any, and each state of each subtask holds some parts during a checkpoint.
const DIRECTORY_PART_BYTES: usize = 1 << 20;
/// How many parts of a segment are under way at a time. An upload holds one part more, which is being filled.
const PARTS_IN_FLIGHT: usize = 1;

/// The upload of a segment. Nobody sees the segment before it is [finished](Self::finish).
///
/// Parts make progress while one of its methods is awaited. If it is dropped, the upload is given up; remote stores may then keep its parts until a rule
/// of theirs removes them, so [`abort`](Self::abort) it where there is time to.
#[derive(Debug)]
pub struct SegmentUpload {
    store: CheckpointStore,
    path: Path,
    /// What will be the next part.
    pieces: Vec<Bytes>,
    gathered: usize,
    bytes: u64,
    multipart: Option<Box<dyn MultipartUpload>>,
    parts: FuturesUnordered<UploadPart>,
}

impl CheckpointStore {
    /// Begins to upload a segment. Its name is made of the number of the [claim](crate::log::Leader::claim_number) that it is written under and of `unique`, which
    /// must be used only once under this claim: two segments of one name would overwrite each other.
    pub fn upload(&self, claim: u64, unique: &str) -> SegmentUpload {
        self.upload_as(Path::from_iter([SEGMENTS, &format!("{claim:020}-{unique}")]))
    }

    /// Begins to upload a segment of this name, of which there must be none.
    pub(crate) fn upload_as(&self, path: Path) -> SegmentUpload {
        SegmentUpload {
            store: self.clone(),
            path,
            pieces: Vec::new(),
            gathered: 0,
            bytes: 0,
            multipart: None,
            parts: FuturesUnordered::new(),
        }
    }
}

impl SegmentUpload {
    fn part_bytes(&self) -> usize {
        if self.store.directory.is_some() { DIRECTORY_PART_BYTES } else { PART_BYTES }
    }

    /// The segment's name, for a [`SegmentRef`](crate::manifest::SegmentRef).
    pub fn name(&self) -> &str {
        self.path.as_ref()
    }

    /// Adds bytes. Waits while too many parts are under way.
    ///
    /// # Errors
    ///
    /// Fails if the store does; the upload must then be given up. Not cancel safe: a cancelled push may have lost its bytes.
    pub async fn push(&mut self, mut piece: Bytes) -> Result<(), StoreError> {
        while self.gathered + piece.len() >= self.part_bytes() {
            let rest = piece.split_off(self.part_bytes() - self.gathered);
            self.gather(piece);
            self.send_part().await?;
            piece = rest;
        }
        self.gather(piece);
        // Lets parts under way go on, without waiting for them.
        while let Some(Some(sent)) = self.parts.next().now_or_never() {
            sent.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Sends the rest and makes the segment visible. Gives its size in bytes. When this returns, the segment is durable.
    ///
    /// # Errors
    ///
    /// Fails if the store does. The segment may be there nevertheless; if nothing names it, [`sweep`](crate::log::Leader::sweep) removes it.
    pub async fn finish(mut self) -> Result<u64, StoreError> {
        if self.multipart.is_some() {
            if self.gathered > 0 {
                self.send_part().await?;
            }
            self.wait_for_parts(0).await?;
        }
        self.store.step(steps::SEGMENT);
        let done = match &mut self.multipart {
            Some(multipart) => multipart.complete().await,
            // One request instead of three.
            None => self.store.objects().put(&self.path, PutPayload::from_iter(self.pieces.drain(..))).await,
        };
        done.map_err(|source| self.failed(source))?;
        self.store.step(steps::SEGMENT_DONE);
        Ok(self.bytes)
    }

    /// Gives the upload up.
    ///
    /// # Errors
    ///
    /// Fails if the store does; parts of the segment may then stay in it.
    pub async fn abort(mut self) -> Result<(), StoreError> {
        self.parts.clear();
        match &mut self.multipart {
            Some(multipart) => multipart.abort().await.map_err(|source| self.failed(source)),
            None => Ok(()),
        }
    }

    fn gather(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.gathered += piece.len();
            self.bytes += piece.len() as u64;
            self.pieces.push(piece);
        }
    }

    async fn send_part(&mut self) -> Result<(), StoreError> {
        self.wait_for_parts(PARTS_IN_FLIGHT - 1).await?;
        let part = PutPayload::from_iter(self.pieces.drain(..));
        self.gathered = 0;
        if self.multipart.is_none() {
            let begun = self.store.objects().put_multipart(&self.path).await;
            self.multipart = Some(begun.map_err(|source| self.failed(source))?);
        }
        let multipart = self.multipart.as_mut().expect("it was begun above");
        self.parts.push(multipart.put_part(part));
        Ok(())
    }

    /// Waits until no more than so many parts are under way.
    async fn wait_for_parts(&mut self, limit: usize) -> Result<(), StoreError> {
        while self.parts.len() > limit {
            if let Some(sent) = self.parts.next().await {
                sent.map_err(|source| self.failed(source))?;
            }
        }
        Ok(())
    }

    fn failed(&self, source: object_store::Error) -> StoreError {
        StoreError::objects(format!("write the segment `{}`", self.path), source)
    }
}
