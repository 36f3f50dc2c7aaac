//! Claims, commits, recovery and retention, one process at a time.
#![allow(clippy::disallowed_methods, reason = "tests look at what is on disk")]

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use millstream_core::{
    buffer::{BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE},
    time::Timestamp,
};
use object_store::{ObjectStoreExt, PutPayload, memory::InMemory};

use super::*;
use crate::{
    groups::GroupRange,
    manifest::{CheckpointKind, KeyedPart, Manifest, OperatorState, SegmentRef, Spread, ValuePart},
    row::{ByKey, RowKey},
    savepoint,
    segment::SegmentWriter,
    snapshot::{Frozen, Namespace, SnapshotKind},
    store::{CheckpointStore, StoreError},
};

fn manifest(checkpoint: u64, segments: &[SegmentRef]) -> Manifest {
    let groups = GroupRange::all(128);
    let value = |subtask: u32, bytes: &[u8]| ValuePart {
        state: "positions".to_owned(),
        subtask,
        spread: Spread::List,
        record: "u64".to_owned(),
        records: 1,
        schema: 7,
        bytes: bytes.to_vec(),
    };
    Manifest {
        job: "counts".to_owned(),
        run: 4711,
        checkpoint,
        kind: CheckpointKind::Periodic,
        at: 1_700_000_000_000 + checkpoint as i64,
        origin: None,
        channels: Vec::new(),
        operators: vec![
            OperatorState {
                id: "read".to_owned(),
                parallelism: 2,
                keyed: vec![],
                values: vec![value(0, b"first"), value(1, b"")],
            },
            OperatorState {
                id: "count".to_owned(),
                parallelism: 1,
                keyed: vec![KeyedPart { state: "counts".to_owned(), groups, segments: segments.to_vec() }],
                values: vec![value(0, &checkpoint.to_le_bytes())],
            },
        ],
    }
}

fn candidate(owner: u128, keep: usize) -> Candidate {
    Candidate { job: "counts".to_owned(), owner: OwnerId(owner), at: 17, keep, run: 4711, fresh: false }
}

/// Puts a segment of one row into the store.
async fn segment(store: &CheckpointStore, leader: &Leader, unique: &str) -> SegmentRef {
    let hashed = Columns { timed: false, hashed: true };
    let mut rows = BufferBuilder::<(u64, u64)>::new(hashed, DEFAULT_MAX_RECORD_SIZE);
    rows.push((1, 2), Timestamp::MIN, ByKey::<u64>::hash(1)).expect("a row is small");
    let mut writer = SegmentWriter::<ByKey<u64>, u64>::new(GroupRange::all(128), SnapshotKind::Full, vec![]);
    let mut pieces = Vec::new();
    let rows = Frozen { rows: vec![rows.seal(0)], ..Frozen::default() };
    writer.push(Namespace(None), &rows, &mut pieces).expect("a row is small");
    let summary = writer.finish(&mut pieces);
    let mut upload = store.upload(leader.claim_number(), unique);
    let name = upload.name().to_owned();
    for piece in pieces {
        upload.push(piece).await.expect("the store works");
    }
    upload.finish().await.expect("the store works");
    SegmentRef { name, bytes: summary.bytes, rows: summary.rows, full: true }
}

/// Takes a checkpoint that names one new segment and those given.
async fn checkpoint(
    store: &CheckpointStore,
    leader: &mut Leader,
    number: u64,
    older: &[SegmentRef],
) -> (u64, SegmentRef) {
    let new = segment(store, leader, &number.to_string()).await;
    let segments: Vec<_> = older.iter().cloned().chain([new.clone()]).collect();
    let entry = leader.commit(&manifest(number, &segments)).await.expect("nobody else leads");
    leader.retain().await.expect("the store works");
    (entry, new)
}

async fn names(memory: &InMemory) -> Vec<String> {
    use futures::TryStreamExt;
    use object_store::ObjectStore;
    let objects: Vec<_> = memory.list(None).try_collect().await.expect("memory is readable");
    let mut names: Vec<String> = objects.into_iter().map(|object| object.location.to_string()).collect();
    names.sort();
    names
}

fn entry_name(number: u64) -> String {
    format!("log/{number:020}")
}

