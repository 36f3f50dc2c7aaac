//! Two or three processes claim one log, commit and delete at the same time, over a store that pauses, loses answers, and lets requests take effect long
//! after they were given up. Every step is drawn from a seed.
//!
//! Whatever happens, the checkpoints that were reported as committed form one line: whoever claims the log after one of them goes on from it, or from one
//! that came behind it; and whatever is in the log can be recovered from.
//!
//! `MILLSTREAM_TEST_BUDGET=full` tries many seeds; a failure prints its own.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use millstream_state::{
    groups::GroupRange,
    log::{Candidate, CommitError, Leader, OwnerId, Recovery},
    manifest::{CheckpointKind, KeyedPart, Manifest, OperatorState, SegmentRef, Spread, ValuePart},
    row::ByKey,
    segment::SegmentWriter,
    snapshot::SnapshotKind,
    store::{CheckpointStore, StoreError},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

/// SplitMix64.
#[derive(Debug)]
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A request that takes effect later, when nobody waits for its answer any more.
#[derive(Debug)]
enum Late {
    Put(Path, PutPayload, bool),
    Delete(Path),
}

/// A checkpoint, wherever it was taken: the number of the claim that it was taken under, and its own.
type Id = (u64, u64);

/// A checkpoint that was reported as committed.
#[derive(Debug)]
struct Committed {
    entry: u64,
    claim: u64,
    id: Id,
}

impl World {
    /// Someone goes on from a checkpoint, or from nothing.
    fn lead(&mut self, claim: u64, line: Option<Vec<Id>>) {
        let line = line.unwrap_or_default();
        for id in &line {
            assert!(
                !self.dead.contains(id),
                "{id:?} is found by the leader {claim}, and was not there before: {self:?}"
            );
        }
        // What someone tries who claimed the log later may still come.
        self.dead.extend(self.tried.iter().filter(|id| id.0 <= claim && !line.contains(id)));
        self.led.push(Led { claim, line });
    }
}

/// A process that has become the leader.
#[derive(Debug)]
struct Led {
    claim: u64,
    /// What it goes on from, and all that came before.
    line: Vec<Id>,
}

#[derive(Debug)]
struct World {
    rng: Rng,
    late: Vec<Late>,
    /// One request in so many goes wrong; 0 for none.
    faults: u64,
    /// So many requests go wrong in a row from here.
    outage: u64,
    /// One pause in so many is long.
    long_pauses: u64,
    committed: Vec<Committed>,
    led: Vec<Led>,
    /// Every checkpoint that was ever to be committed, and those among them that were not found by someone who went on from what he found. They must never
    /// be found again: what belongs to them may have been cleared away.
    tried: BTreeSet<Id>,
    dead: BTreeSet<Id>,
    deposed: usize,
    unknown: usize,
}

