//! A simulated cluster: a pool of splits, subtasks that read them, and messages between the two that take any time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures::channel::mpsc;
use millstream_state::manifest::{Manifest, OperatorState, ValuePart};

use super::{
    super::{
        Driver, FOUND_STATE, FailBad, SPLITS_STATE, SourceHead, SplitClient, handle::PoolHandle, head::Parts,
        rejected::Rejected,
    },
    lines::{Kind, Numbers, records},
    still::StillEnv,
    subtask::{Subtask, Woken},
};
use crate::{
    checkpoint::{
        Barrier, CheckpointKind,
        inbox::{Inbox, Notice},
        restored::Restored,
        subtask::{StateAccess, SubtaskCheckpoints, TaskEvent},
    },
    env::BoxFuture,
    failure::{Failure, Location},
    graph::{OperatorInfo, SourceDriver, SplitPool},
    metrics::TaskMetrics,
    source::ConnectorContext,
    task::flag::Flag,
};

const RECORD_BYTES_LIMIT: usize = 1 << 10;
/// A message comes again once in so many times.
const AGAIN: u64 = 6;

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn once_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

/// To a subtask.
#[derive(Clone)]
enum Message {
    Answer(u64, Bytes),
    Notice(Notice),
}

/// A checkpoint, in the making or made.
#[derive(Clone, Default)]
struct Checkpoint {
    number: u64,
    values: Vec<ValuePart>,
    passed: BTreeSet<usize>,
    /// What had been put out before it, by all attempts that count.
    records: Vec<u64>,
}

/// What is there of one attempt.
struct Attempt {
    subtasks: Vec<Subtask>,
    clients: Vec<Arc<SplitClient>>,
    /// What each subtask has asked, on its way.
    asked: Arc<Mutex<Vec<VecDeque<(u64, Bytes)>>>>,
    said: Vec<VecDeque<Message>>,
    /// `None` if the subtasks share the pool.
    pool: Option<Arc<dyn SplitPool>>,
    ready: Arc<Woken>,
    discovery: Option<BoxFuture<'static, Result<(), Failure>>>,
    events: mpsc::Receiver<TaskEvent>,
    drain: Flag,
    /// What had been put out before it.
    base: Vec<u64>,
    /// How many splits it has, once all are found; and how many of them when the first discovery is done.
    splits: usize,
    splits_first: usize,
}

pub(super) struct World {
    pub(super) random: Random,
    source: Numbers,
    hosted: bool,
    info: OperatorInfo,
    attempt: Attempt,
    /// The newest complete checkpoint.
    restored: Option<Checkpoint>,
    running: Option<Checkpoint>,
    last: u64,
    /// How often something of interest was seen.
    pub(super) seen: BTreeMap<&'static str, u64>,
}

impl World {
    pub(super) fn new(seed: u64, kind: Kind, hosted: bool) -> Self {
        let mut random = Random(seed);
        let mut number = 0;
        let mut round = |splits: usize| {
            (0..splits)
                .map(|_| {
                    number += 1;
                    number
                })
                .collect::<Vec<u64>>()
        };
        let rounds = (0..1 + random.below(4)).map(|_| round(random.below(6))).collect();
        let source = Numbers { kind, rounds: Arc::new(rounds), there: Arc::new(AtomicUsize::new(0)) };
        let info = OperatorInfo::new("source", "numbers", Location::caller());
        let attempt = deploy(&source, hosted, &info, None, 1 + random.below(4));
        Self { random, source, hosted, info, attempt, restored: None, running: None, last: 0, seen: BTreeMap::new() }
    }

    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Something happens.
    pub(super) fn happen(&mut self) {
        let subtask = self.random.below(self.attempt.subtasks.len());
        match self.random.below(100) {
            0..25 => {
                self.attempt.subtasks[subtask].notices();
            }
            25..55 => {
                let tick = self.random.once_in(4);
                self.attempt.subtasks[subtask].step(tick);
            }
            55..70 => self.deliver_ask(subtask),
            70..85 => self.deliver(subtask),
            85..90 => self.answer_ready(),
            90..93 => self.discover(),
            93..97 => self.trigger(),
            97 if self.random.once_in(4) => self.fail(),
            98 if self.random.once_in(16) => self.drain(),
            _ => {}
        }
        self.gather();
        self.check_holding();
    }