async fn overwrite(memory: &InMemory, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = object_store::path::Path::from(name);
    let mut bytes = memory.get(&path).await.expect("it is there").bytes().await.expect("it is there").to_vec();
    change(&mut bytes);
    memory.put(&path, bytes.into()).await.expect("memory is writable");
}

fn memory() -> (Arc<InMemory>, CheckpointStore) {
    let memory = Arc::new(InMemory::new());
    (memory.clone(), CheckpointStore::over(memory))
}

#[test]
fn an_entry_comes_back_with_its_values() {
    let id = EntryId { owner: OwnerId(u128::MAX - 5), sequence: 9 };
    let live = vec![LiveEntry { number: 3, id: EntryId { owner: OwnerId(1), sequence: 0 } }];
    for body in [
        Body::Checkpoint { claim: 2, live, manifest: manifest(12, &[]) },
        Body::Claim { job: "counts".to_owned(), at: -4, run: 5 },
    ] {
        let entry = Entry { id, body };
        let bytes = entry.encode().expect("it is small");
        assert_eq!(Entry::decode(&bytes).expect("it is whole"), entry);
    }
}

#[test]
fn a_damaged_entry_is_an_error() {
    let id = EntryId { owner: OwnerId(5), sequence: 9 };
    let body = Body::Checkpoint { claim: 2, live: vec![], manifest: manifest(12, &[]) };
    let mut bytes = Entry { id, body }.encode().expect("it is small");
    for length in 0..bytes.len() {
        assert!(Entry::decode(&bytes[..length]).is_err(), "cut off at {length}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(Entry::decode(&bytes).is_err(), "bit {bit} of byte {at}");
            bytes[at] ^= 1 << bit;
        }
    }
    bytes.push(0);
    assert!(Entry::decode(&bytes).is_err(), "a byte too many");
}

/// Whoever forges the checksum gets an error or another entry, never a panic.
#[test]
fn damage_with_a_right_checksum_is_an_error_or_another_entry() {
    let id = EntryId { owner: OwnerId(5), sequence: 9 };
    let whole = Entry { id, body: Body::Checkpoint { claim: 2, live: vec![], manifest: manifest(12, &[]) } };
    let whole = whole.encode().expect("it is small");
    let (mut refused, mut read) = (0, 0);
    for at in 8..whole.len() {
        for byte in [0, b'0', b'9', b'"', 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            let mut crc = crc32fast::Hasher::new();
            crc.update(&bytes[..20]);
            crc.update(&bytes[24..]);
            bytes[20..24].copy_from_slice(&crc.finalize().to_le_bytes());
            *if Entry::decode(&bytes).is_ok() { &mut read } else { &mut refused } += 1;
        }
    }
    assert!(refused > 0 && read > 0, "{refused} were refused, {read} were read");
}

/// Written by version 1 of the format. It must be readable for ever.
const YESTERDAY: &[u8] = include_bytes!("entry-v1.golden");

#[test]
fn yesterdays_entries_still_read() {
    let id = EntryId { owner: OwnerId(0xfeed), sequence: 2 };
    let live = vec![LiveEntry { number: 3, id: EntryId { owner: OwnerId(1), sequence: 0 } }];
    let segment = SegmentRef { name: "segments/1-a".to_owned(), bytes: 100, rows: 4, full: true };
    let entry = Entry { id, body: Body::Checkpoint { claim: 4, live, manifest: manifest(12, &[segment]) } };
    let bytes = entry.encode().expect("it is small");
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(YESTERDAY),
        "the format has changed: raise its version, and keep this test for the old one"
    );
    assert_eq!(Entry::decode(YESTERDAY).expect("it is whole"), entry);
}

#[test]
fn a_later_version_is_named_and_nothing_is_claimed() {
    block_on(async {
        let (memory, store) = memory();
        store.claim(candidate(1, 3)).await.expect("the store is empty");
        overwrite(&memory, &entry_name(1), |bytes| bytes[8] = 2).await;
        let error = store.claim(candidate(2, 3)).await.expect_err("the version is unknown").to_string();
        assert!(error.contains("entry 1 of the log") && error.contains("format version 2"), "{error}");
        assert_eq!(names(&memory).await, [entry_name(1)]);
    });
}

