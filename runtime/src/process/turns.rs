//! [`Turns`]: what has its turn when. The timers that a watermark makes due fire before the records behind it; where a barrier does not wait for all of them, records
//! and watermarks in front of it are held back until then, as state.
//!
//! Nothing else is right for any function: it may find out by its state and its context whether a timer of the key has fired. Slices and sessions know of the
//! records behind a watermark what to do with them, and hold none back.

use std::collections::VecDeque;

use millstream_core::{key::Key, record::Record, time::Timestamp};
use millstream_state::{
    manifest::{Spread, ValuePart},
    row::{ByEntry, entry_hash},
    table::Table,
};

use super::{
    Hashed, Opening, StateAccess, StateTable, TimerDomain, inputs::Port, tables::Stored, timers::TIMERS_STATE,
};
use crate::{
    checkpoint::subtask::{OperatorReport, Upload},
    failure::Failure,
    operator::{KeyFn, Signal, Stage},
    task::head::{BatchCursor, Progress, TaskContext},
};

/// How many timers fire, and records have their turn that were held back, before the task looks around.
const FIRE_TIMERS_LIMIT: usize = 1024;

/// How much is held back, in bytes; beyond it a barrier waits. That may be where others have not brought theirs: what is in front of one that has been sent on all channels is no more
/// than their credit.
const HELD_BYTES_LIMIT: usize = 64 << 20;

/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";
/// The state that says by which watermark timers were firing, where a barrier came while they did.
const FIRING_STATE: &str = "firing";
/// The state that has the records that are held back; no field can be called so.
const HELD_STATE: &str = "held-back";

/// What process functions keep besides the states that they name.
pub(crate) const UNDECLARED_STATES: [&str; 4] = [TIMERS_STATE, WATERMARK_STATE, FIRING_STATE, HELD_STATE];

/// The records of each key by the order in which they came: the last watermark before one, its time, and the record.
type HeldRows<K, T> = Table<ByEntry<K, u64>, (Timestamp, Timestamp, T)>;

/// How far a subtask has come with what arrives at it.
pub(crate) struct Turns<K: Key, T: Record> {
    /// The last watermark that has had its turn.
    watermark: Timestamp,
    /// The one to pass on when the timers have fired that it makes due.
    forward: Option<Timestamp>,
    /// The last one that has arrived.
    arrived: Timestamp,
    held: Stored<HeldRows<K, T>>,
    /// What is held back, in order. No two signals stand side by side that are as good as one, or none.
    waiting: VecDeque<Waiting>,
    /// The number of the next record that is held back.
    number: u64,
}

/// Something that is held back.
enum Waiting {
    /// A record, by the hash of its row and its number.
    Record(u64, u64),
    /// A watermark, or that the input falls silent or is back.
    Signal(Signal),
}

/// What has its turn.
enum Turn<K, T> {
    /// Timers that have become due by the watermark.
    Timers,
    /// What is to be passed on.
    Signal(Signal),
    /// A record.
    Record(HeldBack<K, T>),
}

/// A record that was held back.
pub(crate) struct HeldBack<K, T> {
    pub(crate) key: K,
    pub(crate) at: Timestamp,
    pub(crate) record: T,
}

impl<K: Key, T: Record> Turns<K, T> {
    /// As the subtasks of the checkpoint were that the job goes on from; [`Turns::restored`] is to follow.
    pub(crate) fn open(cx: &Opening<'_>) -> Result<Self, Failure> {
        // All subtasks had the same at the barrier, unless it overtook records, or one had it from another exchange.
        let arrived = cx.access.own::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let arrived = arrived.unwrap_or(Timestamp::MIN);
        let firing = cx.access.own::<Timestamp>(FIRING_STATE)?.into_iter().min();
        Ok(Self {
            watermark: firing.unwrap_or(arrived),
            forward: firing,
            arrived,
            held: Stored::open(HELD_STATE, cx),
            waiting: VecDeque::new(),
            number: 0,
        })
    }

