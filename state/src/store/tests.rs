//! Segments put into stores and read back, and what is damaged there.
#![allow(clippy::disallowed_methods, reason = "tests look at what is on disk")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::executor::block_on;
use millstream_core::{
    buffer::{BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE},
    dynamic::Value,
    time::{Timestamp, Window},
};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};

use super::*;
use crate::{
    groups::GroupRange,
    manifest::{KeyedPart, SegmentRef},
    row::{ByKey, RowKey},
    segment::{Block, SegmentWriter},
    snapshot::{Frozen, Namespace, SnapshotKind},
};

type Rows = ByKey<u64>;

const ALL: GroupRange = GroupRange { start: 0, end: 128, of: 128 };

fn frozen(rows: impl IntoIterator<Item = (u64, u64)>, removed: impl IntoIterator<Item = u64>) -> Frozen {
    let hashed = Columns { timed: false, hashed: true };
    let mut row_builder = BufferBuilder::<(u64, u64)>::new(hashed, DEFAULT_MAX_RECORD_SIZE);
    for row in rows {
        row_builder.push(row, Timestamp::MIN, Rows::hash(row.0)).expect("rows are small");
    }
    let mut key_builder = BufferBuilder::<u64>::new(hashed, DEFAULT_MAX_RECORD_SIZE);
    for key in removed {
        key_builder.push(key, Timestamp::MIN, Rows::hash(key)).expect("keys are small");
    }
    Frozen { rows: vec![row_builder.seal(0)], removed: vec![key_builder.seal(0)], ..Frozen::default() }
}

/// Puts a segment of one range into the store.
fn put(
    store: &CheckpointStore,
    unique: &str,
    kind: SnapshotKind,
    dropped: Vec<Namespace>,
    ranges: &[(Namespace, Frozen)],
) -> SegmentRef {
    let mut writer = SegmentWriter::<Rows, u64>::new(GroupRange::all(128), kind, dropped);
    let mut pieces = Vec::new();
    for (namespace, range) in ranges {
        writer.push(*namespace, range, &mut pieces).expect("rows are small");
    }
    let summary = writer.finish(&mut pieces);
    block_on(async {
        let mut upload = store.upload(1, unique);
        let name = upload.name().to_owned();
        for piece in pieces {
            upload.push(piece).await.expect("the store works");
        }
        let bytes = upload.finish().await.expect("the store works");
        assert_eq!(bytes, summary.bytes);
        SegmentRef { name, bytes, rows: summary.rows + summary.tombstones, full: kind == SnapshotKind::Full }
    })
}

fn part(segments: Vec<SegmentRef>) -> KeyedPart {
    KeyedPart { state: "counts".to_owned(), groups: ALL, segments }
}

/// What a table would hold in the end.
fn load(
    store: &CheckpointStore,
    part: &KeyedPart,
    wanted: GroupRange,
) -> Result<BTreeMap<(Namespace, u64), u64>, StoreError> {
    let mut table = BTreeMap::new();
    let mut last = 0;
    block_on(store.load::<Rows, u64>(part, wanted, |segment, block: &Block<Rows, u64>| {
        assert!(segment >= last, "segments come in order");
        last = segment;
        for (hash, key, value) in block.rows() {
            assert!(wanted.holds(hash) && hash == Rows::hash(key));
            table.insert((block.namespace(), key), value);
        }
        for (_, key) in block.removed() {
            table.remove(&(block.namespace(), key));
        }
    }))?;
    Ok(table)
}

fn window(end: i64) -> Namespace {
    Namespace(Some(Window::new(Timestamp::from_millis(end - 10), Timestamp::from_millis(end))))
}