    /// A subtask's ask arrives, perhaps once more later.
    fn deliver_ask(&mut self, subtask: usize) {
        let again = self.random.once_in(AGAIN);
        let Some(pool) = self.attempt.pool.clone() else { return };
        let mut asked = self.attempt.asked.lock().expect("nobody has panicked");
        let Some((request, payload)) = asked[subtask].pop_front() else { return };
        if again {
            asked[subtask].push_back((request, payload.clone()));
        }
        drop(asked);
        if let Some(answer) = pool.ask(subtask, request, &payload).expect("it makes sense") {
            self.attempt.said[subtask].push_back(Message::Answer(request, answer));
        }
    }

    /// What was said to a subtask arrives. Answers may come once more later.
    fn deliver(&mut self, subtask: usize) {
        let Some(message) = self.attempt.said[subtask].pop_front() else { return };
        let again = self.random.once_in(AGAIN);
        match message {
            Message::Answer(request, payload) => {
                if again {
                    self.attempt.said[subtask].push_back(Message::Answer(request, payload.clone()));
                }
                self.attempt.clients[subtask].assigned(request, payload);
            }
            Message::Notice(notice) => self.attempt.subtasks[subtask].inbox.send(notice),
        }
    }

    /// The host answers what it has kept, if it was woken for that.
    fn answer_ready(&mut self) {
        let Some(pool) = self.attempt.pool.clone() else { return };
        if !self.attempt.ready.take() {
            return;
        }
        let waker = Waker::from(Arc::clone(&self.attempt.ready));
        while let Poll::Ready(subtasks) = pool.poll_ready(&mut Context::from_waker(&waker)) {
            for subtask in subtasks {
                // Between finding out that there may be an answer and giving it, a checkpoint may be triggered.
                if self.random.once_in(8) {
                    self.trigger();
                }
                if let Some((request, answer)) = pool.answer(subtask).expect("it is small") {
                    self.see("an ask is answered later");
                    self.attempt.said[subtask].push_back(Message::Answer(request, answer));
                }
            }
        }
    }

    fn discover(&mut self) {
        let there = self.source.there.load(Ordering::SeqCst);
        if there < self.source.rounds.len() {
            self.source.there.store(there + 1, Ordering::SeqCst);
        }
        self.poll_discovery();
    }

