//! [`Remote`]: a pool of splits in another process, as a subtask sees it: what it has asked, and what it has heard.
//!
//! While it may have to hold watermarks back, or wants a split, a subtask has an ask open, which the pool answers as soon as there is anything to say. One that
//! wants a split is never superseded, so that no split is lost.

use std::{future::Future, sync::Arc};

use super::{
    client::SplitClient,
    message::{Answer, Ask, Given},
    pool::{AtBarrier, Holding, Known, Taken},
};
use crate::{failure::Failure, source::Source};

pub(super) struct Remote<S: Source> {
    client: Arc<SplitClient>,
    holding: Holding,
    /// What it has heard last.
    known: Known,
    /// How many splits it has begun.
    begun: u64,
    /// It reads a split.
    reads: bool,
    open: Open,
    /// A split that has come, with its number, and has not been taken.
    arrived: Option<(u64, S::Split)>,
    /// No more splits will come.
    ended: bool,
}

/// What it has asked and not heard the answer of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// Whether what it knows is still so.
    State,
    /// For a split.
    Split,
}

impl<S: Source> Remote<S> {
    pub(super) fn new(client: Arc<SplitClient>, holding: Holding) -> Self {
        let known = Known { holds: holding != Holding::Never, discovered: false };
        Self { client, holding, known, begun: 0, reads: false, open: Open::Nothing, arrived: None, ended: false }
    }

    /// See [`PoolHandle::hear`](super::handle::PoolHandle::hear).
    pub(super) fn hear(&mut self) -> Result<(), Failure> {
        let Some(answer) = self.client.take() else { return Ok(()) };
        let Answer { given, known } = Answer::<S::Split>::decode(&answer)?;
        let wanted = std::mem::replace(&mut self.open, Open::Nothing) == Open::Split;
        self.known = known;
        match given {
            Given::Nothing => {}
            Given::Split(id, split) if wanted => self.arrived = Some((id, split)),
            Given::End if wanted => self.ended = true,
            Given::Split(..) | Given::End => {
                return Err(Failure::new("the pool of splits gives a subtask that reads what it has not asked for"));
            }
        }
        if self.reads { self.listen() } else { Ok(()) }
    }

    /// See [`PoolHandle::take`](super::handle::PoolHandle::take).
    pub(super) fn take(&mut self) -> Result<Taken<S::Split>, Failure> {
        self.reads = false;
        if let Some((id, split)) = self.arrived.take() {
            return Ok(Taken::Split(id, split));
        }
        if self.ended {
            return Ok(Taken::None);
        }
        if self.open != Open::Split {
            self.ask(Open::Split)?;
        }
        Ok(Taken::Later { seen: 0, discovered: self.known.discovered })
    }

    /// See [`PoolHandle::begun`](super::handle::PoolHandle::begun).
    pub(super) fn begun(&mut self) -> Result<(), Failure> {
        self.begun += 1;
        self.reads = true;
        self.listen()
    }

    pub(super) fn holds(&self) -> bool {
        self.known.holds
    }

    /// See [`PoolHandle::changed`](super::handle::PoolHandle::changed).
    pub(super) fn changed(&self) -> impl Future<Output = ()> + Send {
        self.client.answered()
    }

    /// What it was given before the barrier and has not begun. What waits in the pool is for the host to tell.
    pub(super) fn at_barrier(&self) -> Result<AtBarrier<S>, Failure> {
        let mut splits = Vec::new();
        if let Some((_, split)) = &self.arrived {
            splits.push(split.clone());
        } else if let Some(answer) = self.client.at_barrier()
            && let Given::Split(_, split) = Answer::decode(&answer)?.given
        {
            splits.push(split);
        }
        Ok(AtBarrier { splits, found: None })
    }

    /// Lets the pool say when what is known has changed, if it can, and know what was begun.
    fn listen(&mut self) -> Result<(), Failure> {
        let may_change = match self.holding {
            Holding::Never => false,
            Holding::Waiting => true,
            Holding::Complete => self.known.holds,
        };
        if may_change { self.ask(Open::State) } else { Ok(()) }
    }

    fn ask(&mut self, what: Open) -> Result<(), Failure> {
        self.open = what;
        let ask = Ask { wants: what == Open::Split, begun: self.begun, known: self.known };
        self.client.ask(ask.encode()?);
        Ok(())
    }
}
