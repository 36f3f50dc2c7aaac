//! [`Spy`]: a sink that remembers what it was asked to do, and goes wrong where a test says.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use millstream::{
    env::Env,
    failure::Failure,
    prelude::*,
    sink::{Committer, Prepare, Prepared, Sink, SinkContext, SinkWriter},
};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Wrong {
    Nothing,
    Write,
    WritePanics,
    Flush,
    Prepare,
    Commit,
    CommitPanics,
    AbortPanics,
}

/// What happened so far.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) written: u64,
    /// How often it was committed, and how many records.
    pub(crate) commits: u64,
    pub(crate) committed: u64,
    pub(crate) aborts: u64,
}

#[derive(Clone)]
pub(crate) struct Spy {
    wrong: Wrong,
    /// How long a flush takes for each record.
    per_record: Duration,
    seen: Arc<Mutex<Seen>>,
}

/// How many records a writer takes before it is full.
pub(crate) const FULL_RECORDS: u64 = 8;

impl Spy {
    pub(crate) fn new(wrong: Wrong) -> Self {
        Self { wrong, per_record: Duration::ZERO, seen: Arc::default() }
    }

    pub(crate) fn slow(per_record: Duration) -> Self {
        Self { per_record, ..Self::new(Wrong::Nothing) }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Spy {
    type In = u64;
    type Guarantee = ExactlyOnce;
    type Committable = u64;
    type Writer = SpyWriter;
    type Committer = SpyCommitter;

    fn name(&self) -> String {
        "spy".into()
    }

    fn writer(&self, cx: &SinkContext, _: Vec<()>) -> Result<SpyWriter, Failure> {
        Ok(SpyWriter { spy: self.clone(), env: Arc::clone(cx.env()), pending: 0, written: 0 })
    }

    fn committer(&self, _: &SinkContext) -> Result<SpyCommitter, Failure> {
        Ok(SpyCommitter(self.clone()))
    }
}

pub(crate) struct SpyWriter {
    spy: Spy,
    env: Arc<dyn Env>,
    pending: u64,
    written: u64,
}

impl SinkWriter for SpyWriter {
    type In = u64;
    type Committable = u64;
    type State = ();

    fn write(&mut self, _: u64, _: Timestamp) -> Result<(), Failure> {
        match self.spy.wrong {
            Wrong::Write => return Err(Failure::new("the disk is full")),
            Wrong::WritePanics => panic!("the disk is gone"),
            _ => {}
        }
        assert!(!self.is_full(), "every head looks, after each record, whether there is room for another");
        self.pending += 1;
        self.spy.lock().written += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.pending >= FULL_RECORDS
    }

    fn records(&self) -> u64 {
        self.written + self.pending
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.spy.wrong == Wrong::Flush {
            return Err(Failure::new("the disk is full"));
        }
        if !self.spy.per_record.is_zero() {
            for _ in 0..self.pending {
                self.env.sleep(self.spy.per_record).await;
            }
        }
        self.written += std::mem::take(&mut self.pending);
        Ok(())
    }

    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<u64>, Failure> {
        if self.spy.wrong == Wrong::Prepare {
            return Err(Failure::new("the disk is full"));
        }
        self.flush().await?;
        Ok(Prepared::closed(vec![self.written]))
    }
}

pub(crate) struct SpyCommitter(Spy);

impl Committer for SpyCommitter {
    type Committable = u64;
    type State = ();

    async fn recover(&mut self, _: &[u64], _: &[()]) -> Result<(), Failure> {
        Ok(())
    }

    async fn commit(&mut self, what: Vec<u64>, last: bool) -> Result<(), Failure> {
        assert!(last, "without checkpoints there is one commit");
        match self.0.wrong {
            Wrong::Commit => return Err(Failure::new("the directory is gone")),
            Wrong::CommitPanics => panic!("the directory is gone"),
            _ => {}
        }
        let mut seen = self.0.lock();
        seen.commits += 1;
        seen.committed += what.iter().sum::<u64>();
        Ok(())
    }

    async fn abort(&mut self) {
        self.0.lock().aborts += 1;
        if self.0.wrong == Wrong::AbortPanics {
            panic!("nothing can be removed");
        }
    }
}
