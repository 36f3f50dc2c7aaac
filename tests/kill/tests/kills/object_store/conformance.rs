//! What the protocol of checkpoints asks of a store, of a real S3 server: that a name is created once, however many try; large segments, recovery, retention.

use std::{collections::BTreeSet, env, process::Command};

use millstream_core::{
    buffer::{BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE},
    time::Timestamp,
};
use millstream_state::{
    groups::GroupRange,
    location::Location,
    log::{Candidate, CommitError, Leader, OwnerId},
    manifest::{CheckpointKind, KeyedPart, Manifest, OperatorState, SegmentRef},
    objects::Objects,
    remote::ObjectStoreSettings,
    row::{ByKey, RowKey},
    segment::SegmentWriter,
    snapshot::{Frozen, Namespace, SnapshotKind},
    store::{Access, CheckpointStore, StoreError},
};
use millstream_testkit::rng::Rng;

use super::server::{CREDENTIALS, Server};

/// How many create a name at the same time.
const RACERS: usize = 16;
/// How often they do.
const RACES: usize = 4;
/// So many rows of so many bytes that nothing can be packed in are more than two parts of an upload.
const ROWS: u64 = 320;
const ROW_BYTES: usize = 64 << 10;
const ALL: GroupRange = GroupRange { start: 0, end: 128, of: 128 };
const JOB: &str = "conformance";

type Rows = ByKey<u64>;

/// Credentials come from the environment alone, and a process does not change its own: the test runs once more, with them.
#[test]
fn a_store_in_s3_does_what_checkpoints_ask_of_it() {
    if env::var_os(CREDENTIALS[0].0).is_none_or(|value| value != CREDENTIALS[0].1) {
        let mut again = Command::new(env::current_exe().expect("a test has a path"));
        again.args([
            "object_store::conformance::a_store_in_s3_does_what_checkpoints_ask_of_it",
            "--exact",
            "--nocapture",
        ]);
        let ran = again.envs(CREDENTIALS).output().expect("a test can be started");
        let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(ran.status.success() && said[0].contains("1 passed"), "{}\n{}", said[0], said[1]);
        return;
    }
    let server = Server::start();
    server.make_bucket("bucket");
    let settings = ObjectStoreSettings { endpoint: Some(server.endpoint()), ..ObjectStoreSettings::default() };
    let place = Place { settings };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("there are threads");
    runtime.block_on(async {
        a_name_is_created_once(&place).await;
        of_all_who_claim_only_the_last_commits(&place).await;
        what_was_committed_is_found_again(&place).await;
        what_is_no_bucket_is_told(&place).await;
    });
    let names = server.objects("bucket");
    assert!(names.iter().any(|name| name.starts_with("kept/log/")), "they are where the URL says: {names:?}");
}

struct Place {
    settings: ObjectStoreSettings,
}

impl Place {
    fn open(&self, url: &str) -> CheckpointStore {
        CheckpointStore::open(&location(url), Access::Shared, &self.settings).expect("it can be opened")
    }
}

fn location(url: &str) -> Location {
    url.parse().expect("it is a location")
}

async fn a_name_is_created_once(place: &Place) {
    for race in 0..RACES {
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                // Each as a process of its own would.
                let objects = Objects::open(&location("s3://bucket/race"), &place.settings).expect("it can be opened");
                tokio::spawn(async move { objects.create(&format!("name-{race}"), vec![racer as u8]).await })
            })
            .collect();
        let mut winners = Vec::new();
        for (racer, created) in racers.into_iter().enumerate() {
            if created.await.expect("it does not panic").expect("the server answers") {
                winners.push(racer as u8);
            }
        }
        assert_eq!(winners.len(), 1, "exactly one creates it");
        let objects = Objects::open(&location("s3://bucket/race"), &place.settings).expect("it can be opened");
        let there = objects.get(&format!("name-{race}")).await.expect("the server answers");
        assert_eq!(there, Some(winners), "what is there is the winner's");
    }
}

async fn claim(store: &CheckpointStore, owner: u128, run: u64) -> Result<Leader, StoreError> {
    let job = JOB.to_owned();
    store.claim(Candidate { job, owner: OwnerId(owner), at: 0, keep: 2, run, fresh: false }).await
}

fn manifest(run: u64, checkpoint: u64, segments: Vec<SegmentRef>) -> Manifest {
    let keyed = vec![KeyedPart { state: "rows".to_owned(), groups: ALL, segments }];
    let operator = OperatorState { id: "it".to_owned(), parallelism: 1, keyed, values: Vec::new() };
    Manifest {
        job: JOB.to_owned(),
        run,
        checkpoint,
        kind: CheckpointKind::Periodic,
        at: 0,
        origin: None,
        channels: Vec::new(),
        operators: vec![operator],
    }
}

