//! The head that joins records as they come: each is kept, and paired with those of the other side that are there already.

use std::marker::PhantomData;

use millstream_core::{buffer::Records, key::Key, packed::Packer, record::Record, time::Timestamp};
use millstream_state::row::ByEntry;

use super::{
    Inner, Matching, Semi,
    arrival::{Arrival, PREFETCH_RECORDS, hash_keys},
    chunk::{self, CHUNK_RECORDS, Chunk, Chunks, Left, Right, Side},
};
use crate::{
    checkpoint::{
        keyed::{Snapshots, restore_spilling},
        subtask::{OperatorReport, StateAccess},
    },
    env::Instant,
    failure::Failure,
    graph::OperatorInfo,
    operator::{KeyFn, Push, Signal, Stage, Wait},
    process::EitherKey,
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        head::{Background, BatchCursor, Head, Progress, TaskContext, Two},
    },
};

/// How many pairs are put out before the task looks around.
const PAIRS_LIMIT: usize = 8 << 10;

/// The state that has the records of both sides.
const RECORDS_STATE: &str = "records";

/// A join whose results never have to be taken back, whatever comes later.
pub trait Incremental<L: Record, R: Record>: Matching<L, R> {
    /// True if a record of the left side is put out once, with its first match, and need not be kept from then on; nor is more of the right side than that there is
    /// a record.
    const ONCE: bool;
}

impl<L: Record, R: Record, F, O> Incremental<L, R> for Inner<F, O>
where
    Self: Matching<L, R>,
{
    const ONCE: bool = false;
}

impl<L: Record, R: Record> Incremental<L, R> for Semi {
    const ONCE: bool = true;
}

/// The plan of a chain that begins with an incremental join.
pub struct IncrementalPlan<L, R, A, B, M> {
    pub(crate) key: EitherKey<A, B>,
    pub(crate) matching: M,
    pub(crate) index: usize,
    pub(crate) records: PhantomData<fn(L, R)>,
}

impl<L, R, A, B, M> Plan for IncrementalPlan<L, R, A, B, M>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    M: Incremental<L, R>,
{
    type In = Two<L, R>;
    type Out = M::Out;
    type Chain<N: Push<M::Out>> = IncrementalHead<L, R, A, B, M, N>;

    fn chain<N: Push<M::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        cx.measure_state(&info);
        let state = cx.state(&info);
        let snapshots = cx.snapshots(RECORDS_STATE, &state);
        Ok(IncrementalHead {
            key: self.key.clone(),
            join: Join {
                matching: self.matching.clone(),
                chunks: snapshots.spill_table(),
                packer: Packer::default(),
                pending: None,
                left: PAIRS_LIMIT,
                next,
                right: PhantomData,
            },
            snapshots,
            state,
            hashes: [0; PREFETCH_RECORDS],
            info,
        })
    }
}

/// Joins as records come. Its keyed state grows with the number of records.
pub struct IncrementalHead<L: Record, R: Record, A: KeyFn<L>, B, M: Matching<L, R>, N> {
    key: EitherKey<A, B>,
    join: Join<A::Key, L, R, M, N>,
    snapshots: Snapshots<ByEntry<A::Key, u64>, Chunk<L, M::Kept>>,
    state: StateAccess,
    hashes: [u64; PREFETCH_RECORDS],
    info: OperatorInfo,
}

/// The records that are kept, and where pairs go.
struct Join<K: Key, L: Record, R: Record, M: Matching<L, R>, N> {
    matching: M,
    chunks: Chunks<K, L, M::Kept>,
    packer: Packer,
    /// With how many of the other side the record at the cursor has been paired, if it has been taken and there may be more.
    pending: Option<u64>,
    /// How many pairs may be put out before the task looks around.
    left: usize,
    next: N,
    right: PhantomData<fn(R)>,
}

