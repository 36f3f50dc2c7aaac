//! [`Cache`]: answers that are kept for records that ask for the same.

use std::{num::NonZeroUsize, time::Duration};

use lru::LruCache;

use super::options::CacheOptions;
use crate::env::Instant;

/// Answers by what was asked for, encoded. Of more than there is room for, those stay that were used last.
pub(super) struct Cache<A> {
    entries: LruCache<Box<[u8]>, Entry<A>>,
    ttl: Option<Duration>,
}

struct Entry<A> {
    answer: A,
    since: Instant,
}

impl<A> Cache<A> {
    pub(super) fn new(options: CacheOptions) -> Self {
        // The map is made for what comes, and not for all that may.
        let mut entries = LruCache::unbounded();
        entries.resize(NonZeroUsize::new(options.entries).unwrap_or(NonZeroUsize::MIN));
        Self { entries, ttl: options.ttl }
    }

    /// The answer to a request, if it counts still.
    pub(super) fn get(&mut self, request: &[u8], now: Instant) -> Option<&A> {
        let is_over = |entry: &Entry<A>| self.ttl.is_some_and(|ttl| now.since(entry.since) >= ttl);
        if self.entries.peek(request).is_some_and(is_over) {
            self.entries.pop(request);
        }
        self.entries.get(request).map(|entry| &entry.answer)
    }

    /// Keeps the answer to a request.
    pub(super) fn put(&mut self, request: Box<[u8]>, answer: A, now: Instant) {
        self.entries.put(request, Entry { answer, since: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_until_others_need_the_room_or_their_time_is_over() {
        let seconds = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let mut cache = Cache::new(CacheOptions { entries: 2, ttl: Some(Duration::from_secs(10)) });
        cache.put([1].into(), 10, seconds(0));
        cache.put([2].into(), 20, seconds(5));
        let mut get = |request: u8, now| cache.get(&[request], seconds(now)).copied();
        assert_eq!([get(1, 1), get(2, 6), get(3, 6)], [Some(10), Some(20), None]);
        assert_eq!([get(1, 10), get(2, 14), get(2, 15)], [None, Some(20), None]);
        for request in 4..7 {
            cache.put([request].into(), request, seconds(20));
        }
        let kept: Vec<_> = (4..7).filter(|request| cache.get(&[*request], seconds(20)).is_some()).collect();
        assert_eq!(kept, [5, 6]);
    }
}