#[test]
fn a_job_begins_with_nothing_and_goes_on_from_its_newest_checkpoint() {
    block_on(async {
        let (_, store) = memory();
        let mut leader = store.claim(candidate(1, 3)).await.expect("the store is empty");
        let nothing = Recovery { newest: None, skipped: vec![], last_checkpoint: 0 };
        assert_eq!(leader.recover().await.expect("the store works"), nothing);
        leader.sweep().await.expect("the store works");
        let (_, first) = checkpoint(&store, &mut leader, 1, &[]).await;
        let (number, second) = checkpoint(&store, &mut leader, 2, std::slice::from_ref(&first)).await;
        assert_eq!(number, 3);

        let mut next = store.claim(candidate(2, 3)).await.expect("the log is whole");
        assert_eq!(next.claim_number(), 4);
        let found = next.recover().await.expect("everything is there");
        assert_eq!(
            found,
            Recovery { newest: Some((3, manifest(2, &[first, second]))), skipped: vec![], last_checkpoint: 2 }
        );
    });
}

#[test]
fn a_deposed_leader_neither_commits_nor_deletes() {
    block_on(async {
        let (memory, store) = memory();
        let mut old = store.claim(candidate(1, 1)).await.expect("the store is empty");
        checkpoint(&store, &mut old, 1, &[]).await;
        let second = segment(&store, &old, "second").await;
        old.commit(&manifest(2, &[second])).await.expect("nobody else leads");
        let mut new = store.claim(candidate(2, 1)).await.expect("the log is whole");
        let before = names(&memory).await;
        for _ in 0..2 {
            let error = old.commit(&manifest(3, &[])).await.expect_err("another one leads");
            assert!(matches!(error, CommitError::Deposed { number: 4 }), "{error}");
            old.retain().await.expect("it leaves everything alone");
            assert_eq!(names(&memory).await, before);
        }
        assert_eq!(new.recover().await.expect("everything is there").last_checkpoint, 2);
        new.commit(&manifest(3, &[])).await.expect("nobody else leads");
    });
}

#[test]
fn old_checkpoints_and_what_only_they_name_are_deleted() {
    block_on(async {
        let (memory, store) = memory();
        let mut leader = store.claim(candidate(1, 2)).await.expect("the store is empty");
        let (_, base) = checkpoint(&store, &mut leader, 1, &[]).await;
        let (_, delta) = checkpoint(&store, &mut leader, 2, std::slice::from_ref(&base)).await;
        let (_, full) = checkpoint(&store, &mut leader, 3, &[]).await;
        let wanted = [entry_name(3), entry_name(4), base.name, delta.name, full.name.clone()];
        assert_eq!(names(&memory).await, wanted, "the second checkpoint still needs what the first one wrote");
        let (_, last) = checkpoint(&store, &mut leader, 4, std::slice::from_ref(&full)).await;
        assert_eq!(names(&memory).await, [entry_name(4), entry_name(5), full.name, last.name]);
    });
}

#[test]
fn a_sweep_removes_what_failed_attempts_left() {
    block_on(async {
        let (memory, store) = memory();
        let mut failed = store.claim(candidate(1, 2)).await.expect("the store is empty");
        let (_, kept) = checkpoint(&store, &mut failed, 1, &[]).await;
        segment(&store, &failed, "orphan").await;
        let mut leader = store.claim(candidate(2, 2)).await.expect("the log is whole");
        leader.recover().await.expect("everything is there");
        // Of a later leader, which this one does not know of yet; and something that is none of its business.
        let later = store.upload(4, "later");
        let later_name = later.name().to_owned();
        later.finish().await.expect("the store works");
        memory.put(&"segments/mine".into(), PutPayload::new()).await.expect("the store works");
        leader.sweep().await.expect("the store works");
        let wanted = [entry_name(2), entry_name(3), kept.name, later_name, "segments/mine".to_owned()];
        assert_eq!(names(&memory).await, wanted);
    });
}