    /// Puts what has been read back into its order. Subtasks that had come to different points go on together from the first of these: it is as if the watermarks
    /// behind it came again.
    pub(crate) fn restored(&mut self) {
        let rows =
            self.held.iter().map(|((key, number), (behind, ..))| (*behind, *number, row_hash(hash_of(key), *number)));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable();
        let begin = rows.first().map_or(self.watermark, |(behind, ..)| self.watermark.min(*behind));
        self.forward = self.forward.filter(|firing| *firing == begin);
        self.watermark = begin;
        let mut last = begin;
        let mut reach = |waiting: &mut VecDeque<Waiting>, at| {
            if at > last {
                waiting.push_back(Waiting::Signal(Signal::Watermark(at)));
                last = at;
            }
        };
        for (behind, number, hash) in rows {
            reach(&mut self.waiting, behind);
            self.waiting.push_back(Waiting::Record(hash, number));
            self.number = self.number.max(number + 1);
        }
        reach(&mut self.waiting, self.arrived);
    }

    /// How far event time has come for what has its turn.
    #[inline(always)]
    pub(crate) fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// True from when a watermark has its turn until its timers have fired.
    #[inline(always)]
    fn is_firing(&self) -> bool {
        self.forward.is_some()
    }

    /// All timers have fired that are due. Gives what is to be passed on.
    fn fired(&mut self) -> Option<Signal> {
        self.forward.take().map(Signal::Watermark)
    }

    /// What has its turn next of that which is held back.
    #[inline(always)]
    fn next(&mut self) -> Option<Turn<K, T>> {
        if self.waiting.is_empty() { None } else { self.next_waiting() }
    }

    #[cold]
    fn next_waiting(&mut self) -> Option<Turn<K, T>> {
        Some(match self.waiting.pop_front()? {
            Waiting::Signal(Signal::Watermark(at)) => {
                self.begin(at);
                Turn::Timers
            }
            Waiting::Signal(signal) => Turn::Signal(signal),
            Waiting::Record(hash, number) => {
                let row = self.held.remove_if(hash, |(_, of)| *of == number);
                let ((key, _), (_, at, record)) = row.expect("what waits has a row");
                Turn::Record(HeldBack { key, at, record })
            }
        })
    }

    /// A watermark has its turn.
    fn begin(&mut self, at: Timestamp) {
        // Behind a restore it may begin further back than it was.
        self.watermark = self.watermark.max(at);
        self.forward = Some(at);
    }

    /// Takes a signal. Gives it back if it is to be passed on at once.
    pub(crate) fn signal(&mut self, signal: Signal) -> Option<Signal> {
        if let Signal::Watermark(at) = signal {
            self.arrived = self.arrived.max(at);
        }
        match signal {
            Signal::Watermark(_) | Signal::Idle | Signal::Active if self.is_firing() || !self.waiting.is_empty() => {
                self.wait(signal);
            }
            Signal::Watermark(at) => self.begin(at),
            signal => return Some(signal),
        }
        None
    }

    fn wait(&mut self, signal: Signal) {
        use Signal::{Active, Idle, Watermark};
        match (self.waiting.back_mut(), signal) {
            (Some(Waiting::Signal(Watermark(last))), Watermark(at)) => *last = at.max(*last),
            (Some(Waiting::Signal(Idle)), Active) | (Some(Waiting::Signal(Active)), Idle) => {
                self.waiting.pop_back();
            }
            _ => self.waiting.push_back(Waiting::Signal(signal)),
        }
    }

    /// True if more may be held back.
    pub(crate) fn has_room(&self) -> bool {
        self.held.size_bytes() < HELD_BYTES_LIMIT
    }

    /// Holds the records of a batch of a port back.
    pub(crate) fn hold_batch<P: Port<T>>(&mut self, key: &impl KeyFn<T, Key = K>, input: &mut BatchCursor<'_>) {
        let records = input.records::<P::Arrives>().expect("who holds a batch back has one");
        for i in records.position()..records.len() {
            let record = P::taken(records.get(i));
            key.with(record, |key| {
                let hash = records.hash(i).unwrap_or_else(|| K::hash(key));
                self.hold(Hashed { key, hash }, record, records.time(i));
            });
        }
        input.advance_to(records.len());
    }

    fn hold(&mut self, key: Hashed<'_, K>, record: T::View<'_>, at: Timestamp) {
        let (number, arrived) = (self.number, self.arrived);
        let hash = row_hash(key.hash, number);
        self.held.entry(hash, (key.key, number), || (arrived, at, T::from_view(record)));
        self.waiting.push_back(Waiting::Record(hash, number));
        self.number += 1;
    }