    fn poll_discovery(&mut self) {
        if let Some(discovery) = &mut self.attempt.discovery
            && let Poll::Ready(done) = discovery.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            done.expect("nothing fails here");
            self.attempt.discovery = None;
        }
    }

    fn trigger(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.last += 1;
        let mut checkpoint = Checkpoint { number: self.last, ..Checkpoint::default() };
        if let Some(pool) = &self.attempt.pool {
            let (operator, values) = pool.snapshot().expect("it is small");
            assert_eq!(operator, self.info.id_or_name());
            checkpoint.values = values;
        }
        self.running = Some(checkpoint);
        let barrier = Barrier::new(self.last, CheckpointKind::Periodic);
        self.say(Notice::Trigger(barrier));
    }

    fn say(&mut self, notice: Notice) {
        for said in &mut self.attempt.said {
            said.push_back(Message::Notice(notice));
        }
    }

    /// Takes what subtasks report. A checkpoint that all have passed is complete.
    fn gather(&mut self) {
        while let Ok(event) = self.attempt.events.try_recv() {
            let TaskEvent::Snapshot(snapshot) = event else { continue };
            assert_eq!(snapshot.declined, None);
            let running = self.running.as_mut().expect("it was triggered");
            assert_eq!(snapshot.checkpoint, running.number);
            assert!(running.passed.insert(snapshot.task), "each passes a barrier once");
            running.values.extend(snapshot.operators.into_iter().flat_map(|(_, report)| report.values));
        }
        let all = self.attempt.subtasks.len();
        if let Some(mut complete) = self.running.take_if(|running| running.passed.len() == all) {
            complete.records = self.attempt.base.clone();
            for subtask in &self.attempt.subtasks {
                let (_, count) =
                    subtask.barriers.iter().find(|(number, _)| *number == complete.number).expect("it has passed");
                complete.records.extend(&subtask.output().records[..*count]);
            }
            self.say(Notice::Complete(complete.number));
            self.check(&complete);
            self.restored = Some(complete);
        }
    }

    /// All subtasks die, and begin anew from the last checkpoint.
    fn fail(&mut self) {
        self.see("it begins anew");
        self.running = None;
        let parallelism = 1 + self.random.below(4);
        self.attempt = deploy(&self.source, self.hosted, &self.info, self.restored.as_ref(), parallelism);
    }

    fn drain(&mut self) {
        self.see("it is drained");
        self.attempt.drain.set();
        // A task that waits for it would be woken; here nobody keeps the future that does.
        self.attempt.subtasks.iter().for_each(|subtask| Wake::wake_by_ref(&subtask.woken));
        self.attempt.discovery = None;
    }

    /// In a complete checkpoint each record is either put out, or to be read from a split, once.
    fn check(&mut self, checkpoint: &Checkpoint) {
        let restored = restored(&self.info, checkpoint);
        let found = restored.all::<(u64, bool)>(FOUND_STATE).expect("it is whole");
        let [(rounds, complete)] = found[..] else { panic!("it is found once: {found:?}") };
        let splits = restored.all::<(u64, u64)>(SPLITS_STATE).expect("it is whole");
        let known: Vec<u64> = self.source.rounds[..rounds as usize].concat();
        let unread: BTreeMap<_, _> = splits.iter().copied().collect();
        assert_eq!(unread.len(), splits.len(), "a split is there twice: {splits:?}");
        assert!(unread.keys().all(|split| known.contains(split)), "{splits:?} have not all been found");
        let mut wanted: Vec<u64> = Vec::new();
        for split in known {
            let until = unread.get(&split).copied().unwrap_or(records(split));
            assert!(self.source.kind != Kind::Endless || unread.contains_key(&split), "split {split} is lost");
            wanted.extend((0..until).map(|position| split * 100 + position));
        }
        let mut got = checkpoint.records.clone();
        got.sort_unstable();
        assert_eq!(got, wanted, "checkpoint {}", checkpoint.number);
        assert!(!complete || rounds as usize == self.source.rounds.len());
        self.see("a checkpoint is complete");
        if !splits.is_empty() {
            self.see("a checkpoint has splits");
        }
    }

    /// While a split waits to be begun, no watermark of a bounded source passes; nor of a watched one, as far as splits of the first discovery go.
    fn check_holding(&mut self) {
        let begun: usize = self.attempt.subtasks.iter().map(|subtask| subtask.output().begun).sum();
        let wanted = match self.source.kind {
            Kind::Bounded => self.attempt.splits,
            Kind::Watched => self.attempt.splits_first,
            Kind::Endless => 0,
        };
        let released = self.attempt.subtasks.iter().filter(|subtask| subtask.output().holds == Some(false)).count();
        if released > 0 {
            self.see("watermarks are let go");
            assert!(begun >= wanted, "{begun} splits of {wanted} are begun, and watermarks pass");
        }
        let waiting = self.attempt.subtasks.iter().filter(|subtask| subtask.output().holds == Some(true)).count();
        if waiting > 0 && begun > 0 {
            self.see("watermarks are held while a split is read");
        }
        if self.attempt.subtasks.iter().any(|subtask| subtask.output().idle) {
            self.see("a subtask is idle");
        }
    }

    /// Lets everything be found and read that there is, and looks whether it was.
    pub(super) fn settle(&mut self) {
        while self.source.there.load(Ordering::SeqCst) < self.source.rounds.len() {
            self.discover();
        }
        self.poll_discovery();
        self.calm_down();
        self.check_end();
        if self.running.is_none() {
            self.trigger();
            self.calm_down();
        }
        assert!(self.running.is_none(), "nothing hinders the last checkpoint");
    }

    /// Lets everything be said and done, without anybody looking up by himself.
    fn calm_down(&mut self) {
        loop {
            let mut quiet = true;
            for subtask in 0..self.attempt.subtasks.len() {
                while !self.attempt.asked.lock().expect("nobody has panicked")[subtask].is_empty() {
                    self.deliver_ask(subtask);
                    quiet = false;
                }
                while !self.attempt.said[subtask].is_empty() {
                    self.deliver(subtask);
                    quiet = false;
                }
                let subtask = &mut self.attempt.subtasks[subtask];
                while subtask.notices() || subtask.step(false) {
                    quiet = false;
                }
            }
            self.answer_ready();
            self.gather();
            self.check_holding();
            if quiet && self.attempt.said.iter().all(VecDeque::is_empty) {
                break;
            }
        }
    }

    fn check_end(&mut self) {
        let drained = self.attempt.drain.is_set();
        if self.source.kind == Kind::Bounded || drained {
            assert!(self.attempt.subtasks.iter().all(|subtask| subtask.finished), "it has ended");
        } else if self.source.kind == Kind::Watched {
            let silent = self.attempt.subtasks.iter().all(|subtask| subtask.output().idle);
            assert!(silent, "there is nothing to read, and nobody is waited for");
        }
        // Splits that none of these subtasks has room for stay in the pool.
        if !drained && self.source.kind != Kind::Endless {
            self.see("everything is read");
            let mut got = self.attempt.base.clone();
            got.extend(self.attempt.subtasks.iter().flat_map(|subtask| &subtask.output().records));
            got.sort_unstable();
            let splits = self.source.rounds.concat().into_iter();
            let wanted = splits.flat_map(|split| (0..records(split)).map(move |position| split * 100 + position));
            assert_eq!(got, wanted.collect::<Vec<_>>(), "every record, once");
        }
    }
}

