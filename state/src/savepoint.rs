//! Savepoints: a checkpoint with all that it names, in a place of its own.
//!
//! Such a place is laid out like one for checkpoints, with one manifest in its log, which is the last that is written: it may be copied anywhere, as all names in it are
//! relative, and whatever reads checkpoints reads it.

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStoreExt, PutMode, PutOptions, path::Path};

use crate::{
    log::{Body, Entry, EntryId, LOG, OwnerId, entry_path},
    manifest::{Manifest, SegmentRef},
    store::{CheckpointStore, SEGMENTS, StoreError, segment_path},
};

/// The number of the only entry in the log of a savepoint.
const ENTRY: u64 = 1;
/// How many segments are copied at a time.
const COPIES_AT_A_TIME: usize = 4;
/// So much of a segment is read at once when it is copied, in bytes.
const COPY_BYTES: u64 = 4 << 20;
/// How many objects are deleted at a time.
const DELETES_AT_A_TIME: usize = 16;

/// Checks that a savepoint can be written to this place: that it answers, and has nothing in it.
///
/// # Errors
///
/// [`StoreError::Occupied`] if there is something, or what the store says.
pub async fn prepare(to: &CheckpointStore) -> Result<(), StoreError> {
    let is_empty = to.list_log().await?.highest().is_none() && names(to, SEGMENTS).await?.is_empty();
    if is_empty { Ok(()) } else { Err(StoreError::Occupied) }
}

/// Copies a checkpoint to an empty place. Nothing may delete its segments meanwhile: see [`Leader::pin`](crate::log::Leader::pin). The savepoint is complete, and
/// durable, when this returns; if it does not, there is none.
///
/// # Errors
///
/// What either store says.
pub async fn write(from: &CheckpointStore, manifest: &Manifest, to: &CheckpointStore) -> Result<(), StoreError> {
    let segments: Vec<SegmentRef> = manifest.objects().cloned().collect();
    let copies = stream::iter(segments).map(|segment| copy(from, segment, to));
    copies.buffer_unordered(COPIES_AT_A_TIME).try_collect::<()>().await?;
    let body = Body::Checkpoint { claim: 0, live: Vec::new(), manifest: manifest.clone() };
    let entry = Entry { id: EntryId { owner: OwnerId(0), sequence: 0 }, body };
    let encoded = to.blocking(move || entry.encode()).await;
    let bytes = encoded.map_err(|source| StoreError::Entry { number: ENTRY, source })?;
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match to.objects().put_opts(&entry_path(ENTRY), bytes.into(), options).await {
        Ok(_) => Ok(()),
        Err(object_store::Error::AlreadyExists { .. }) => Err(StoreError::Occupied),
        Err(source) => Err(StoreError::objects("write the savepoint's manifest", source)),
    }
}

/// Finds what a job goes on from in a savepoint, or in a place with checkpoints that nobody writes any more: the newest, which must be whole.
///
/// # Errors
///
/// [`StoreError::NoSavepoint`] if there is none; if it is damaged; or what the store says.
pub async fn read(store: &CheckpointStore) -> Result<Manifest, StoreError> {
    let listing = store.list_log().await?;
    for number in listing.run().iter().rev() {
        if let Body::Checkpoint { manifest, .. } = store.entry(*number).await?.body {
            store.look_at_segments(&manifest, false).await?;
            return Ok(manifest);
        }
    }
    let what = match (listing.highest(), names(store, SEGMENTS).await?.is_empty()) {
        (Some(_), _) => "these are checkpoints of a job of which none was complete",
        (None, false) => "it was not written to its end",
        (None, true) => "there is nothing in this place",
    };
    Err(StoreError::NoSavepoint { what })
}

/// Removes a savepoint, or what there is of one that was not written to its end. The manifest goes first, so that what is left never looks whole.
///
/// # Errors
///
/// [`StoreError::NoSavepoint`] if the place holds nothing, or checkpoints that a job has written for itself; or what the store says.
pub async fn dispose(store: &CheckpointStore) -> Result<(), StoreError> {
    let (entries, segments) = (names(store, LOG).await?, names(store, SEGMENTS).await?);
    let listing = store.list_log().await?;
    let what = match listing.run() {
        [] if segments.is_empty() => Some("there is nothing in this place"),
        [] => None,
        [ENTRY] if is_alone(store).await? => None,
        _ => Some("these are the checkpoints of a job, which are left as they are"),
    };
    if let Some(what) = what {
        return Err(StoreError::NoSavepoint { what });
    }
    for names in [entries, segments] {
        let deletes = stream::iter(names).map(|name| async move {
            match store.objects().delete(&name).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(source) => Err(StoreError::objects(format!("delete `{name}`"), source)),
            }
        });
        deletes.buffer_unordered(DELETES_AT_A_TIME).try_collect::<()>().await?;
    }
    store.remove_if_empty().await
}

/// True if the only entry was written as that of a savepoint, or cannot be read.
async fn is_alone(store: &CheckpointStore) -> Result<bool, StoreError> {
    match store.entry(ENTRY).await {
        Ok(entry) => Ok(matches!(entry.body, Body::Checkpoint { claim: 0, .. })),
        Err(error) if error.is_damage() => Ok(true),
        Err(error) => Err(error),
    }
}

async fn copy(from: &CheckpointStore, segment: SegmentRef, to: &CheckpointStore) -> Result<(), StoreError> {
    let mut upload = to.upload_as(segment_path(&segment.name)?);
    let mut at = 0;
    while at < segment.bytes {
        let end = segment.bytes.min(at + COPY_BYTES);
        let copied = match from.range(&segment, at..end).await {
            Ok(piece) => upload.push(piece).await,
            Err(error) => Err(error),
        };
        if let Err(error) = copied {
            // What went wrong first is what counts.
            let _ = upload.abort().await;
            return Err(error);
        }
        at = end;
    }
    upload.finish().await.map(drop)
}

/// The objects below a folder.
async fn names(store: &CheckpointStore, folder: &str) -> Result<Vec<Path>, StoreError> {
    let objects = store.objects().list(Some(&Path::from(folder))).map_ok(|object| object.location);
    objects.try_collect().await.map_err(|source| StoreError::objects(format!("list `{folder}`"), source))
}