impl<K, L, R, M, N> Join<K, L, R, M, N>
where
    K: Key,
    L: Record,
    R: Record,
    M: Incremental<L, R>,
    N: Push<M::Out>,
{
    /// Takes a record, or goes on with it. False if it has to be gone on with.
    #[inline(always)]
    fn take<S: Side<L, M::Kept>>(
        &mut self,
        hash: u64,
        key: K::View<'_>,
        record: <S::Own as Record>::View<'_>,
        at: Timestamp,
    ) -> bool {
        self.pending = match self.pending.take() {
            None if !self.keep::<S>(hash, key, record, at) => None,
            begun => self.pair::<S>(hash, key, record, at, begun.unwrap_or(0)),
        };
        self.pending.is_none()
    }

    /// Keeps a record, if it may still have matches. False if there can be none now.
    #[inline(always)]
    fn keep<S: Side<L, M::Kept>>(
        &mut self,
        hash: u64,
        key: K::View<'_>,
        record: <S::Own as Record>::View<'_>,
        at: Timestamp,
    ) -> bool {
        if M::ONCE && chunk::get(&self.chunks, hash, key, 0).is_some_and(Chunk::has_rights) {
            // What has a match is put out and not kept, and the first match has already been a match of all.
            return S::IS_LEFT;
        }
        chunk::push::<S, K, L, M::Kept>(&mut self.chunks, &mut self.packer, (hash, key), record, at);
        true
    }

    /// Pairs a record with those of the other side from this position on. Says how far it came, if that is not to the end.
    #[inline(always)]
    fn pair<S: Side<L, M::Kept>>(
        &mut self,
        hash: u64,
        key: K::View<'_>,
        record: <S::Own as Record>::View<'_>,
        at: Timestamp,
        mut position: u64,
    ) -> Option<u64> {
        let takes_out = M::ONCE && !S::IS_LEFT;
        loop {
            let (row, skip) = (position / CHUNK_RECORDS as u64, position as usize % CHUNK_RECORDS);
            if takes_out && skip == 0 && row > 1 {
                chunk::clear_lefts(&mut self.chunks, hash, key, row - 1);
            }
            let others = chunk::get(&self.chunks, hash, key, row).map(S::other);
            for (other, other_at) in others.iter().flat_map(|others| others.iter()).skip(skip) {
                S::pair(&self.matching, record, other, at.max(other_at), &mut self.next);
                position += 1;
                self.left -= 1;
                if self.left == 0 || self.next.is_full() {
                    return Some(position);
                }
            }
            if others.is_none_or(|others| others.len() < CHUNK_RECORDS) {
                if takes_out {
                    chunk::clear_lefts(&mut self.chunks, hash, key, row);
                    chunk::clear_lefts(&mut self.chunks, hash, key, 0);
                }
                return None;
            }
        }
    }
}

impl<L, R, A, B, M, N> IncrementalHead<L, R, A, B, M, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    M: Incremental<L, R>,
    N: Push<M::Out>,
{
    /// Takes the records of a batch, until the output is full or enough pairs were put out.
    fn take<P>(&mut self, input: &mut BatchCursor<'_>) -> Progress
    where
        P: Arrival<L, R, A, B, M>,
        P::KeyFn: KeyFn<P::Record, Key = A::Key>,
    {
        let records = input.records::<P::Record>().expect("a cursor with a port has records");
        let (mut at, end) = (records.position(), records.len());
        self.join.left = PAIRS_LIMIT;
        self.join.chunks.release();
        while at < end {
            let to = (at + PREFETCH_RECORDS).min(end);
            at = self.take_some::<P>(&records, at, to);
            if at < to || self.join.next.is_full() {
                break;
            }
        }
        input.advance_to(at);
        match at < end {
            false => Progress::Consumed,
            true if self.join.next.is_full() => Progress::NeedsOutput,
            true => Progress::MoreWork,
        }
    }

    /// Takes records `from..to`: first all hashes, with their rows asked for. Says which record is next, or is to be gone on with.
    fn take_some<P>(&mut self, records: &Records<'_, P::Record>, from: usize, to: usize) -> usize
    where
        P: Arrival<L, R, A, B, M>,
        P::KeyFn: KeyFn<P::Record, Key = A::Key>,
    {
        let Self { key, join, hashes, info, .. } = self;
        let key = P::key(key);
        let guard = Guard::new(info);
        hash_keys(records, (from, to), key, hashes);
        if join.chunks.wants_prefetch() {
            hashes[..to - from].iter().for_each(|hash| join.chunks.prefetch(chunk::row_hash(*hash, 0)));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            let done = key.with(record, |key| join.take::<P>(*hash, key, P::kept(record), at));
            if !done || join.next.is_full() {
                guard.done();
                return i + usize::from(done);
            }
        }
        guard.done();
        to
    }
}

impl<L, R, A, B, M, N> Head for IncrementalHead<L, R, A, B, M, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    M: Incremental<L, R>,
    N: Push<M::Out>,
{
    fn poll(&mut self, _: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        Ok(match input.port() {
            None => Progress::Consumed,
            Some(0) => self.take::<Left>(input),
            Some(_) => self.take::<Right>(input),
        })
    }

    fn is_between_records(&self) -> bool {
        self.join.pending.is_none()
    }

    fn background(&mut self) -> Background {
        self.snapshots.walk(&mut self.join.chunks)
    }

    fn is_held_up(&mut self) -> bool {
        self.join.chunks.is_full()
    }

    fn state_bytes(&mut self) -> usize {
        self.snapshots.measure(&mut self.join.chunks)
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(self.snapshots.restore(|block| restore_spilling(&mut self.join.chunks, block)))
    }
}

impl<L, R, A, B, M, N> Stage for IncrementalHead<L, R, A, B, M, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    M: Incremental<L, R>,
    N: Push<M::Out>,
{
    fn signal(&mut self, signal: Signal) {
        if let Signal::Barrier(barrier) = signal {
            let frozen = self.snapshots.freeze(&mut self.join.chunks);
            self.state
                .report(barrier, frozen.map(|upload| OperatorReport { uploads: vec![upload], values: Vec::new() }));
        }
        self.join.next.signal(signal);
    }

    fn is_full(&self) -> bool {
        self.join.next.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        self.join.next.flush(now)
    }

    fn idle(&mut self) {
        self.join.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        self.join.next.ready()
    }

    fn finish(&mut self) -> Wait<'_> {
        self.join.next.finish()
    }
}
