//! What is shown of checkpoints.

use std::sync::Arc;

use futures::executor::block_on;
use millstream_core::time::Timestamp;
use object_store::{ObjectStoreExt, memory::InMemory};

use super::*;
use crate::{
    groups::GroupRange,
    log::{Candidate, Leader, OwnerId},
    manifest::{KeyedPart, Manifest, OperatorState, SegmentRef, ValuePart},
    row::ByKey,
    segment::SegmentWriter,
    snapshot::SnapshotKind,
    store::CheckpointStore,
};

const START: i64 = 1_714_564_800_000;

async fn segment(store: &CheckpointStore, leader: &Leader, unique: &str) -> SegmentRef {
    let mut pieces = Vec::new();
    let summary =
        SegmentWriter::<ByKey<u64>, String>::new(GroupRange::all(128), SnapshotKind::Full, vec![]).finish(&mut pieces);
    let mut upload = store.upload(leader.claim_number(), unique);
    let name = upload.name().to_owned();
    for piece in pieces {
        upload.push(piece).await.expect("the store works");
    }
    upload.finish().await.expect("the store works");
    SegmentRef { name, bytes: summary.bytes, rows: 1200, full: true }
}

fn manifest(checkpoint: u64, kind: CheckpointKind, segments: &[SegmentRef]) -> Manifest {
    let groups = |subtask| GroupRange::owned_by(subtask, 2, 128);
    let keyed = |subtask: u32| KeyedPart {
        state: "names".to_owned(),
        groups: groups(subtask),
        segments: vec![segments[subtask as usize].clone()],
    };
    let position = ValuePart {
        state: "position".to_owned(),
        subtask: 0,
        spread: Spread::List,
        record: "(String, u64)".to_owned(),
        records: 3,
        schema: 1,
        bytes: vec![0; 1500],
    };
    let at = START + 1000 * 3600 * checkpoint as i64;
    Manifest {
        job: "names".to_owned(),
        run: 7,
        checkpoint,
        kind,
        at,
        origin: None,
        channels: Vec::new(),
        operators: vec![
            OperatorState { id: "read".to_owned(), parallelism: 1, keyed: vec![], values: vec![position] },
            OperatorState {
                id: "last name".to_owned(),
                parallelism: 2,
                keyed: vec![keyed(0), keyed(1)],
                values: vec![],
            },
        ],
    }
}

#[test]
fn an_empty_place_has_no_checkpoints() {
    let store = CheckpointStore::over(Arc::new(InMemory::new()));
    let seen = block_on(inspect(&store, Timestamp::from_millis(START))).expect("the store works");
    assert_eq!(seen.to_string(), "there are no checkpoints\n");
}

#[test]
fn tables_show_the_log_and_the_newest_checkpoint() {
    block_on(async {
        let memory = Arc::new(InMemory::new());
        let store = CheckpointStore::over(memory.clone());
        let candidate =
            Candidate { job: "names".to_owned(), owner: OwnerId(1), at: START, keep: 3, run: 7, fresh: false };
        let now = Timestamp::from_millis(START + 1000 * 3600 * 50);
        let mut leader = store.claim(candidate).await.expect("the store is empty");
        let seen = inspect(&store, now).await.expect("the store works").to_string();
        assert!(seen.ends_with("the job would begin anew: no checkpoint was complete yet\n"), "{seen}");

        let segments = [segment(&store, &leader, "a").await, segment(&store, &leader, "b").await];
        leader.commit(&manifest(1, CheckpointKind::Periodic, &segments)).await.expect("nobody else leads");
        let other = [segment(&store, &leader, "c").await, segment(&store, &leader, "d").await];
        leader.commit(&manifest(2, CheckpointKind::Stop, &other)).await.expect("nobody else leads");

        let seen = inspect(&store, now).await.expect("the store works");
        let wanted = "\
checkpoints of the job `names`

  entry            checkpoint  time                      age   bytes
      1  claim                 2024-05-01T12:00:00Z  2 d 2 h
      2  periodic           1  2024-05-01T13:00:00Z  2 d 1 h  1.7 kB
      3  stop               2  2024-05-01T14:00:00Z  2 d 0 h  1.7 kB

the job would go on from checkpoint 2:

  operator   subtasks  state     kept    rows   bytes  segments  type
  read              1  position  list       3  1.5 kB            (String, u64)
  last name         2  names     by key  2400   156 B         2  u64 -> String
";
        assert_eq!(seen.to_string(), wanted);
        let json = serde_json::to_value(&seen).expect("it is plain data");
        assert_eq!((&json["job"], &json["newest"]), (&"names".into(), &3.into()));
        assert_eq!(json["entries"][0], serde_json::json!({ "entry": 1, "what": "claim", "at": START }));
        assert_eq!(json["entries"][2]["what"], "checkpoint");
        assert_eq!(json["entries"][2]["operators"][1]["states"][0]["segments"][1], other[1].name.as_str());

        memory.delete(&other[0].name.clone().into()).await.expect("memory is writable");
        let path = "log/00000000000000000002".into();
        memory.put(&path, "nothing".into()).await.expect("memory is writable");
        let seen = inspect(&store, now).await.expect("the store works").to_string();
        assert!(seen.contains("      2  damaged\n"), "{seen}");
        assert!(seen.contains("\nentry 2 of the log cannot be read: it does not begin as"), "{seen}");
        assert!(
            seen.contains(&format!("entry 3 cannot be used: the segment `{}` is missing", other[0].name)),
            "{seen}"
        );
        assert!(seen.ends_with("none of the checkpoints can be used\n"), "{seen}");

        for number in [1, 3] {
            let path = format!("log/{number:020}").into();
            memory.put(&path, "nothing".into()).await.expect("memory is writable");
        }
        let seen = inspect(&store, now).await.expect("the store works").to_string();
        assert!(
            seen.contains("      1  damaged\n") && seen.ends_with("none of the checkpoints can be used\n"),
            "{seen}"
        );
    });
}