fn chain(store: &CheckpointStore) -> (KeyedPart, BTreeMap<(Namespace, u64), u64>) {
    let only = Namespace::default();
    let rows = |range: std::ops::Range<u64>, by: u64| range.map(move |i| (i, i * by));
    let full = [(only, frozen(rows(0..50_000, 1), [])), (window(10), frozen(rows(0..10, 1), []))];
    let full = put(store, "full", SnapshotKind::Full, vec![], &full);
    let delta = [(only, frozen(rows(40_000..60_000, 2), 0..100)), (window(20), frozen(rows(0..20, 2), []))];
    let delta = put(store, "delta", SnapshotKind::Delta, vec![window(10)], &delta);
    let mut wanted: BTreeMap<_, _> =
        rows(100..40_000, 1).chain(rows(40_000..60_000, 2)).map(|(k, v)| ((only, k), v)).collect();
    wanted.extend(rows(0..20, 2).map(|(key, value)| ((window(20), key), value)));
    (part(vec![full, delta]), wanted)
}

#[test]
fn a_chain_is_loaded_for_every_share_of_the_groups() {
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    let (part, all) = chain(&store);
    for parallelism in [1, 3] {
        for subtask in 0..parallelism {
            let groups = GroupRange::owned_by(subtask, parallelism, 128);
            let mut wanted = all.clone();
            wanted.retain(|(_, key), _| groups.holds(Rows::hash(*key)));
            assert!(load(&store, &part, groups).expect("everything is there") == wanted, "{groups:?}");
        }
    }
}

#[test]
fn a_chain_is_read_without_its_types() {
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    let (mut part, all) = chain(&store);
    let read = |part: &KeyedPart| {
        let mut read = BTreeMap::new();
        let row = |namespace, key: &Value<'_>, value: &Value<'_>| {
            let (Value::Unsigned(key), Value::Unsigned(value)) = (key, value) else { panic!("{key:?} {value:?}") };
            let twice = read.insert((namespace, *key as u64), *value as u64);
            assert_eq!(twice, None, "each row is shown once");
        };
        block_on(store.read_values(part, row)).map(|()| read)
    };
    assert!(read(&part).expect("everything is there") == all);
    part.segments.remove(0);
    let newest = all.clone().into_iter().filter(|((namespace, key), _)| namespace.0.is_some() || *key >= 40_000);
    assert!(read(&part).expect("everything is there") == newest.collect::<BTreeMap<_, _>>());
    part.segments[0].name.push('x');
    assert!(matches!(read(&part), Err(StoreError::Missing { .. })));
}

#[test]
fn only_the_rows_of_the_part_count() {
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    let (mut part, mut wanted) = chain(&store);
    part.groups = GroupRange { start: 5, end: 40, of: 128 };
    wanted.retain(|(_, key), _| part.groups.holds(Rows::hash(*key)));
    assert!(load(&store, &part, ALL).expect("everything is there") == wanted);
    assert!(load(&store, &part, GroupRange { start: 40, ..ALL }).expect("everything is there").is_empty());
}

#[test]
fn a_chain_is_compacted_to_one_full_segment() {
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    let (chain, mut wanted) = chain(&store);
    let groups = GroupRange { start: 0, end: 64, of: 128 };
    wanted.retain(|(_, key), _| groups.holds(Rows::hash(*key)));
    let upload = store.upload(1, "compacted");
    let full = block_on(store.compact::<Rows, u64>(&chain, groups, upload)).expect("everything is there");
    assert!(full.full);
    assert_eq!(full.rows, wanted.len() as u64);
    assert!(load(&store, &part(vec![full]), ALL).expect("everything is there") == wanted);
}