#[test]
fn a_sweep_removes_interrupted_uploads_from_a_directory() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let store = CheckpointStore::directory(directory.path()).expect("the directory is free");
    let mut leader = block_on(store.claim(candidate(1, 2))).expect("the store is empty");
    std::fs::create_dir_all(directory.path().join("segments")).expect("it can be made");
    for leftover in ["segments/00000000000000000001-a#1", "log/00000000000000000007#12"] {
        std::fs::write(directory.path().join(leftover), "half").expect("it can be written");
    }
    block_on(leader.sweep()).expect("the file system works");
    let files = |folder: &str| std::fs::read_dir(directory.path().join(folder)).expect("it is there").count();
    assert_eq!((files("segments"), files("log")), (0, 1));
}

#[test]
fn a_damaged_checkpoint_is_skipped_loudly() {
    block_on(async {
        for damage in ["entry", "no entry", "segment", "no segment"] {
            let (memory, store) = memory();
            let mut leader = store.claim(candidate(1, 3)).await.expect("the store is empty");
            let (_, first) = checkpoint(&store, &mut leader, 1, &[]).await;
            let (number, second) = checkpoint(&store, &mut leader, 2, &[]).await;
            let name = if damage.ends_with("entry") { entry_name(number) } else { second.name };
            if damage.starts_with("no ") {
                // Something else stands behind it, or the gap would not be seen.
                store.claim(candidate(2, 3)).await.expect("the log is whole");
                memory.delete(&name.into()).await.expect("memory is writable");
            } else {
                overwrite(&memory, &name, |bytes| *bytes.last_mut().expect("it is not empty") ^= 1).await;
            }
            if damage == "no entry" {
                // A gap: nothing before it counts, and nothing behind it is a checkpoint.
                let error = store.claim(candidate(3, 3)).await.expect_err("entries are missing");
                assert!(matches!(error, StoreError::Incomplete { .. }), "{error}");
                assert!(error.to_string().contains("entry 3 is missing"), "{error}");
                continue;
            }
            let mut next = store.claim(candidate(3, 3)).await.expect("the log is whole");
            let found = next.recover().await.expect("one checkpoint is whole");
            assert_eq!(found.newest, Some((2, manifest(1, &[first]))), "{damage}");
            assert_eq!(found.skipped.len(), 1, "{damage}");
            assert_eq!(found.skipped[0].0, number, "{damage}");
            // What cannot be used does not count as kept.
            let before = names(&memory).await;
            next.commit(&manifest(3, &[])).await.expect("nobody else leads");
            next.retain().await.expect("the store works");
            let after = names(&memory).await;
            assert!(before.iter().all(|name| after.contains(name)), "{damage}: {before:?} {after:?}");
        }
    });
}

/// Output is taken back for the checkpoint that a job goes back to, so that one must be whole, down to its last block.
#[test]
fn what_is_gone_back_to_is_read_as_a_whole() {
    block_on(async {
        let (memory, store) = memory();
        let mut leader = store.claim(candidate(1, 3)).await.expect("the store is empty");
        let (_, first) = checkpoint(&store, &mut leader, 1, &[]).await;
        let (_, second) = checkpoint(&store, &mut leader, 2, &[]).await;
        let (newest, _) = checkpoint(&store, &mut leader, 3, &[]).await;
        overwrite(&memory, &second.name, |bytes| bytes[0] ^= 1).await;
        let mut next = store.claim(candidate(2, 3)).await.expect("the log is whole");
        assert_eq!(next.recover().await.expect("the newest is whole").newest.map(|(number, _)| number), Some(newest));
        next.reject(newest, "a block is damaged");
        let found = next.recover().await.expect("the oldest is whole");
        assert_eq!(found.newest, Some((2, manifest(1, std::slice::from_ref(&first)))));
        assert!(found.skipped[1].1.contains("block 0 is damaged"), "{:?}", found.skipped);
        overwrite(&memory, &first.name, |bytes| bytes[0] ^= 1).await;
        let mut next = store.claim(candidate(3, 3)).await.expect("the log is whole");
        next.reject(newest, "a block is damaged");
        let error = next.recover().await.expect_err("none is whole");
        assert!(matches!(error, StoreError::NoneUsable { .. }), "{error}");
    });
}

