//! [`Queue`]: what is due when, for times that only go forward: a radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, 1990).
//!
//! What is due at a time lies in the bucket of the highest bit in which the time differs from that of the last one taken. The lowest bucket that has anything is
//! dealt out to those below it when it is reached, so an entry moves down at most once for each bit, and mostly two or three times in all.

use millstream_core::time::Timestamp;

const BUCKETS: usize = u64::BITS as usize + 1;

/// How many entries are dealt out in a step.
const DEAL_LIMIT: usize = 4 << 10;

/// Entries by time. None may be put in that is due before the last one that was taken.
pub(crate) struct Queue<T> {
    buckets: [Bucket<T>; BUCKETS],
    /// The time of the last one taken.
    last: u64,
    /// What is left of a bucket that is being dealt out, none of it before `last`.
    dealt: Vec<(u64, T)>,
    len: usize,
}

/// What a queue has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// An entry, and when it was due.
    Due(Timestamp, T),
    /// There may be some: a step is done, and the next has to follow before that is known.
    Dealing,
    /// None that is due.
    None,
}

struct Bucket<T> {
    entries: Vec<(u64, T)>,
    /// The first time in it; the greatest number if it is empty.
    first: u64,
}

/// In the order of unsigned numbers.
fn ordered(at: Timestamp) -> u64 {
    (at.millis() as u64) ^ (1 << 63)
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let bucket = |_| Bucket { entries: Vec::new(), first: u64::MAX };
        Self { buckets: std::array::from_fn(bucket), last: 0, dealt: Vec::new(), len: 0 }
    }
}

impl<T> Queue<T> {
    #[inline]
    pub(super) fn push(&mut self, at: Timestamp, entry: T) {
        debug_assert!(ordered(at) >= self.last, "time goes forward");
        self.len += 1;
        self.put(ordered(at).max(self.last), entry);
    }

    #[inline]
    fn put(&mut self, at: u64, entry: T) {
        let bucket = &mut self.buckets[(u64::BITS - (at ^ self.last).leading_zeros()) as usize];
        bucket.first = bucket.first.min(at);
        bucket.entries.push((at, entry));
    }

    /// Takes an entry of the earliest time, if that is at or before `until`.
    #[inline]
    pub(super) fn pop(&mut self, until: Timestamp) -> Next<T> {
        if self.len == 0 || self.first() > ordered(until) {
            return Next::None;
        }
        if self.buckets[0].entries.is_empty() && !self.deal() {
            return Next::Dealing;
        }
        match self.buckets[0].entries.pop() {
            Some((at, entry)) => {
                self.len -= 1;
                Next::Due(Timestamp::from_millis((at ^ (1 << 63)) as i64), entry)
            }
            None => Next::Dealing,
        }
    }

    /// The earliest time.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        (self.len > 0).then(|| Timestamp::from_millis((self.first() ^ (1 << 63)) as i64))
    }

    #[inline]
    fn first(&self) -> u64 {
        if !self.dealt.is_empty() {
            return self.last;
        }
        let bucket = self.buckets.iter().find(|bucket| !bucket.entries.is_empty());
        bucket.map_or(u64::MAX, |bucket| bucket.first)
    }

    /// Deals the first bucket that has anything out to those below it, a step of it. True if all of it is.
    #[cold]
    fn deal(&mut self) -> bool {
        if self.dealt.is_empty() {
            let Some(from) = self.buckets.iter().position(|bucket| !bucket.entries.is_empty()) else { return true };
            self.last = std::mem::replace(&mut self.buckets[from].first, u64::MAX);
            // Its memory is wanted again, in turns with that of the bucket before.
            std::mem::swap(&mut self.buckets[from].entries, &mut self.dealt);
        }
        for _ in 0..DEAL_LIMIT {
            let Some((at, entry)) = self.dealt.pop() else { return true };
            self.put(at, entry);
        }
        self.dealt.is_empty()
    }

    /// What it takes in memory, in bytes, without what entries own elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        let capacity = self.buckets.iter().map(|bucket| bucket.entries.capacity()).sum::<usize>();
        (capacity + self.dealt.capacity()) * size_of::<(u64, T)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn entries_come_in_the_order_of_time() {
        let mut random = 1_u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (random >> 33) % below
        };
        let (mut queue, mut model, mut now) = (Queue::default(), BTreeMap::<i64, u64>::new(), -5_000);
        for step in 0..20_000 {
            if draw(3) > 0 {
                let at = now + 1 + draw([1, 10, 5_000][step % 3]) as i64;
                queue.push(Timestamp::from_millis(at), ());
                *model.entry(at).or_default() += 1;
            } else {
                now += draw(50) as i64;
                loop {
                    let at = match queue.pop(Timestamp::from_millis(now)) {
                        Next::Due(at, ()) => at,
                        Next::Dealing => continue,
                        Next::None => break,
                    };
                    let mut first = model.first_entry().expect("there is as much in the model");
                    assert_eq!(at.millis(), *first.key());
                    *first.get_mut() -= 1;
                    if *first.get() == 0 {
                        first.remove();
                    }
                }
                assert!(model.first_key_value().is_none_or(|(at, _)| *at > now), "nothing that is due stays");
                assert_eq!(queue.next().map(Timestamp::millis), model.first_key_value().map(|(at, _)| *at));
            }
        }
    }

    #[test]
    fn very_many_are_dealt_out_in_steps() {
        let many = 10 * DEAL_LIMIT as i64;
        let mut queue = Queue::default();
        (0..many).for_each(|at| queue.push(Timestamp::from_millis(at), at));
        let (mut steps, mut found) = (0, Vec::new());
        loop {
            match queue.pop(Timestamp::MAX) {
                Next::Due(_, at) => found.push(at),
                // What comes meanwhile has its place.
                Next::Dealing if steps == 3 => {
                    queue.push(Timestamp::from_millis(many), many);
                    steps += 1;
                }
                Next::Dealing => steps += 1,
                Next::None => break,
            }
        }
        assert!(steps >= 10, "{steps} steps");
        assert!(found.is_sorted() && found.len() as i64 == many + 1);
    }

    #[test]
    fn the_ends_of_time_are_times() {
        let mut queue = Queue::default();
        for at in [Timestamp::MAX, Timestamp::MIN, Timestamp::from_millis(0)] {
            queue.push(at, at);
        }
        for at in [Timestamp::MIN, Timestamp::from_millis(0), Timestamp::MAX] {
            assert_eq!(queue.pop(Timestamp::MAX), Next::Due(at, at));
        }
        assert_eq!(queue.pop(Timestamp::MAX), Next::None);
    }
}
