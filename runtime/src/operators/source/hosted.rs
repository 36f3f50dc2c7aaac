//! [`Hosted`]: a pool of splits whose subtasks are in other processes, and ask it by messages.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use millstream_state::manifest::{Spread, ValuePart};

use super::{
    FOUND_STATE, SPLITS_STATE,
    message::{Answer, Ask, Given},
    pool::{Pool, Taken},
};
use crate::{
    checkpoint::values,
    failure::{Failure, Location},
    graph::{OperatorInfo, SplitPool},
    source::Source,
};

/// The number under which the host waits for changes of the pool: nobody else does.
const HOST: usize = 0;

pub(super) struct Hosted<S: Source> {
    pool: Arc<Pool<S>>,
    /// The operator's id.
    id: String,
    /// What failures call it, and where it is.
    operator: (String, Location),
    max_record_size: usize,
    asked: Mutex<Asked>,
}

struct Asked {
    subtasks: Vec<Subtask>,
    /// The state of the pool when the asks that are kept were looked at last.
    seen: u64,
}

/// What is known of a subtask.
#[derive(Clone, Default)]
struct Subtask {
    /// The number of its newest ask.
    request: u64,
    /// That ask, if it has not been answered.
    kept: Option<Ask>,
    /// How many splits it was given, and how many of them it has begun.
    given: u64,
    begun: u64,
}

impl<S: Source> Hosted<S> {
    pub(super) fn new(pool: Arc<Pool<S>>, operator: &OperatorInfo, subtasks: usize, max_record_size: usize) -> Self {
        let asked = Mutex::new(Asked { subtasks: vec![Subtask::default(); subtasks], seen: 0 });
        let (id, operator) = (operator.id_or_name(), (operator.to_string(), operator.location));
        Self { pool, id, operator, max_record_size, asked }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes notice of an ask, and keeps it in place of the one before. False if it is an old one.
    fn keep(&self, asked: &mut Asked, subtask: usize, request: u64, payload: &[u8]) -> Result<bool, Failure> {
        let subtasks = asked.subtasks.len();
        let Some(asking) = asked.subtasks.get_mut(subtask) else {
            return Err(Failure::new(format!("subtask {subtask} asks for splits, and there are {subtasks}")));
        };
        if request <= asking.request {
            return Ok(false);
        }
        let ask = Ask::decode(payload)?;
        let Subtask { given, begun, .. } = *asking;
        if ask.begun < begun || ask.begun > given || ask.wants && ask.begun < given {
            let what = if ask.wants { ", and wants another" } else { "" };
            let message =
                format!("subtask {subtask} was given {given} splits, has begun {begun}, says {}{what}", ask.begun);
            return Err(Failure::new(message).with_hint("this is a mistake of the engine: please report it"));
        }
        asking.request = request;
        asking.begun = ask.begun;
        asking.kept = Some(ask);
        (begun..ask.begun).for_each(|_| self.pool.begun());
        Ok(true)
    }

    /// Answers the ask that is kept of a subtask, if there is anything to say.
    fn answer_kept(&self, asking: &mut Subtask, subtask: usize) -> Result<Option<Bytes>, Failure> {
        let Some(ask) = asking.kept else { return Ok(None) };
        let given = match ask.wants.then(|| self.pool.take(subtask)) {
            Some(Taken::Split(id, split)) => Given::Split(id, split),
            Some(Taken::None) => Given::End,
            Some(Taken::Later { .. }) | None => Given::Nothing,
        };
        let known = self.pool.known();
        if matches!(given, Given::Nothing) && known == ask.known {
            return Ok(None);
        }
        asking.given += u64::from(matches!(given, Given::Split(..)));
        asking.kept = None;
        Answer { given, known }.encode(self.max_record_size).map(Some)
    }

    fn blame(&self, failure: Failure) -> Failure {
        failure.at_operator(&self.operator.0, Some(self.operator.1))
    }
}

impl<S: Source> SplitPool for Hosted<S> {
    fn ask(&self, subtask: usize, request: u64, payload: &[u8]) -> Result<Option<Bytes>, Failure> {
        let asked = &mut *self.lock();
        match self.keep(asked, subtask, request, payload) {
            Ok(true) => self.answer_kept(&mut asked.subtasks[subtask], subtask).map_err(|failure| self.blame(failure)),
            Ok(false) => Ok(None),
            Err(failure) => Err(self.blame(failure)),
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Vec<usize>> {
        let asked = &mut *self.lock();
        while let Poll::Ready(now) = self.pool.poll_changed(cx, HOST, asked.seen) {
            asked.seen = now;
            let (known, may_give) = (self.pool.known(), self.pool.may_give());
            let is_ready = |ask: &Ask| ask.known != known || ask.wants && may_give;
            let subtasks = asked.subtasks.iter().enumerate();
            let ready = subtasks.filter(|(_, asking)| asking.kept.as_ref().is_some_and(is_ready));
            let ready: Vec<_> = ready.map(|(subtask, _)| subtask).collect();
            if !ready.is_empty() {
                return Poll::Ready(ready);
            }
        }
        Poll::Pending
    }

    fn answer(&self, subtask: usize) -> Result<Option<(u64, Bytes)>, Failure> {
        let asked = &mut *self.lock();
        let Some(asking) = asked.subtasks.get_mut(subtask) else { return Ok(None) };
        let answer = self.answer_kept(asking, subtask).map_err(|failure| self.blame(failure))?;
        Ok(answer.map(|answer| (asking.request, answer)))
    }

    fn snapshot(&self) -> Result<(String, Vec<ValuePart>), Failure> {
        // Told as by one more subtask.
        let number = self.lock().subtasks.len();
        let rest = self.pool.rest();
        let splits = values::encode(SPLITS_STATE, number, Spread::List, &rest.splits, self.max_record_size);
        let found = rest.found.as_slice();
        let found = values::encode(FOUND_STATE, number, Spread::Union, found, self.max_record_size);
        let parts = splits.and_then(|splits| Ok(vec![splits, found?])).map_err(|failure| self.blame(failure))?;
        Ok((self.id.clone(), parts))
    }
}
