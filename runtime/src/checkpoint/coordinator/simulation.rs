//! The coordinator in a small world of subtasks, a store and sinks that answer late, wrongly or never, from one seed; with what must hold whatever
//! happens.
//!
//! `MILLSTREAM_TEST_BUDGET=full` tries many seeds; a failure prints its own.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use super::*;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;
/// When the last fault is over, and everything that was said of the world has been said.
const CALM: u64 = 120 * SECOND;
/// By then a job that nothing hinders has ended.
const END: u64 = CALM + 60 * SECOND;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in so many times.
    fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How far a checkpoint is, as the world saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Triggered,
    Storing,
    Stored,
    Committed,
    Aborted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Finished,
    Stopped,
    Failed,
}

struct World {
    random: Random,
    coordinator: Coordinator,
    now: u64,
    /// What is going to happen, in order of time, and of when it was said for the same time.
    future: BinaryHeap<Reverse<(u64, u64)>>,
    said: BTreeMap<u64, Input>,
    sequence: u64,
    tasks: usize,
    sources: usize,
    wake: Option<u64>,
    /// What was observed.
    seen: BTreeMap<u64, (CheckpointKind, Seen)>,
    acks: BTreeMap<u64, BTreeSet<usize>>,
    waiting: BTreeMap<u64, bool>,
    drained: BTreeSet<usize>,
    failures: u32,
    ended: Option<Ended>,
    deposed: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let sources = 1 + random.below(3) as usize;
        let tasks = sources + random.below(4) as usize;
        let settings = CheckpointSettings {
            interval: Duration::from_millis(random.below(5_000)),
            min_pause: Duration::from_millis([0, 100, 2_000][random.below(3) as usize]),
            timeout: Duration::from_millis(500 + random.below(3_000)),
            // Some jobs do not survive the faults: both ends are to be seen.
            tolerated_failures: [0, 3, 1_000_000][random.below(3) as usize],
            ..CheckpointSettings::default()
        };
        let next = 1 + random.below(5);
        let coordinator =
            Coordinator::new(settings, tasks, 0..sources, next, CheckpointHistory::default(), Instant::from_nanos(0));
        let mut world = Self {
            random,
            coordinator,
            now: 0,
            future: BinaryHeap::new(),
            said: BTreeMap::new(),
            sequence: 0,
            tasks,
            sources,
            wake: None,
            seen: BTreeMap::new(),
            acks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            drained: BTreeSet::new(),
            failures: 0,
            ended: None,
            deposed: false,
        };
        world.foretell();
        world
    }

    /// What happens of itself: sources drain, people ask for things.
    fn foretell(&mut self) {
        let endless = self.random.once_in(3);
        for task in 0..self.sources {
            let at = if endless && task == 0 { CALM - SECOND } else { self.random.below(CALM) };
            self.say(at, Input::Drained { task });
        }
        for id in 0..self.random.below(20) {
            let at = self.random.below(CALM);
            self.say(at, Input::Request { id });
        }
        for id in 100..100 + self.random.below(3) {
            let at = CALM / 2 + self.random.below(CALM / 2);
            self.say(at, Input::Stop { id });
        }
        for _ in 0..self.random.below(4) {
            let at = self.random.below(CALM);
            let interval = Duration::from_millis(self.random.below(5_000));
            let timeout = Duration::from_millis(500 + self.random.below(3_000));
            let settings = CheckpointSettings { interval, timeout, ..self.coordinator.settings.clone() };
            self.say(at, Input::Changed(settings));
        }
    }

    fn say(&mut self, at: u64, input: Input) {
        self.sequence += 1;
        self.said.insert(self.sequence, input);
        self.future.push(Reverse((at.max(self.now), self.sequence)));
    }

    fn later(&mut self, most_millis: u64, input: Input) {
        let at = self.now + self.random.below(most_millis * MILLI);
        self.say(at, input);
    }

    fn is_calm(&self) -> bool {
        self.now >= CALM
    }

    /// Runs until nothing happens any more, or the job has ended and everything that was said has been.
    fn run(mut self) -> (Option<Ended>, u64) {
        self.give(Input::Timer);
        loop {
            let next = self.future.peek().map(|Reverse((at, _))| *at);
            match (next, self.wake) {
                (next, Some(wake)) if next.is_none_or(|next| wake < next) => {
                    self.now = self.now.max(wake);
                    self.wake = None;
                    self.give(Input::Timer);
                }
                (Some(at), _) => {
                    let Some(Reverse((_, sequence))) = self.future.pop() else { unreachable!("it was looked at") };
                    self.now = at;
                    let input = self.said.remove(&sequence).expect("it was said");
                    self.give(input);
                    if self.random.once_in(50) {
                        self.give(Input::Timer); // one that was set before
                    }
                }
                (None, _) => break,
            }
            assert!(self.now < END, "no progress: {:?}", self.coordinator);
            assert!(self.sequence < 1_000_000, "it runs in circles");
        }
        assert!(self.ended.is_some(), "it has come to rest before the end: {:?}", self.coordinator);
        let unanswered: Vec<_> = self.waiting.iter().filter(|(_, waits)| **waits).collect();
        assert!(unanswered.is_empty(), "nobody told {unanswered:?}");
        let history = self.coordinator.history();
        let count = |wanted| self.seen.values().filter(|(_, seen)| *seen == wanted).count() as u64;
        assert_eq!((history.completed, history.failed), (count(Seen::Committed), count(Seen::Aborted)));
        assert!(history.last.len() <= super::super::stats::HISTORY_LIMIT && history.present.is_none());
        (self.ended, self.now)
    }

    fn give(&mut self, input: Input) {
        match &input {
            Input::Ack { checkpoint, task, .. } => {
                self.acks.entry(*checkpoint).or_default().insert(*task);
            }
            Input::Request { id } | Input::Stop { id } => assert_eq!(self.waiting.insert(*id, true), None),
            Input::Drained { task } => {
                self.drained.insert(*task);
            }
            Input::Stored { checkpoint } => self.sees(*checkpoint, Seen::Storing, Seen::Stored),
            Input::Committed { checkpoint } => self.sees(*checkpoint, Seen::Stored, Seen::Committed),
            _ => {}
        }
        let commands = self.coordinator.handle(Instant::from_nanos(self.now), input);
        for command in commands {
            self.obey(command);
        }
    }

    /// A checkpoint goes from one state to another.
    fn sees(&mut self, checkpoint: u64, from: Seen, to: Seen) {
        let (_, seen) = self.seen.get_mut(&checkpoint).expect("it was triggered");
        assert_eq!(*seen, from, "checkpoint {checkpoint} becomes {to:?}");
        *seen = to;
    }

    fn under_way(&self) -> Option<u64> {
        let mut present = self.seen.iter().filter(|(_, (_, seen))| !matches!(seen, Seen::Committed | Seen::Aborted));
        let found = present.next().map(|(checkpoint, _)| *checkpoint);
        assert_eq!(present.next(), None, "two are in flight");
        found
    }

    fn obey(&mut self, command: Command) {
        let is_answer = matches!(command, Command::Answer { .. });
        assert!(self.ended.is_none() || is_answer, "{command:?} follows the end");
        match command {
            Command::Trigger { checkpoint, kind } => {
                assert_eq!(self.under_way(), None, "the one before has not ended");
                let last = self.seen.last_key_value().map_or(0, |(last, _)| *last);
                assert!(checkpoint > last, "numbers ascend");
                let all_drained = self.drained.len() == self.sources;
                assert_eq!(kind == CheckpointKind::Final, all_drained, "final ones are for the end");
                self.seen.insert(checkpoint, (kind, Seen::Triggered));
                self.flow(checkpoint);
            }
            Command::Store { checkpoint, kind } => {
                let (triggered, _) = self.seen[&checkpoint];
                assert_eq!(kind, triggered);
                assert_eq!(self.acks[&checkpoint], (0..self.tasks).collect(), "all have acknowledged it");
                self.sees(checkpoint, Seen::Triggered, Seen::Storing);
                let faulty = !self.is_calm();
                let deposed = faulty && self.random.once_in(400);
                match faulty && self.random.once_in(5) || deposed {
                    true => {
                        let reason = "disk full".to_owned();
                        self.later(2_000, Input::StoreFailed { checkpoint, reason, deposed });
                        self.deposed |= deposed;
                    }
                    false => self.later(200, Input::Stored { checkpoint }),
                }
            }
            Command::Complete { checkpoint } => {
                assert_eq!(self.seen[&checkpoint].1, Seen::Stored, "it is stored");
                self.failures = 0;
                self.later(500, Input::Committed { checkpoint });
            }
            Command::Abort { checkpoint, .. } => {
                let (_, seen) = self.seen.get_mut(&checkpoint).expect("it was triggered");
                assert!(matches!(seen, Seen::Triggered | Seen::Storing), "what is stored is not called off");
                *seen = Seen::Aborted;
                self.failures += 1;
            }
            Command::Fail { .. } => {
                let tolerated = self.coordinator.settings.tolerated_failures;
                assert!(self.failures > tolerated || self.deposed, "{} failures are tolerated", self.failures);
                assert_eq!(self.under_way(), None);
                self.ended = Some(Ended::Failed);
            }
            Command::Finish => self.ends(CheckpointKind::Final, Ended::Finished),
            Command::Stopped => self.ends(CheckpointKind::Stop, Ended::Stopped),
            Command::Answer { id, result } => {
                assert_eq!(self.waiting.insert(id, false), Some(true), "{id} waits, and is answered once");
                if let Ok(checkpoint) = result {
                    assert_eq!(self.seen[&checkpoint].1, Seen::Committed, "{id} is told of what is committed");
                }
            }
            Command::WakeAt(at) => {
                assert!(
                    at.nanos() > self.now || self.coordinator.settings.interval.is_zero(),
                    "that is no time to come"
                );
                self.wake = Some(at.nanos());
            }
        }
    }

    fn ends(&mut self, wanted: CheckpointKind, ended: Ended) {
        let (_, last) = self.seen.last_key_value().expect("there is a checkpoint");
        assert_eq!(*last, (wanted, Seen::Committed), "the last checkpoint is committed");
        self.ended = Some(ended);
    }

    /// Barriers of a checkpoint flow through the subtasks.
    fn flow(&mut self, checkpoint: u64) {
        let faulty = !self.is_calm();
        let most_millis = if faulty && self.random.once_in(4) { 6_000 } else { 100 };
        for task in 0..self.tasks {
            let report = SubtaskReport::default();
            match self.random.below(40) {
                0 if faulty => {
                    self.later(most_millis, Input::Declined { checkpoint, task, reason: "no room".to_owned() });
                }
                1 if faulty => {} // it hangs
                2 => {
                    self.later(most_millis, Input::Ack { checkpoint, task, report });
                    self.later(most_millis, Input::Ack { checkpoint, task, report });
                }
                3 => {
                    self.later(most_millis, Input::Ack { checkpoint, task, report });
                    self.later(most_millis, Input::Ack { checkpoint: checkpoint - 1, task, report });
                }
                _ => self.later(most_millis, Input::Ack { checkpoint, task, report }),
            }
        }
    }
}

#[test]
fn whatever_happens_checkpoints_are_sound_and_the_job_comes_to_its_end() {
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    let seeds = if full { 30_000 } else { 1_000 };
    let mut ends = [0_u32; 3];
    for seed in 0..seeds {
        let ended = std::panic::catch_unwind(|| World::new(seed).run());
        let (ended, _) = ended.unwrap_or_else(|_| panic!("seed {seed}"));
        ends[ended.expect("it has ended") as usize] += 1;
    }
    assert!(ends.iter().all(|count| *count > seeds as u32 / 20), "every end is seen: {ends:?}");
}
