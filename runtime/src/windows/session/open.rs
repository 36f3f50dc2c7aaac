//! [`OpenSessions`]: the sessions that are open, by key, and when something happens to them next.

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{row::ByKey, table::Table};

use super::{
    queue::{Next, Queue},
    row::{self, Row},
    touch,
};
use crate::windows::Clock;

/// How many keys are taken from the queue, and their rows asked for, before they are looked at.
const PREFETCH_ROWS: usize = 32;

/// The rows of all keys.
pub(crate) type Rows<K, V> = Table<ByKey<K>, Row<V>>;

/// How far event time has come, and how long sessions are kept beyond their ends.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Sessions whose last moment is at or before this are over. By the wall clock none is late, and this stays at the beginning of time.
    pub(crate) closed: Timestamp,
    pub(crate) lateness_ms: i64,
}

impl Times {
    /// When a session goes.
    fn gone(self, session: Window) -> Timestamp {
        Timestamp::from_millis(session.max_timestamp().millis().saturating_add(self.lateness_ms))
    }

    /// When something happens to a session next, of which all has been done that was due by `at`.
    fn due(self, session: Window, at: Timestamp) -> Timestamp {
        if session.max_timestamp() > at { session.max_timestamp() } else { self.gone(session) }
    }
}

/// See the module's documentation.
pub(crate) struct OpenSessions<K: Key, V: Record> {
    pub(crate) rows: Rows<K, V>,
    /// The keys, each for the time that its row says. What is there for another time is out of date.
    pub(crate) queue: Queue<(u64, K)>,
    /// What was taken from the queue and has not been looked at, the last first; meanwhile the rows come from memory.
    pub(crate) ahead: Vec<(Timestamp, (u64, K))>,
    pub(crate) times: Times,
    /// Sessions that are over by then are to fire.
    pub(crate) until: Timestamp,
    /// Those that were over by then have: as far as is known, which behind a restore is not at all. Which of a key have, its row says: those that are over by a time
    /// before that for which the key stands in the queue.
    pub(crate) fired: Timestamp,
}

impl<K: Key, V: Record> OpenSessions<K, V> {
    /// Those of a table.
    pub(crate) fn new(rows: Rows<K, V>, times: Times) -> Self {
        let (queue, ahead) = (Queue::default(), Vec::new());
        Self { rows, queue, ahead, times, until: times.closed, fired: Timestamp::MIN }
    }

    /// Puts the keys of rows that have been read back into the queue.
    pub(crate) fn restored(&mut self) {
        for (key, (due, ..)) in self.rows.iter() {
            self.queue.push(*due, (K::hash(key.view()), K::from_view(key.view())));
        }
    }

    /// Event time has come so far, or the wall's clock to the end of the input: sessions that are over are to fire.
    pub(crate) fn pass(&mut self, clock: Clock, at: Timestamp) {
        if clock == Clock::Event {
            // Behind a restore it may begin further back than it was.
            self.times.closed = self.times.closed.max(at);
            self.until = self.until.max(at);
        } else if at == Timestamp::MAX {
            self.until = at;
        }
    }

