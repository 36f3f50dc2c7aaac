//! A subtask of the simulated source: its head, driven as a task drives one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use millstream_core::time::Timestamp;

use super::super::{FailBad, SourceHead};
use super::lines::Numbers;
use crate::{
    checkpoint::{
        inbox::{Inbox, Notice},
        subtask::SubtaskCheckpoints,
    },
    env::Instant,
    operator::{Push, Signal, SplitSignal, Stage, Wait},
    task::head::{BatchCursor, Head, Progress, TaskContext},
};

/// After so many records the output is full, until the next step.
const RECORDS_PER_STEP: usize = 2;

/// Remembers that it was woken.
#[derive(Default)]
pub(super) struct Woken(AtomicBool);

impl Woken {
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What comes out of a source.
#[derive(Default)]
pub(super) struct Probe {
    pub(super) records: Vec<u64>,
    room: usize,
    /// Watermarks are held back; `None` before anything was said of that.
    pub(super) holds: Option<bool>,
    pub(super) idle: bool,
    /// How many splits it has begun.
    pub(super) begun: usize,
    ended: bool,
}

impl Push<u64> for Probe {
    fn push(&mut self, record: u64, _: Timestamp) {
        assert!(!self.idle && !self.ended, "records come of what is active");
        self.records.push(record);
        self.room -= 1;
    }
}

impl Stage for Probe {
    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Split(SplitSignal::Hold) => self.holds = Some(true),
            Signal::Split(SplitSignal::Release) => self.holds = Some(false),
            Signal::Split(SplitSignal::Start(_)) => {
                assert!(!self.idle, "it is active before it begins");
                self.begun += 1;
            }
            Signal::Idle => {
                assert_ne!(self.holds, Some(true), "nobody is left out while a split waits");
                self.idle = true;
            }
            Signal::Active => self.idle = false,
            Signal::Watermark(Timestamp::MAX) => self.ended = true,
            _ => {}
        }
    }
    fn is_full(&self) -> bool {
        self.room == 0
    }
    fn flush(&mut self, _: Instant) -> Option<Instant> {
        None
    }
    fn idle(&mut self) {}
    fn ready(&mut self) -> Wait<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn finish(&mut self) -> Wait<'_> {
        self.ready()
    }
}

pub(super) struct Subtask {
    pub(super) head: SourceHead<Numbers, FailBad, Probe>,
    pub(super) inbox: Inbox,
    pub(super) checkpoints: SubtaskCheckpoints,
    pub(super) woken: Arc<Woken>,
    /// It waits to be woken.
    waits: bool,
    pub(super) finished: bool,
    /// How many records it had put out at the barriers that it has passed, the newest last.
    pub(super) barriers: Vec<(u64, usize)>,
}

impl Subtask {
    pub(super) fn new(
        head: SourceHead<Numbers, FailBad, Probe>,
        inbox: Inbox,
        checkpoints: SubtaskCheckpoints,
    ) -> Self {
        let (waits, finished, barriers) = (false, false, Vec::new());
        Self { head, inbox, checkpoints, woken: Arc::default(), waits, finished, barriers }
    }

    pub(super) fn output(&self) -> &Probe {
        &self.head.next
    }

    /// Takes the notices that have come. True if there were any.
    pub(super) fn notices(&mut self) -> bool {
        let mut any = false;
        while let Some(notice) = self.inbox.take() {
            any = true;
            self.waits = false;
            if let Notice::Trigger(barrier) = notice {
                self.checkpoints.begin(barrier, Duration::ZERO);
                self.head.signal(Signal::Barrier(barrier));
                self.checkpoints.passed(barrier);
                self.barriers.push((barrier.checkpoint, self.output().records.len()));
            }
        }
        any
    }

    /// A step, unless it waits and `tick` does not make it look around. True if it took one.
    pub(super) fn step(&mut self, tick: bool) -> bool {
        if self.finished || (self.waits && !self.woken.take() && !tick) {
            return false;
        }
        self.head.next.room = RECORDS_PER_STEP;
        let cx = TaskContext { wall: Timestamp::from_millis(0), barrier_waits: false };
        let progress = self.head.poll(&cx, &mut BatchCursor::empty()).expect("nothing fails here");
        self.finished = progress == Progress::Finished;
        self.waits = false;
        if progress == Progress::Waiting {
            let waker = Waker::from(Arc::clone(&self.woken));
            let wait = self.head.wait().as_mut().poll(&mut Context::from_waker(&waker)).map(|waited| {
                waited.expect("nothing fails here");
            });
            self.waits = wait == Poll::Pending;
        }
        true
    }
}