async fn of_all_who_claim_only_the_last_commits(place: &Place) {
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let store = place.open("s3://bucket/claims");
            tokio::spawn(async move { claim(&store, racer as u128 + 1, 1).await })
        })
        .collect();
    let mut leaders = Vec::new();
    for claimed in racers {
        match claimed.await.expect("it does not panic") {
            Ok(leader) => leaders.push(leader),
            Err(StoreError::Deposed { .. }) => {}
            Err(error) => panic!("a claim failed: {error}"),
        }
    }
    let numbers: BTreeSet<u64> = leaders.iter().map(Leader::claim_number).collect();
    assert_eq!(numbers.len(), leaders.len(), "no number is claimed twice");
    let mut committed = 0;
    for mut leader in leaders {
        let run = leader.run();
        match leader.commit(&manifest(run, 1, Vec::new())).await {
            Ok(_) => committed += 1,
            Err(CommitError::Deposed { .. }) => {}
            Err(error) => panic!("a commit failed: {error}"),
        }
    }
    assert!(committed <= 1, "only who has claimed last commits");
    let mut leader = claim(&place.open("s3://bucket/claims"), 99, 1).await.expect("nobody else does");
    let run = leader.run();
    leader.commit(&manifest(run, 2, Vec::new())).await.expect("it leads");
}

/// Rows that cannot be packed.
fn rows(seed: u64) -> Vec<(u64, String)> {
    let mut rng = Rng::new(seed);
    let text = |rng: &mut Rng| (0..ROW_BYTES).map(|_| char::from(b' ' + (rng.below(94)) as u8)).collect();
    (0..ROWS).map(|key| (key, text(&mut rng))).collect()
}

async fn put(leader: &Leader, store: &CheckpointStore, unique: &str, rows: &[(u64, String)]) -> SegmentRef {
    let mut builder =
        BufferBuilder::<(u64, String)>::new(Columns { timed: false, hashed: true }, DEFAULT_MAX_RECORD_SIZE);
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|(key, _)| Rows::hash(*key));
    for (key, text) in sorted {
        builder.push((*key, text.as_str()), Timestamp::MIN, Rows::hash(*key)).expect("rows are small");
    }
    let frozen = Frozen { rows: vec![builder.seal(0)], ..Frozen::default() };
    let mut writer = SegmentWriter::<Rows, String>::new(ALL, SnapshotKind::Full, Vec::new());
    let mut pieces = Vec::new();
    writer.push(Namespace::default(), &frozen, &mut pieces).expect("rows are small");
    let summary = writer.finish(&mut pieces);
    let mut upload = store.upload(leader.claim_number(), unique);
    let name = upload.name().to_owned();
    for piece in pieces {
        upload.push(piece).await.expect("the server takes it");
    }
    let bytes = upload.finish().await.expect("the server takes it");
    assert_eq!(bytes, summary.bytes);
    SegmentRef { name, bytes, rows: summary.rows, full: true }
}

async fn what_was_committed_is_found_again(place: &Place) {
    let store = place.open("s3://bucket/kept");
    let mut leader = claim(&store, 1, 7).await.expect("nobody else does");
    assert_eq!(leader.recover().await.expect("the server answers").newest, None);
    let run = leader.run();
    let written = rows(1);
    let mut segments = Vec::new();
    for checkpoint in 1..=4 {
        let segment = match checkpoint {
            4 => put(&leader, &store, "4", &written).await,
            _ => put(&leader, &store, &checkpoint.to_string(), &written[..4]).await,
        };
        leader.commit(&manifest(run, checkpoint, vec![segment.clone()])).await.expect("it leads");
        leader.retain().await.expect("the server answers");
        segments.push(segment);
    }
    let large = segments[3].clone();
    assert!(large.bytes > 16 << 20, "it takes more than two parts: {}", large.bytes);

    // Another process goes on from it, and what only the oldest named is gone.
    let store = place.open("s3://bucket/kept");
    let mut next = claim(&store, 2, 8).await.expect("nobody else does");
    let newest = next.recover().await.expect("the server answers").newest.expect("there are checkpoints").1;
    assert_eq!((newest.checkpoint, newest.run), (4, run));
    next.sweep().await.expect("the server answers");
    let whole = Objects::open(&location("s3://bucket/kept"), &place.settings).expect("it can be opened");
    let there = whole.list("segments").await.expect("the server answers");
    assert_eq!(there, [segments[2].name.clone(), large.name.clone()], "two checkpoints are kept");
    let mut read = Vec::new();
    let part = &newest.operators[0].keyed[0];
    let each = |_, block: &millstream_state::segment::Block<Rows, String>| {
        read.extend(block.rows().map(|(_, key, text)| (key, text.to_owned())));
    };
    store.load::<Rows, String>(part, ALL, each).await.expect("the server answers");
    read.sort_unstable();
    assert!(read == written, "{} rows of {} are as they were", read.len(), written.len());
    // Who led before finds out.
    let deposed = leader.commit(&manifest(run, 5, Vec::new())).await;
    assert!(matches!(deposed, Err(CommitError::Deposed { .. })), "{deposed:?}");
    // An upload that is given up leaves nothing.
    let mut upload = store.upload(next.claim_number(), "given-up");
    upload.push(vec![0; 9 << 20].into()).await.expect("the server takes it");
    upload.abort().await.expect("the server answers");
    assert_eq!(whole.list("segments").await.expect("the server answers").len(), 2);
}

async fn what_is_no_bucket_is_told(place: &Place) {
    let error = claim(&place.open("s3://nowhere/job"), 1, 1).await.expect_err("there is no such bucket").to_string();
    assert!(error.contains("NoSuchBucket") && error.contains("nothing makes buckets"), "{error}");
}