    /// What they take in memory, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.rows.size_bytes() + self.queue.size_bytes()
    }

    /// True from when something may be due until all has fired.
    #[inline(always)]
    pub(crate) fn is_firing(&self) -> bool {
        self.fired < self.until
    }

    /// True if something of this key is still to fire.
    #[inline(always)]
    pub(crate) fn is_pending(&self, hash: u64, key: K::View<'_>) -> bool {
        self.rows.get(hash, key).is_some_and(|(due, ..)| *due <= self.until)
    }

    /// True if a record of this session is late: by itself it would be over, and nothing is open that it makes longer.
    #[inline(always)]
    pub(crate) fn is_late(&self, hash: u64, key: K::View<'_>, alone: Window) -> bool {
        self.times.gone(alone) <= self.times.closed
            && self.rows.get(hash, key).is_none_or(|row| !row::sessions(row).any(|(session, _)| touch(*session, alone)))
    }

    /// Adds to the session that what is `alone` belongs to. A session that is over by now is put out again.
    #[inline(always)]
    pub(crate) fn enter(
        &mut self,
        (hash, key): (u64, K::View<'_>),
        alone: Window,
        create: impl Fn() -> V,
        merge: impl FnMut(&mut V, V),
        add: impl FnOnce(&mut V),
        put_out: impl FnOnce(&K, Window, &mut V),
    ) {
        let begin = || (Timestamp::MAX, (alone, create()), Vec::new());
        let (owned, row) = self.rows.entry_and_key(hash, key, begin);
        let (session, accumulator) = row::place(row, alone, &create, merge);
        add(accumulator);
        let (session, due) = (*session, self.times.due(*session, self.times.closed));
        if session.max_timestamp() <= self.times.closed {
            put_out(owned, session, accumulator);
        }
        if due < row.0 {
            row.0 = due;
            self.queue.push(due, (hash, K::from_view(key)));
        }
    }

    /// Does what is due for a key: puts out the sessions that are over, and drops those that are not kept any longer.
    pub(crate) fn settle(&mut self, hash: u64, key: K, mut put_out: impl FnMut(&K, Window, &mut V)) {
        let Self { rows, queue, times, until, .. } = self;
        let Some(row) = rows.get_mut(hash, key.view()) else { return };
        let due = row.0;
        for (session, accumulator) in row::sessions_mut(row) {
            if (due..=*until).contains(&session.max_timestamp()) {
                put_out(&key, *session, accumulator);
            }
        }
        if row::retain(row, |session| times.gone(session) > *until) {
            let due = row::sessions(row).map(|(session, _)| times.due(*session, *until)).min();
            row.0 = due.unwrap_or(Timestamp::MAX);
            queue.push(row.0, (hash, key));
        } else {
            rows.remove(hash, key.view());
        }
    }

    /// Of the sessions of a key that are over and have not been put out, the first.
    pub(crate) fn next_over(&mut self, hash: u64, key: K::View<'_>) -> Option<(Window, &mut V)> {
        let row = self.rows.get_mut(hash, key)?;
        let over = row.0..=self.until;
        let sessions = row::sessions_mut(row).filter(|(session, _)| over.contains(&session.max_timestamp()));
        sessions.min_by_key(|(session, _)| session.end).map(|(session, accumulator)| (*session, accumulator))
    }

    /// All of a session has been put out that was over. True if that was for the first time, so that it is the turn of the key's next one.
    pub(crate) fn put_out(&mut self, hash: u64, key: K::View<'_>, session: Window, accumulator: V) -> bool {
        let Some(row) = self.rows.get_mut(hash, key) else { return false };
        let is_first = session.max_timestamp() >= row.0;
        if is_first {
            row.0 = session.end;
        }
        if self.times.gone(session) > self.until {
            if let Some((_, kept)) = row::sessions_mut(row).find(|(open, _)| *open == session) {
                *kept = accumulator;
            }
        } else if !row::retain(row, |open| open != session) {
            self.rows.remove(hash, key);
        }
        is_first
    }

    /// What is kept of this session, if it is still open.
    pub(crate) fn get_mut(&mut self, hash: u64, key: K::View<'_>, session: Window) -> Option<&mut V> {
        let row = self.rows.get_mut(hash, key)?;
        row::sessions_mut(row).find(|(open, _)| *open == session).map(|(_, accumulator)| accumulator)
    }

    fn look_ahead(&mut self) {
        let Self { rows, queue, ahead, until, .. } = self;
        while ahead.len() < PREFETCH_ROWS
            && let Next::Due(at, entry) = queue.pop(*until)
        {
            ahead.push((at, entry));
        }
        ahead.reverse();
        if rows.wants_prefetch() {
            ahead.iter().for_each(|(_, (hash, _))| rows.prefetch(*hash));
        }
    }

    /// Takes the next key that something is due for from the queue. What is out of date is passed over, and counted; and where there is none after so many, there may
    /// still be some.
    pub(crate) fn next_due(&mut self, looked_at: &mut usize, limit: usize) -> Option<(u64, K)> {
        while *looked_at < limit {
            if self.ahead.is_empty() {
                self.look_ahead();
            }
            let Some((at, (hash, key))) = self.ahead.pop() else {
                if self.queue.next().is_some_and(|next| next <= self.until) {
                    *looked_at = limit; // a step of its own work is done
                }
                return None;
            };
            *looked_at += 1;
            if self.rows.get(hash, key.view()).is_some_and(|(due, ..)| *due == at) {
                return Some((hash, key));
            }
        }
        None
    }
}