#[test]
fn no_usable_checkpoint_is_an_error_and_not_a_fresh_start() {
    block_on(async {
        let (memory, store) = memory();
        let mut leader = store.claim(candidate(1, 3)).await.expect("the store is empty");
        let (_, only) = checkpoint(&store, &mut leader, 1, &[]).await;
        memory.delete(&only.name.clone().into()).await.expect("memory is writable");
        for owner in [2, 3] {
            let mut next = store.claim(candidate(owner, 3)).await.expect("the log is whole");
            let error = next.recover().await.expect_err("nothing can be used").to_string();
            assert!(
                error.contains("entry 2: ") && error.contains(&only.name) && error.contains("is missing"),
                "{error}"
            );
        }
        overwrite(&memory, &entry_name(2), |bytes| bytes.truncate(10)).await;
        let mut next = store.claim(candidate(4, 3)).await.expect("the log is whole");
        assert!(matches!(next.recover().await, Err(StoreError::NoneUsable { .. })));
        segment(&store, &next, "orphan").await;
        let before = names(&memory).await;
        let mut last = store.claim(candidate(5, 3)).await.expect("the log is whole");
        last.sweep().await.expect("the store works");
        let after = names(&memory).await;
        assert!(before.iter().all(|name| after.contains(name)), "what nobody can name is not swept");
    });
}

#[test]
fn a_fresh_run_does_not_go_on_from_what_is_there_and_never_falls_back_to_it() {
    block_on(async {
        let (memory, store) = memory();
        let mut first = store.claim(Candidate { run: 4711, ..candidate(1, 3) }).await.expect("the store is empty");
        assert_eq!(first.run(), 4711);
        checkpoint(&store, &mut first, 1, &[]).await;

        let fresh = |owner| Candidate { run: 4712, fresh: true, ..candidate(owner, 3) };
        let mut second = store.claim(fresh(2)).await.expect("the log is whole");
        assert_eq!(second.run(), 4712);
        let nothing = Recovery { newest: None, skipped: vec![], last_checkpoint: 1 };
        assert_eq!(second.recover().await.expect("nothing has to be usable"), nothing);
        // It has come to nothing: what was there before is still what counts.
        let mut third = store.claim(candidate(3, 3)).await.expect("the log is whole");
        assert_eq!(third.run(), 4711);
        assert_eq!(third.recover().await.expect("everything is there").newest.map(|newest| newest.0), Some(2));

        let mut fourth = store.claim(fresh(4)).await.expect("the log is whole");
        let new = segment(&store, &fourth, "new").await;
        let in_new_run = Manifest { run: fourth.run(), ..manifest(2, std::slice::from_ref(&new)) };
        let number = fourth.commit(&in_new_run).await.expect("nobody else leads");
        assert_eq!(fourth.recover().await.expect("everything is there").newest, Some((number, in_new_run)));
        memory.delete(&new.name.into()).await.expect("memory is writable");
        let mut fifth = store.claim(candidate(5, 3)).await.expect("the log is whole");
        assert_eq!(fifth.run(), 4712);
        let error = fifth.recover().await.expect_err("the checkpoint of another run does not count");
        assert!(matches!(&error, StoreError::NoneUsable { skipped } if skipped.len() == 1), "{error}");
    });
}

#[test]
fn what_was_skipped_is_told_at_every_restart() {
    block_on(async {
        let (memory, store) = memory();
        let mut leader = store.claim(candidate(1, 3)).await.expect("the store is empty");
        checkpoint(&store, &mut leader, 1, &[]).await;
        let (_, second) = checkpoint(&store, &mut leader, 2, &[]).await;
        memory.delete(&second.name.into()).await.expect("memory is writable");
        let first = leader.recover().await.expect("one checkpoint is whole");
        assert_eq!((first.newest.as_ref().map(|newest| newest.0), first.skipped.len()), (Some(2), 1));
        assert_eq!(leader.recover().await.expect("one checkpoint is whole"), first);
        checkpoint(&store, &mut leader, 3, &[]).await;
        assert_eq!(leader.recover().await.expect("one checkpoint is whole").skipped, []);
    });
}