#[test]
fn a_large_segment_is_uploaded_in_parts() {
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    block_on(async {
        let mut upload = store.upload(3, "a/b");
        assert_eq!(upload.name(), "segments/00000000000000000003-a%2Fb");
        let pieces: Vec<Bytes> =
            (0..50_u8).map(|i| vec![i; 700_001].into()).chain([vec![0; 20 << 20].into()]).collect();
        for piece in &pieces {
            upload.push(piece.clone()).await.expect("the store works");
        }
        let path = segment_path(upload.name()).expect("uploads are named as segments are");
        assert_eq!(
            upload.finish().await.expect("the store works"),
            pieces.iter().map(|piece| piece.len() as u64).sum::<u64>()
        );
        let found = store.objects().get(&path).await.expect("it is there").bytes().await.expect("it is there");
        assert!(found == pieces.concat());
    });
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let store = CheckpointStore::directory(directory.path()).expect("the directory is free");
    for abort in [true, false] {
        block_on(async {
            let mut upload = store.upload(1, "given up");
            upload.push(vec![0; 9 << 20].into()).await.expect("the store works");
            if abort {
                upload.abort().await.expect("the store works");
            }
        });
        let left: Vec<_> = std::fs::read_dir(directory.path().join(SEGMENTS)).expect("it was made").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn what_a_directory_holds_is_there_after_it_is_opened_again() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let path = directory.path().join("made/on the way");
    let store = CheckpointStore::directory(&path).expect("the directory is free");
    let (part, wanted) = chain(&store);
    drop(store);
    let store = CheckpointStore::directory(&path).expect("the directory is free again");
    assert!(load(&store, &part, ALL).expect("everything is there") == wanted);
}

#[test]
fn a_directory_that_is_in_use_is_refused_with_the_process() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let store = CheckpointStore::directory(directory.path()).expect("the directory is free");
    let error = CheckpointStore::directory(directory.path()).expect_err("it is in use").to_string();
    assert!(error.contains(&format!("in use by a live process (pid {})", std::process::id())), "{error}");
    CheckpointStore::look_at(directory.path()).expect("looking needs no lock");
    let clone = store.clone();
    drop(store);
    assert!(CheckpointStore::directory(directory.path()).is_err(), "a clone holds it, too");
    drop(clone);
    assert!(CheckpointStore::directory(directory.path()).is_ok());
}

#[test]
fn what_is_wrong_with_a_segment_is_told_with_its_name() {
    let memory = Arc::new(InMemory::new());
    let store = CheckpointStore::over(memory.clone());
    let (part, _) = chain(&store);
    let name = Path::from(part.segments[1].name.as_str());
    let whole = block_on(async { memory.get(&name).await.expect("it is there").bytes().await.expect("it is there") });
    let fails = |bytes: Option<Vec<u8>>| {
        block_on(async {
            match bytes {
                Some(bytes) => drop(memory.put(&name, bytes.into()).await.expect("the store works")),
                None => memory.delete(&name).await.expect("the store works"),
            }
        });
        let error = load(&store, &part, ALL).expect_err("a segment is damaged");
        assert!(error.is_damage() && error.to_string().contains(part.segments[1].name.as_str()), "{error}");
        error
    };
    assert!(matches!(fails(None), StoreError::Missing { .. }));
    assert!(matches!(fails(Some(whole[1..].to_vec())), StoreError::Size { .. }));
    let mut flipped = whole.to_vec();
    flipped[1000] ^= 1;
    assert!(fails(Some(flipped)).to_string().contains("block 0 is damaged"));
    let mut flipped = whole.to_vec();
    let end = flipped.len();
    flipped[end - 40] ^= 1;
    assert!(fails(Some(flipped)).to_string().contains("its footer is damaged"));
}

#[test]
fn a_name_that_is_no_segments_is_refused() {
    for name in
        ["", "log/00000000000000000001", "segments", "segments/", "segments/../log/1", "/etc/passwd", "segments/a/b"]
    {
        assert!(matches!(segment_path(name), Err(StoreError::Name { .. })), "{name}");
    }
}

#[test]
fn unpacking_is_given_to_whoever_runs_blocking_work() {
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    let (part, wanted) = chain(&store);
    let works = Arc::new(Mutex::new(0));
    let counted = works.clone();
    let store = store.with_blocking(Arc::new(move |work| {
        let counted = counted.clone();
        Box::pin(async move {
            *counted.lock().expect("nothing panics while it is locked") += 1;
            work();
        })
    }));
    assert!(load(&store, &part, ALL).expect("everything is there") == wanted);
    assert!(*works.lock().expect("nothing panics while it is locked") >= 2);
}

/// Tasks on many threads await these.
#[test]
fn futures_can_be_sent() {
    fn send(_: impl Send) {}
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    let part = part(vec![]);
    send(store.load::<Rows, u64>(&part, ALL, |_, _| {}));
    send(store.compact::<Rows, u64>(&part, ALL, store.upload(1, "a")));
    send(async {
        let mut upload = store.upload(1, "a");
        upload.push(Bytes::new()).await?;
        upload.finish().await
    });
}