fn restored(info: &OperatorInfo, checkpoint: &Checkpoint) -> Restored {
    let (keyed, values) = (Vec::new(), checkpoint.values.clone());
    let operator = OperatorState { id: info.id_or_name(), parallelism: 1, keyed, values };
    let manifest = Manifest {
        job: "job".into(),
        run: 1,
        checkpoint: checkpoint.number,
        kind: CheckpointKind::Periodic,
        at: 0,
        origin: None,
        channels: Vec::new(),
        operators: vec![operator],
    };
    Restored::of(Some(&Arc::new(manifest)), &info.id_or_name())
}

/// Makes the pool and the subtasks of an attempt.
fn deploy(
    source: &Numbers,
    hosted: bool,
    info: &OperatorInfo,
    from: Option<&Checkpoint>,
    parallelism: usize,
) -> Attempt {
    let driver = Driver(Arc::new(source.clone()));
    let cx = ConnectorContext::detached(StillEnv::shared(), info.to_string()).at_subtask(0, parallelism);
    let restored = from.map_or_else(Restored::default, |from| restored(info, from));
    let left = restored.all::<(u64, u64)>(SPLITS_STATE).expect("it is whole").len();
    let done =
        restored.all::<(u64, bool)>(FOUND_STATE).expect("it is whole").pop().map_or(0, |(rounds, _)| rounds as usize);
    let later: Vec<_> = source.rounds[done..].iter().map(Vec::len).collect();
    let (drain, asked) = (Flag::default(), Arc::new(Mutex::new(vec![VecDeque::new(); parallelism])));
    let shared = (!hosted).then(|| driver.start(&cx, drain.clone(), &restored).expect("nothing fails here"));
    let host = hosted.then(|| driver.host(&cx, info, RECORD_BYTES_LIMIT, &restored).expect("nothing fails here"));
    let (sender, events) = mpsc::channel(64);
    let (mut subtasks, mut clients) = (Vec::new(), Vec::new());
    for subtask in 0..parallelism {
        let (inbox, asked) = (Inbox::default(), Arc::clone(&asked));
        let send = move |request, payload| {
            asked.lock().expect("nobody has panicked")[subtask].push_back((request, payload));
        };
        let client = Arc::new(SplitClient::new(send, inbox.clone()));
        let handle = match &shared {
            Some(shared) => (shared.handle)(),
            None => driver.remote(Arc::clone(&client)),
        };
        let checkpoints = SubtaskCheckpoints::new(subtask, StillEnv::shared(), sender.clone());
        let place = (subtask, parallelism);
        let head = SourceHead::new(Parts {
            reader: crate::source::Source::reader(&*driver.0, &cx).expect("nothing fails here"),
            rejects: Rejected(FailBad),
            pool: *handle.downcast::<PoolHandle<Numbers>>().expect("it is of this source"),
            subtask,
            access: StateAccess::new(
                info.id_or_name(),
                place,
                RECORD_BYTES_LIMIT,
                Restored::default(),
                Some(checkpoints.clone()),
            ),
            info: info.clone(),
            metrics: TaskMetrics::default(),
            drain: drain.clone(),
            brake: None,
            next: Default::default(),
        });
        subtasks.push(Subtask::new(head, inbox, checkpoints));
        clients.push(client);
    }
    let (pool, discovery) = match (host, shared) {
        (Some(host), _) => (Some(host.pool), host.discovery),
        (None, shared) => (None, shared.expect("it is one or the other").discovery),
    };
    let ready = Arc::<Woken>::default();
    Wake::wake(Arc::clone(&ready)); // nobody has looked yet
    Attempt {
        subtasks,
        clients,
        asked,
        said: vec![VecDeque::new(); parallelism],
        pool,
        ready,
        discovery: Some(discovery),
        events,
        drain,
        base: from.map_or_else(Vec::new, |from| from.records.clone()),
        splits: left + later.iter().sum::<usize>(),
        splits_first: left + later.first().copied().unwrap_or(0),
    }
}
