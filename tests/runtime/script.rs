//! [`Script`]: a source that does, split by split, what a test says.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use millstream::{
    env::{Env, Instant},
    failure::Failure,
    prelude::*,
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::Replayable,
};

/// What a split does next.
#[derive(Clone)]
pub(crate) enum Step<T> {
    Record(T),
    /// Nothing comes for so long.
    Wait(Duration),
    /// Nothing comes any more, and the split does not end.
    Never,
    Fail(&'static str),
}

/// How its enumerator behaves.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Discovery {
    /// All splits at once, and no more.
    Once,
    /// All splits at once; then it looks again and again.
    ForEver(Duration),
    /// It never answers.
    Stuck,
    /// Split `n` is only for subtask `n` modulo the parallelism.
    Pinned,
}

#[derive(Clone)]
pub(crate) struct Script<T> {
    splits: Arc<Vec<Vec<Step<T>>>>,
    boundedness: Boundedness,
    discovery: Discovery,
    asked: Arc<AtomicU64>,
}

impl<T> Script<T> {
    pub(crate) fn steps(splits: Vec<Vec<Step<T>>>) -> Self {
        Self {
            splits: Arc::new(splits),
            boundedness: Boundedness::Bounded,
            discovery: Discovery::Once,
            asked: Arc::default(),
        }
    }

    /// Splits that have only records.
    pub(crate) fn records(splits: Vec<Vec<T>>) -> Self {
        Self::steps(splits.into_iter().map(|split| split.into_iter().map(Step::Record).collect()).collect())
    }

    pub(crate) fn unbounded(mut self) -> Self {
        self.boundedness = Boundedness::Unbounded;
        self
    }

    /// Counts how often a subtask asks for a split.
    pub(crate) fn asked(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.asked)
    }

    pub(crate) fn discovery(mut self, discovery: Discovery) -> Self {
        self.discovery = discovery;
        self
    }
}

impl<T: Record + Sync> Replayable for Script<T> {}

/// The number of the split and of the step in it.
type At = (u64, u64);

impl<T: Record + Sync> Source for Script<T> {
    type Out = T;
    type Time = NoTime;
    type Split = At;
    type Enumerator = Enumerator;
    type Reader = Reader<T>;

    fn name(&self) -> String {
        "script".into()
    }

    fn boundedness(&self) -> Boundedness {
        self.boundedness
    }

    fn enumerator(&self, cx: &SourceContext) -> Result<Enumerator, Failure> {
        Ok(Enumerator {
            splits: self.splits.len() as u64,
            given: false,
            discovery: self.discovery,
            parallelism: cx.parallelism(),
            asked: Arc::clone(&self.asked),
        })
    }

    fn reader(&self, cx: &SourceContext) -> Result<Reader<T>, Failure> {
        Ok(Reader { env: Arc::clone(cx.env()), splits: Arc::clone(&self.splits), at: (0, 0), until: None })
    }
}

pub(crate) struct Enumerator {
    splits: u64,
    given: bool,
    discovery: Discovery,
    parallelism: usize,
    asked: Arc<AtomicU64>,
}

impl SplitEnumerator for Enumerator {
    type Split = At;
    /// Whether the splits have been given.
    type State = bool;

    async fn discover(&mut self) -> Result<Discovered<At>, Failure> {
        let first = !std::mem::replace(&mut self.given, true);
        let splits = if first { (0..self.splits).map(|split| (split, 0)).collect() } else { Vec::new() };
        match self.discovery {
            Discovery::Once | Discovery::Pinned => Ok(Discovered::all(splits)),
            Discovery::ForEver(again) => Ok(Discovered { splits, bytes: 0, again: Some(again) }),
            Discovery::Stuck => std::future::pending().await,
        }
    }

    fn state(&self) -> bool {
        self.given
    }

    fn restore(&mut self, given: bool) -> Result<(), Failure> {
        self.given = given;
        Ok(())
    }

    fn assign(&mut self, waiting: &mut VecDeque<At>, subtask: usize) -> Option<At> {
        self.asked.fetch_add(1, SeqCst);
        if self.discovery != Discovery::Pinned {
            return waiting.pop_front();
        }
        let own = waiting.iter().position(|(split, _)| *split as usize % self.parallelism == subtask)?;
        waiting.remove(own)
    }
}

pub(crate) struct Reader<T> {
    env: Arc<dyn Env>,
    splits: Arc<Vec<Vec<Step<T>>>>,
    at: At,
    /// Until when the present step waits.
    until: Option<Instant>,
}

impl<T> Reader<T> {
    fn step(&self) -> Option<&Step<T>> {
        self.splits[self.at.0 as usize].get(self.at.1 as usize)
    }
}

impl<T: Record + Sync> SplitReader for Reader<T> {
    type Out = T;
    type Split = At;

    fn open(&mut self, split: At) -> Result<(), Failure> {
        self.at = split;
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        loop {
            match self.step() {
                None => return Ok(Fetched::EndOfSplit),
                Some(Step::Record(_)) => return Ok(Fetched::Data),
                Some(Step::Fail(why)) => return Err(Failure::new(*why)),
                Some(Step::Never) => std::future::pending().await,
                Some(Step::Wait(duration)) => {
                    let duration = *duration;
                    let until = *self.until.get_or_insert(self.env.now() + duration);
                    self.env.sleep_until(until).await;
                    self.until = None;
                    self.at.1 += 1;
                }
            }
        }
    }

    fn emit<N: Push<T>>(&mut self, out: &mut Emit<'_, T, N>) -> Result<Emitted, Failure> {
        while let Some(Step::Record(record)) = self.splits[self.at.0 as usize].get(self.at.1 as usize) {
            if out.is_full() {
                return Ok(Emitted::Some);
            }
            out.push(record.view(), Timestamp::MIN);
            self.at.1 += 1;
        }
        Ok(Emitted::All)
    }

    fn position(&self) -> At {
        self.at
    }
}