#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.0.lock().expect("nothing panics while it is locked"))
    }

    fn below(&self, bound: u64) -> u64 {
        self.with(|world| world.rng.below(bound))
    }

    /// Lets others go first for a while.
    async fn pause(&self) {
        let times = self.with(|world| match world.rng.below(world.long_pauses) {
            0 => world.rng.below(400),
            _ => world.rng.below(4),
        });
        for _ in 0..times {
            let mut waited = false;
            futures::future::poll_fn(|cx| {
                if std::mem::replace(&mut waited, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }

    fn fault(&self) -> Fault {
        self.with(|world| {
            if world.outage > 0 {
                world.outage -= 1;
            } else if world.faults == 0 || world.rng.below(world.faults) > 0 {
                return Fault::None;
            } else if world.rng.below(4) == 0 {
                world.outage = world.rng.below(20);
            }
            [Fault::NotDone, Fault::AnswerLost, Fault::Late, Fault::Twice][world.rng.below(4) as usize]
        })
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It has no effect.
    NotDone,
    /// It has its effect, but an error is the answer.
    AnswerLost,
    /// An error is the answer, and it takes effect later.
    Late,
    /// It takes effect now, and once more later.
    Twice,
}

/// A store in memory, of which nobody knows when it does something.
#[derive(Debug)]
struct Odd {
    memory: InMemory,
    world: Shared,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Odd")
    }
}

fn no_answer() -> object_store::Error {
    object_store::Error::Generic { store: "Odd", source: "no answer".into() }
}

#[async_trait]
impl ObjectStore for Odd {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.world.pause().await;
        let fault = self.world.fault();
        let late = || Late::Put(location.clone(), payload.clone(), options.mode == PutMode::Create);
        if matches!(fault, Fault::Late | Fault::Twice) {
            self.world.with(|world| world.late.push(late()));
        }
        if matches!(fault, Fault::NotDone | Fault::Late) {
            return Err(no_answer());
        }
        let put = self.memory.put_opts(location, payload, options).await;
        self.world.pause().await;
        if fault == Fault::AnswerLost { Err(no_answer()) } else { put }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("segments are small here")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.world.pause().await;
        if self.world.fault() != Fault::None {
            return Err(no_answer());
        }
        self.memory.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.world.pause().await;
        self.memory.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (memory, world) = (self.memory.clone(), self.world.clone());
        let delete = move |location: Result<Path>| {
            let (memory, world) = (memory.clone(), world.clone());
            async move {
                let location = location?;
                world.pause().await;
                let fault = world.fault();
                if matches!(fault, Fault::Late | Fault::Twice) {
                    world.with(|world| world.late.push(Late::Delete(location.clone())));
                }
                if matches!(fault, Fault::NotDone | Fault::Late) {
                    return Err(no_answer());
                }
                memory.delete(&location).await?;
                if fault == Fault::AnswerLost { Err(no_answer()) } else { Ok(location) }
            }
        };
        locations.then(delete).boxed()
    }

    /// What is there at one moment: the stores that this stands for are strongly consistent.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (memory, world, prefix) = (self.memory.clone(), self.world.clone(), prefix.cloned());
        let list = async move {
            world.pause().await;
            if world.fault() != Fault::None {
                return Err(no_answer());
            }
            let listed = memory.list(prefix.as_ref());
            world.pause().await;
            Ok(listed)
        };
        futures::stream::once(list).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.memory.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.memory.copy_opts(from, to, options).await
    }
}

const JOB: &str = "counts";
const KEEP: usize = 2;

/// A manifest tells the line of checkpoints that it is the last of.
fn manifest(line: &[Id], segments: &[SegmentRef]) -> Manifest {
    let bytes = line.iter().flat_map(|id| [id.0.to_le_bytes(), id.1.to_le_bytes()]).flatten().collect();
    let line_part = ValuePart {
        state: "line".to_owned(),
        subtask: 0,
        spread: Spread::Union,
        record: "(u64, u64)".to_owned(),
        records: line.len() as u32,
        schema: 0,
        bytes,
    };
    let keyed = KeyedPart { state: "counts".to_owned(), groups: GroupRange::all(128), segments: segments.to_vec() };
    Manifest {
        job: JOB.to_owned(),
        run: 1,
        checkpoint: line.last().expect("it has a place in the line itself").1,
        kind: CheckpointKind::Periodic,
        at: 0,
        origin: None,
        channels: Vec::new(),
        operators: vec![OperatorState {
            id: "count".to_owned(),
            parallelism: 1,
            keyed: vec![keyed],
            values: vec![line_part],
        }],
    }
}

fn line_of(manifest: &Manifest) -> Vec<Id> {
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let ids = manifest.operators[0].values[0].bytes.chunks(16);
    ids.map(|id| (number(&id[..8]), number(&id[8..]))).collect()
}

fn segments_of(manifest: &Manifest) -> &[SegmentRef] {
    &manifest.operators[0].keyed[0].segments
}

async fn put_segment(store: &CheckpointStore, claim: u64, unique: u64) -> Result<SegmentRef, StoreError> {
    let mut pieces = Vec::new();
    let summary =
        SegmentWriter::<ByKey<u64>, u64>::new(GroupRange::all(128), SnapshotKind::Full, vec![]).finish(&mut pieces);
    let mut upload = store.upload(claim, &unique.to_string());
    let name = upload.name().to_owned();
    for piece in pieces {
        upload.push(piece).await?;
    }
    upload.finish().await?;
    Ok(SegmentRef { name, bytes: summary.bytes, rows: 0, full: true })
}

/// A process: starts again and again, takes checkpoints, and may be killed wherever it waits.
async fn process(store: CheckpointStore, world: Shared, attempts: u64) {
    for _ in 0..attempts {
        world.pause().await;
        attempt(&store, &world).await;
    }
}

async fn attempt(store: &CheckpointStore, world: &Shared) {
    let owner = world.with(|world| (u128::from(world.rng.next()) << 64) | u128::from(world.rng.next()));
    let candidate = Candidate { job: JOB.to_owned(), owner: OwnerId(owner), at: 0, keep: KEEP, run: 1, fresh: false };
    let mut leader = match store.claim(candidate).await {
        Ok(leader) => leader,
        Err(StoreError::Objects { .. } | StoreError::Deposed { .. }) => return,
        Err(error) => panic!("a claim failed: {error}"),
    };
    let claim = leader.claim_number();
    let mut unique = 0;
    // A job whose attempt has failed goes on under the same claim.
    for _ in 0..1 + world.below(3) {
        let recovery = match leader.recover().await {
            Ok(recovery) => recovery,
            Err(StoreError::Objects { .. } | StoreError::Deposed { .. }) => return,
            Err(error) => panic!("recovery failed: {error}"),
        };
        assert_eq!(recovery.skipped, [], "nothing was damaged");
        world.with(|world| world.lead(claim, recovery.newest.as_ref().map(|(_, manifest)| line_of(manifest))));
        let _ = leader.sweep().await; // what is left is swept another time
        if !run_attempt(store, world, &mut leader, recovery, &mut unique).await {
            return;
        }
    }
}

/// Takes checkpoints for a while. False if the process has to stop.
async fn run_attempt(
    store: &CheckpointStore,
    world: &Shared,
    leader: &mut Leader,
    recovery: Recovery,
    unique: &mut u64,
) -> bool {
    let claim = leader.claim_number();
    let (mut line, mut segments) = match &recovery.newest {
        Some((_, manifest)) => (line_of(manifest), segments_of(manifest).to_vec()),
        None => (Vec::new(), Vec::new()),
    };
    for _ in 0..world.below(6) {
        *unique += 1;
        let Ok(new) = put_segment(store, claim, *unique).await else { continue };
        // Sometimes a full segment, sometimes one more in the chain.
        if world.below(3) == 0 {
            segments.clear();
        }
        segments.push(new);
        line.push((claim, *unique));
        match commit(leader, world, &line, &segments).await {
            Commit::Next => {}
            Commit::Restart => return true,
            Commit::Stop => return false,
        }
        let _ = leader.retain().await; // what is left is deleted another time
    }
    true
}

/// What comes after a commit.
enum Commit {
    Next,
    Restart,
    Stop,
}

/// Commits a checkpoint, or leaves it unknown whether it was.
async fn commit(leader: &mut Leader, world: &Shared, line: &[Id], segments: &[SegmentRef]) -> Commit {
    let (manifest, claim) = (manifest(line, segments), leader.claim_number());
    world.with(|world| world.tried.extend(line.last()));
    loop {
        match leader.commit(&manifest).await {
            Ok(entry) => {
                let id = *line.last().expect("it has a place in the line itself");
                world.with(|world| world.committed.push(Committed { entry, claim, id }));
                return Commit::Next;
            }
            Err(CommitError::Deposed { .. }) => {
                world.with(|world| world.deposed += 1);
                return Commit::Stop;
            }
            Err(CommitError::Unknown(_)) => {
                world.with(|world| world.unknown += 1);
                match world.below(5) {
                    0 => return Commit::Stop,
                    1 | 2 => return Commit::Restart,
                    3 => return Commit::Next, // its own checkpoint will be part of the next one
                    _ => world.pause().await,
                }
            }
            Err(CommitError::Refused(error)) => panic!("a commit was refused: {error}"),
        }
    }
}

/// Runs processes in a random order until all have ended. Some are killed on the way.
fn run(world: &Shared, memory: &InMemory, processes: u64, store: &CheckpointStore) {
    let task =
        |attempts| -> Pin<Box<dyn Future<Output = ()>>> { Box::pin(process(store.clone(), world.clone(), attempts)) };
    let mut tasks: Vec<_> = (0..processes).map(|_| task(1 + world.below(4))).collect();
    let mut killings = world.below(4);
    let mut cx = Context::from_waker(Waker::noop());
    while !tasks.is_empty() {
        let chosen = world.below(tasks.len() as u64) as usize;
        if tasks[chosen].as_mut().poll(&mut cx).is_ready() {
            drop(tasks.swap_remove(chosen));
        } else if killings > 0 && world.below(500) == 0 {
            killings -= 1;
            tasks[chosen] = task(1 + world.below(2));
        }
        if world.below(60) == 0 {
            happen_late(world, memory);
        }
    }
}

/// One of the requests that nobody waits for any more takes effect.
fn happen_late(world: &Shared, memory: &InMemory) {
    let late = world.with(|world| match world.late.len() as u64 {
        0 => None,
        waiting => {
            let chosen = world.rng.below(waiting) as usize;
            Some(world.late.swap_remove(chosen))
        }
    });
    // Nobody hears of it if it fails.
    match late {
        Some(Late::Put(path, payload, create)) => {
            let mode = if create { PutMode::Create } else { PutMode::Overwrite };
            let _ = now(memory.put_opts(&path, payload, PutOptions { mode, ..PutOptions::default() }));
        }
        Some(Late::Delete(path)) => {
            let _ = now(memory.delete(&path));
        }
        None => {}
    }
}

/// What memory does, it does at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}

/// All that was reported as committed is one line, and everyone who led went on from its end.
fn check(world: &World, last: &Led) {
    for led in world.led.iter().chain([last]) {
        // (What it has committed itself comes behind.)
        for committed in world.committed.iter().filter(|committed| committed.entry < led.claim) {
            assert!(
                led.line.contains(&committed.id),
                "{led:?} has not gone on from {committed:?}, which had been reported as committed"
            );
        }
        for committed in &world.committed {
            assert!(
                !(committed.claim < led.claim && led.claim < committed.entry),
                "{committed:?} was reported as committed after {led:?} had taken over"
            );
        }
    }
    let entries: BTreeSet<u64> = world.committed.iter().map(|committed| committed.entry).collect();
    assert_eq!(entries.len(), world.committed.len(), "two were reported as one entry: {:?}", world.committed);
}

/// How often things happened, over all seeds: so that the suite does not become one in which nothing does.
#[derive(Debug, Default)]
struct Tally {
    committed: usize,
    led: usize,
    deposed: usize,
    unknown: usize,
}

fn simulate(seed: u64, tally: &mut Tally) {
    let mut rng = Rng(seed);
    let faults = [0, 60, 25, 12][rng.below(4) as usize];
    let long_pauses = [10, 40, 1000][rng.below(3) as usize];
    let processes = 2 + rng.below(2);
    let world = Shared(Arc::new(Mutex::new(World {
        rng,
        late: Vec::new(),
        faults,
        outage: 0,
        long_pauses,
        committed: Vec::new(),
        led: Vec::new(),
        tried: BTreeSet::new(),
        dead: BTreeSet::new(),
        deposed: 0,
        unknown: 0,
    })));
    let memory = InMemory::new();
    let odd = Odd { memory: memory.clone(), world: world.clone() };
    run(&world, &memory, processes, &CheckpointStore::over(Arc::new(odd)));
    while world.with(|world| !world.late.is_empty()) {
        happen_late(&world, &memory);
    }
    let last = now(last_start(&memory));
    world.with(|world| {
        world.lead(last.claim, Some(last.line.clone()));
        check(world, &last);
        tally.committed += world.committed.len();
        tally.led += world.led.len();
        tally.deposed += world.deposed;
        tally.unknown += world.unknown;
    });
}

/// When all is quiet, a last process goes on, and nothing is left over.
async fn last_start(memory: &InMemory) -> Led {
    let store = CheckpointStore::over(Arc::new(memory.clone()));
    let candidate = Candidate { job: JOB.to_owned(), owner: OwnerId(1), at: 0, keep: KEEP, run: 1, fresh: false };
    let mut leader = store.claim(candidate).await.expect("the store works, and nobody else is there");
    let recovery = leader.recover().await.expect("nothing was damaged");
    assert_eq!(recovery.skipped, [], "nothing was damaged");
    let claim = leader.claim_number();
    let line = recovery.newest.as_ref().map(|(_, manifest)| line_of(manifest)).unwrap_or_default();

    let mut longer = line.clone();
    for checkpoint in 1..=KEEP as u64 {
        longer.push((claim, recovery.last_checkpoint + checkpoint));
        leader.commit(&manifest(&longer, &[])).await.expect("nobody else leads");
        leader.retain().await.expect("the store works");
    }
    leader.sweep().await.expect("the store works");
    let objects: Vec<ObjectMeta> = memory.list(None).try_collect().await.expect("memory is readable");
    let mut left: Vec<String> = objects.into_iter().map(|object| object.location.to_string()).collect();
    left.sort();
    let wanted: Vec<String> = (1..=KEEP as u64).map(|i| format!("log/{:020}", claim + i)).collect();
    assert_eq!(left, wanted, "nothing is left over");
    Led { claim, line }
}

#[test]
fn committed_checkpoints_form_one_line() {
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    let seeds = if full { 30_000 } else { 400 };
    let mut tally = Tally::default();
    for seed in 0..seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulate(seed, &mut tally))) {
            eprintln!("seed {seed}");
            resume_unwind(panic);
        }
    }
    let each = seeds as usize;
    assert!(tally.committed > each && tally.led > each, "{tally:?}");
    assert!(tally.deposed > each / 4 && tally.unknown > each / 20, "{tally:?}");
}