#[test]
fn segments_without_a_log_are_an_error_every_time() {
    block_on(async {
        let (memory, store) = memory();
        store.upload(1, "lonely").finish().await.expect("the store works");
        for owner in [1, 2] {
            let error = store.claim(candidate(owner, 3)).await.expect_err("the log is gone");
            assert!(matches!(error, StoreError::Incomplete { .. }), "{error}");
        }
        assert_eq!(names(&memory).await.len(), 1, "nothing was claimed");
    });
}

#[test]
fn another_jobs_checkpoints_are_refused_and_left_alone() {
    block_on(async {
        let (memory, store) = memory();
        let mut leader = store.claim(candidate(1, 3)).await.expect("the store is empty");
        let other = || Candidate { job: "sums".to_owned(), ..candidate(2, 3) };
        for _ in 0..2 {
            let error = store.claim(other()).await.expect_err("it is another job").to_string();
            assert!(error.contains("checkpoints of the job `counts`, not of `sums`"), "{error}");
            assert_eq!(
                names(&memory).await.iter().filter(|name| name.starts_with("log")).count() as u64,
                leader.last_number()
            );
            leader.commit(&manifest(1, &[])).await.expect("it was not deposed");
        }
    });
}

/// Someone who was paused for long creates an entry at a number that has been deleted meanwhile.
#[test]
fn what_is_created_at_a_deleted_number_does_not_count() {
    block_on(async {
        let (_, store) = memory();
        let mut paused = store.claim(candidate(1, 1)).await.expect("the store is empty");
        let mut leader = store.claim(candidate(2, 1)).await.expect("the log is whole");
        for number in 1..=3 {
            checkpoint(&store, &mut leader, number, &[]).await;
        }
        let listing = store.list_log().await.expect("the store works");
        assert_eq!(listing.run(), [5]);
        // Its number, 2, is free again.
        let error = paused.commit(&manifest(1, &[])).await.expect_err("another one leads");
        assert!(matches!(error, CommitError::Deposed { number: 5 }), "{error}");
        let listing = store.list_log().await.expect("the store works");
        assert_eq!((listing.run(), listing.below(5)), (&[5][..], &[2][..]));

        // One that lies just below what counts is told by its id.
        let stale = Entry {
            id: EntryId { owner: OwnerId(1), sequence: 8 },
            body: Body::Checkpoint { claim: 1, live: vec![], manifest: manifest(9, &[]) },
        };
        let put = stale.encode().expect("it is small");
        store.objects().put(&read::path(4), put.into()).await.expect("the store works");
        let mut next = store.claim(candidate(3, 1)).await.expect("the log is whole");
        let found = next.recover().await.expect("everything is there");
        assert_eq!((found.newest.map(|newest| newest.0), found.last_checkpoint, found.skipped.len()), (Some(5), 3, 0));
        next.commit(&manifest(4, &[])).await.expect("nobody else leads");
        next.retain().await.expect("the store works");
        assert_eq!(
            store.list_log().await.expect("the store works").below(7),
            [0_u64; 0],
            "what is left over is deleted, too"
        );
    });
}

#[test]
fn every_step_is_told() {
    block_on(async {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let told = steps.clone();
        let hook = move |step| told.lock().expect("nothing panics while it is locked").push(step);
        let store = CheckpointStore::over(Arc::new(InMemory::new())).with_hook(Arc::new(hook));
        let mut leader = store.claim(candidate(1, 1)).await.expect("the store is empty");
        leader.sweep().await.expect("the store works");
        for number in 1..=2 {
            checkpoint(&store, &mut leader, number, &[]).await;
        }
        let told = steps.lock().expect("nothing panics while it is locked");
        let mut first: Vec<&str> = Vec::new();
        told.iter().for_each(|step| {
            if !first.contains(step) {
                first.push(step)
            }
        });
        assert_eq!(first, crate::store::steps::ALL);
    });
}

/// Tasks on many threads await these.
#[test]
fn futures_can_be_sent() {
    fn send<T>(future: impl Future<Output = T> + Send) -> impl Future<Output = T> {
        future
    }
    block_on(async {
        let (_, store) = memory();
        let mut leader = send(store.claim(candidate(1, 1))).await.expect("the store is empty");
        send(leader.recover()).await.expect("the store works");
        send(leader.sweep()).await.expect("the store works");
        send(leader.commit(&manifest(1, &[]))).await.expect("nobody else leads");
        send(leader.retain()).await.expect("the store works");
    });
}

