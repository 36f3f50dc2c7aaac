//! How records and partial results get into the slices of their windows, and what becomes of those that come late.

use millstream_core::{
    aggregate::Aggregate,
    buffer::Records,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

use super::{
    assigner::{Assigner, Clock},
    head::{PREFETCH_RECORDS, Partial, WindowHead},
    kept::{Kept, Place},
    slices::Slices,
    stored::SliceTable,
};
use crate::{
    operator::{KeyFn, Push},
    task::{
        contain::Guard,
        head::{BatchCursor, TaskContext},
    },
};

impl<T, K, W, A, N> WindowHead<T, K, W, A, N>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    /// Adds records `from..to` to their slices: first all hashes, with their rows asked for, then the rows. Says which record is next: one that belongs to
    /// windows behind the watermark waits until none is firing.
    pub(super) fn add(&mut self, cx: &TaskContext, records: &Records<'_, T>, from: usize, to: usize) -> usize {
        let is_firing = self.is_firing();
        // A wall clock that is set back does not lead into windows that fire.
        let wall = cx.wall.max(self.due.after());
        let Self { key, windows, aggregate, kept, hashes, info, late, late_records, next, .. } = self;
        let closed = kept.closed;
        let mut leave_out = |record: T::View<'_>, at| {
            late_records.add(1);
            if let Some(late) = late {
                late.push(record, at);
            }
        };
        let guard = Guard::new(info);
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match records.hash(i) {
                Some(hash) => hash,
                None => key.with(records.get(i), |key| <K::Key as Key>::hash(key)),
            };
        }
        prefetch(&kept.stored.slices, &hashes[..to - from]);
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            let time = if W::CLOCK == Clock::Processing { wall } else { at };
            let slice = match kept.stored.slices.find(windows, time) {
                Ok(slice) if is_firing && slice.first_max <= closed.at => {
                    if windows.window_after(slice.window, closed.kept()).is_none() {
                        leave_out(record, at);
                        continue;
                    }
                    guard.done();
                    return i;
                }
                Ok(slice) => slice,
                Err(window)
                    if is_firing
                        && window.start <= closed.at
                        && windows.window_after(window, closed.kept()).is_some() =>
                {
                    guard.done();
                    return i;
                }
                Err(window) => match kept.open(windows, window, time) {
                    Place::Open => kept.stored.slices.get(window).expect("it has just been opened"),
                    Place::None => continue,
                    Place::Late => {
                        leave_out(record, at);
                        continue;
                    }
                },
            };
            if slice.first_max > closed.at {
                key.with(record, |key| {
                    aggregate.add(slice.table.entry(*hash, key, || aggregate.create()), record, at);
                });
            } else {
                let slice = slice.window;
                key.with(record, |key| add_behind(kept, windows, aggregate, slice, (*hash, key), record, at, next));
            }
        }
        guard.done();
        to
    }

    /// Merges what senders have aggregated.
    pub(super) fn merge(&mut self, input: &mut BatchCursor<'_>) {
        let partials = input.records::<Partial<K::Key, A::Acc>>().expect("a cursor with a port has records");
        let Self { windows, aggregate, kept, hashes, info, .. } = self;
        let guard = Guard::new(info);
        let (mut at, end) = (input.position(), partials.len());
        while at < end {
            let to = (at + PREFETCH_RECORDS).min(end);
            for (i, hash) in (at..to).zip(hashes.iter_mut()) {
                *hash = partials.hash(i).unwrap_or_else(|| <K::Key as Key>::hash(partials.get(i).0));
            }
            prefetch(&kept.stored.slices, &hashes[..to - at]);
            for (i, hash) in (at..to).zip(hashes.iter()) {
                let (key, slice, partial) = partials.get(i);
                // A sender aggregates only what its own watermark does not close, and flushes before it passes the watermark on.
                debug_assert!(slice.max_timestamp() > kept.closed.at, "a partial result is never late");
                let slice = match kept.stored.slices.get(slice) {
                    Some(slice) => slice,
                    None => match kept.open(windows, slice, slice.start) {
                        Place::Open => kept.stored.slices.get(slice).expect("it has just been opened"),
                        Place::Late | Place::None => continue,
                    },
                };
                aggregate.merge(slice.table.entry(*hash, key, || aggregate.create()), partial);
            }
            at = to;
        }
        guard.done();
        input.advance_to(end);
    }
}

/// Adds a record to a slice of which windows have fired: to all that is made of the slice, too, and these windows fire again for its key if late records
/// are allowed.
#[cold]
#[expect(clippy::too_many_arguments, reason = "the parts of a head, a record and a key, which are borrowed apart")]
fn add_behind<T: Record, K: Key, W: Assigner, A: Aggregate<T>, N: Push<(K, Window, A::Out)>>(
    kept: &mut Kept<K, A::Acc>,
    windows: &W,
    aggregate: &A,
    slice: Window,
    (hash, key): (u64, K::View<'_>),
    record: T::View<'_>,
    at: Timestamp,
    next: &mut N,
) {
    let Kept { stored, running, tree, closed, .. } = kept;
    let slices = &mut stored.slices;
    let closed = *closed;
    let number = slices.last_number();
    let open = slices.get(slice).expect("it is open");
    let is_new = open.table.get(hash, key).is_none();
    aggregate.add(open.table.entry(hash, key, || aggregate.create()), record, at);
    if open.entered {
        let (slices, accumulator) = running.entry(aggregate, (hash, key));
        *slices += u32::from(is_new);
        aggregate.add(accumulator, record, at);
    }
    tree.for_each_with(number, |node| {
        aggregate.add(node.entry(hash, key, || aggregate.create()), record, at);
    });
    if closed.lateness_ms == 0 {
        return;
    }
    let (owned, mut after) = (K::from_view(key), closed.kept());
    while let Some(window) = windows.window_after(slice, after)
        && window.max_timestamp() <= closed.at
    {
        after = window.end;
        let within = &slices.as_slice()[slices.within(window)];
        let mut rows = within.iter().filter_map(|slice| slice.table.get(hash, key));
        let Some(first) = rows.next() else { continue };
        let out = match rows.next() {
            None => aggregate.finish(first),
            Some(second) => {
                let mut all = aggregate.create();
                [first, second].into_iter().chain(rows).for_each(|row| aggregate.merge(&mut all, row.view()));
                aggregate.finish(&all)
            }
        };
        next.push((owned.view(), window, out.view()), window.max_timestamp());
    }
}

/// Asks for the rows that a batch is about to touch; in the slice that was used last, which mostly is the one of them all.
#[inline(always)]
fn prefetch<K: Key, V: Record>(slices: &Slices<SliceTable<K, V>>, hashes: &[u64]) {
    if let Some(table) = slices.last().filter(|table| table.wants_prefetch()) {
        hashes.iter().for_each(|hash| table.prefetch(*hash));
    }
}
