//! A source of numbers, whose splits come when a test says so.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use millstream_core::time::Timestamp;

use crate::{
    failure::Failure,
    operator::Push,
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::NoTime,
};

/// So many records a split has at most.
pub(super) const RECORDS_LIMIT: u64 = 7;
/// So many records are fetched at a time at most.
const FETCH_LIMIT: u64 = 3;

/// What ends: nothing, the splits, or the source as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bounded,
    Watched,
    Endless,
}

/// Splits by the discovery that finds them.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) kind: Kind,
    pub(super) rounds: Arc<Vec<Vec<u64>>>,
    /// How many discoveries have something to find by now.
    pub(super) there: Arc<AtomicUsize>,
}

/// How many records are read of a split. One of an endless source only falls silent behind them.
pub(super) fn records(split: u64) -> u64 {
    split % (RECORDS_LIMIT + 1)
}

impl Source for Numbers {
    type Out = u64;
    type Time = NoTime;
    type Split = (u64, u64);
    type Enumerator = Rounds;
    type Reader = Reader;

    fn name(&self) -> String {
        "numbers".into()
    }

    fn boundedness(&self) -> Boundedness {
        if self.kind == Kind::Bounded { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn splits(&self) -> Boundedness {
        if self.kind == Kind::Endless { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    fn enumerator(&self, _: &SourceContext) -> Result<Rounds, Failure> {
        Ok(Rounds { source: self.clone(), done: 0, looked: false })
    }

    fn reader(&self, _: &SourceContext) -> Result<Reader, Failure> {
        Ok(Reader { endless: self.kind == Kind::Endless, ..Reader::default() })
    }
}

pub(super) struct Rounds {
    source: Numbers,
    done: usize,
    /// It has looked for splits in this attempt: where there is nothing more to find, it says so once.
    looked: bool,
}

impl SplitEnumerator for Rounds {
    type Split = (u64, u64);
    type State = u64;

    async fn discover(&mut self) -> Result<Discovered<(u64, u64)>, Failure> {
        let Numbers { kind, rounds, there } = &self.source;
        let done = self.done;
        if !std::mem::replace(&mut self.looked, true) && done == rounds.len() {
            return Ok(Discovered { splits: Vec::new(), bytes: 0, again: Some(Duration::from_secs(1)) });
        }
        // The test polls it again when there is more.
        poll_fn(|_| if there.load(Ordering::SeqCst) > done { Poll::Ready(()) } else { Poll::Pending }).await;
        let splits = rounds[done].iter().map(|split| (*split, 0)).collect();
        self.done += 1;
        let ends = *kind == Kind::Bounded && self.done == rounds.len();
        Ok(Discovered { splits, bytes: 0, again: (!ends).then_some(Duration::from_secs(1)) })
    }

    fn state(&self) -> u64 {
        self.done as u64
    }

    fn restore(&mut self, state: u64) -> Result<(), Failure> {
        self.done = state as usize;
        Ok(())
    }

    fn assign(&mut self, waiting: &mut VecDeque<(u64, u64)>, subtask: usize) -> Option<(u64, u64)> {
        if subtask.is_multiple_of(2) { waiting.pop_front() } else { waiting.pop_back() }
    }
}

#[derive(Default)]
pub(super) struct Reader {
    endless: bool,
    split: (u64, u64),
    fetched: u64,
    waited: bool,
}

impl SplitReader for Reader {
    type Out = u64;
    type Split = (u64, u64);

    fn open(&mut self, split: (u64, u64)) -> Result<(), Failure> {
        (self.split, self.fetched, self.waited) = (split, split.1, false);
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        poll_fn(|cx| {
            if std::mem::replace(&mut self.waited, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        let (split, position) = self.split;
        if position == records(split) {
            if self.endless {
                std::future::pending::<()>().await;
            }
            return Ok(Fetched::EndOfSplit);
        }
        self.waited = false;
        self.fetched = records(split).min(position + FETCH_LIMIT);
        Ok(Fetched::Data)
    }

    fn emit<N: Push<u64>>(&mut self, out: &mut Emit<'_, u64, N>) -> Result<Emitted, Failure> {
        while self.split.1 < self.fetched {
            if out.is_full() {
                return Ok(Emitted::Some);
            }
            out.push(self.split.0 * 100 + self.split.1, Timestamp::MIN);
            self.split.1 += 1;
        }
        Ok(Emitted::All)
    }

    fn position(&self) -> (u64, u64) {
        self.split
    }
}