#[test]
fn a_savepoint_is_a_checkpoint_with_all_that_it_names() {
    block_on(async {
        let ((_, store), (there, place)) = (memory(), memory());
        let mut leader = store.claim(candidate(1, 1)).await.expect("the store is empty");
        let (_, first) = checkpoint(&store, &mut leader, 1, &[]).await;
        let (_, second) = checkpoint(&store, &mut leader, 2, std::slice::from_ref(&first)).await;
        let of_second = manifest(2, &[first.clone(), second.clone()]);

        let empty = savepoint::read(&place).await.expect_err("nothing was written");
        assert!(matches!(empty, StoreError::NoSavepoint { .. }), "{empty}");
        savepoint::prepare(&place).await.expect("it is empty");
        savepoint::write(&store, &of_second, &place).await.expect("both stores work");
        assert_eq!(savepoint::read(&place).await.expect("it is whole"), of_second);
        assert_eq!(names(&there).await, [entry_name(1), first.name.clone(), second.name.clone()]);
        let rows =
            KeyedPart { state: "counts".to_owned(), groups: GroupRange::all(128), segments: vec![first.clone()] };
        let mut found = Vec::new();
        let each = |_, block: &crate::segment::Block<ByKey<u64>, u64>| {
            found.extend(block.rows().map(|(_, key, value)| (key, value)))
        };
        place.load(&rows, GroupRange::all(128), each).await.expect("the segment was copied");
        assert_eq!(found, [(1, 2)]);

        let occupied = savepoint::write(&store, &of_second, &place).await.expect_err("there is one");
        assert!(matches!(occupied, StoreError::Occupied), "{occupied}");
        assert!(matches!(savepoint::prepare(&place).await, Err(StoreError::Occupied)));
        let own = savepoint::dispose(&store).await.expect_err("a job writes there");
        assert!(own.to_string().contains("the checkpoints of a job"), "{own}");
        savepoint::dispose(&place).await.expect("it is a savepoint");
        assert!(names(&there).await.is_empty());
        savepoint::dispose(&place).await.expect_err("nothing is left");
    });
}

#[test]
fn a_savepoint_that_lacks_something_is_none() {
    block_on(async {
        let ((_, store), (there, place)) = (memory(), memory());
        let mut leader = store.claim(candidate(1, 3)).await.expect("the store is empty");
        let (_, first) = checkpoint(&store, &mut leader, 1, &[]).await;
        savepoint::write(&store, &manifest(1, std::slice::from_ref(&first)), &place).await.expect("both stores work");
        overwrite(&there, &first.name, |bytes| bytes.truncate(20)).await;
        let damaged = savepoint::read(&place).await.expect_err("a segment was cut off");
        assert!(damaged.is_damage(), "{damaged}");
        // The manifest comes last: without it nothing counts, and all of it can be removed.
        there.delete(&object_store::path::Path::from(entry_name(1))).await.expect("it is there");
        let incomplete = savepoint::read(&place).await.expect_err("it has no manifest");
        assert!(incomplete.to_string().contains("not written to its end"), "{incomplete}");
        savepoint::dispose(&place).await.expect("it is what is left of one");
        assert!(names(&there).await.is_empty());
    });
}

#[test]
fn what_is_being_copied_stays() {
    block_on(async {
        let (memory, store) = memory();
        let mut leader = store.claim(candidate(1, 1)).await.expect("the store is empty");
        let (_, first) = checkpoint(&store, &mut leader, 1, &[]).await;
        let pin = leader.pin(&manifest(1, std::slice::from_ref(&first)));
        let (_, second) = checkpoint(&store, &mut leader, 2, &[]).await;
        leader.sweep().await.expect("the store works");
        assert!(names(&memory).await.contains(&first.name), "somebody reads it");
        drop(pin);
        let (_, third) = checkpoint(&store, &mut leader, 3, &[]).await;
        let left = names(&memory).await;
        assert!(left.contains(&third.name) && !left.contains(&second.name) && !left.contains(&first.name), "{left:?}");
    });
}