    /// The records that are held back.
    pub(crate) fn table(&mut self) -> &mut dyn StateTable {
        &mut self.held
    }

    /// What a checkpoint has to say besides records.
    fn values(&self, access: &StateAccess) -> Result<Vec<ValuePart>, Failure> {
        let firing = self.forward.map(|_| self.watermark);
        Ok(vec![
            access.encode(WATERMARK_STATE, Spread::Union, &[self.arrived])?,
            access.encode(FIRING_STATE, Spread::Union, firing.as_slice())?,
        ])
    }

    /// Begins a snapshot of the records, if there are any. The upload has to be run.
    fn freeze(&mut self) -> Option<Result<Upload, Failure>> {
        if self.held.is_empty() {
            self.held.leave_out();
            return None;
        }
        Some(self.held.freeze())
    }
}

/// A head whose timers and records have their turns.
pub(crate) trait TakesTurns: Stage {
    type Key: Key;
    type In: Record;

    fn turns(&mut self) -> &mut Turns<Self::Key, Self::In>;
    /// Its tables, without that of the records which are held back.
    fn each_of_its_own<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable));
    /// All tables.
    fn each_table<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable));
    /// Fires timers by one clock, `left` by both at most.
    fn fire_until(
        &mut self,
        domain: TimerDomain,
        until: Timestamp,
        cx: &TaskContext,
        left: &mut usize,
    ) -> Result<Option<Progress>, Failure>;
    /// Takes a record that was held back.
    fn take_held(&mut self, cx: &TaskContext, held: &HeldBack<Self::Key, Self::In>) -> Result<(), Failure>;
    fn pass_on(&mut self, signal: Signal);

    /// Takes part in a checkpoint.
    fn snapshot(&mut self, access: &StateAccess) -> Result<OperatorReport, Failure> {
        let values = self.turns().values(access)?;
        // All or none: a table that is frozen alone would wait in vain for its rows to be uploaded.
        let mut ready = Ok(());
        self.each_table(&mut |table| ready = ready.clone().and_then(|()| table.check_freeze()));
        ready?;
        let mut uploads: Vec<_> = self.turns().freeze().into_iter().collect();
        self.each_of_its_own(&mut |table| uploads.push(table.freeze()));
        Ok(OperatorReport { values, uploads: uploads.into_iter().collect::<Result<_, _>>()? })
    }

    /// Fires the timers that are due, and then passes the watermark on; and so on with what is held back. A bounded number of them.
    #[inline]
    fn fire(&mut self, cx: &TaskContext) -> Result<Option<Progress>, Failure> {
        let mut left = FIRE_TIMERS_LIMIT;
        loop {
            let watermark = self.turns().watermark;
            // Once the input has ended, no timer is worth waiting for.
            let clock = match watermark {
                Timestamp::MAX => Timestamp::MAX,
                _ => Timestamp::from_millis(cx.wall.millis().saturating_sub(1)),
            };
            if let Some(progress) = self.fire_until(TimerDomain::ProcessingTime, clock, cx, &mut left)? {
                return Ok(Some(progress));
            }
            if self.turns().is_firing() {
                if let Some(progress) = self.fire_until(TimerDomain::EventTime, watermark, cx, &mut left)? {
                    return Ok(Some(progress));
                }
                if let Some(signal) = self.turns().fired() {
                    self.pass_on(signal);
                }
            }
            match self.turns().next() {
                None => return Ok(None),
                Some(Turn::Timers) => {}
                Some(Turn::Signal(signal)) => self.pass_on(signal),
                Some(Turn::Record(held)) => {
                    self.take_held(cx, &held)?;
                    left -= 1;
                }
            }
            if self.is_full() {
                return Ok(Some(Progress::NeedsOutput));
            }
            if left == 0 {
                return Ok(Some(Progress::MoreWork));
            }
        }
    }
}

fn hash_of<K: Key>(key: &K) -> u64 {
    K::hash(key.view())
}

/// The hash of a record's row.
fn row_hash(key: u64, number: u64) -> u64 {
    entry_hash(key, <u64 as Key>::hash(number))
}
