//! [`Cache`]: answers that are kept for records that ask for the same.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use lru::LruCache;
use millstream_core::{packed::Packed, record::Record};

use super::options::CacheOptions;
use crate::env::Instant;

/// What was put out for what was asked for, encoded. Of more than there is room for, those stay that were used last.
pub(super) struct Cache<T: Record> {
    entries: LruCache<Box<[u8]>, Entry<T>>,
    ttl: Option<Duration>,
}

struct Entry<T: Record> {
    answer: Arc<Packed<T>>,
    since: Instant,
}

impl<T: Record> Cache<T> {
    pub(super) fn new(options: CacheOptions) -> Self {
        // The map is made for what comes, and not for all that may.
        let mut entries = LruCache::unbounded();
        entries.resize(NonZeroUsize::new(options.entries).unwrap_or(NonZeroUsize::MIN));
        Self { entries, ttl: options.ttl }
    }

    /// The answer to a request, if it counts still.
    pub(super) fn get(&mut self, request: &[u8], now: Instant) -> Option<Arc<Packed<T>>> {
        let entry = self.entries.get(request)?;
        if self.ttl.is_some_and(|ttl| now.since(entry.since) >= ttl) {
            self.entries.pop(request);
            return None;
        }
        Some(Arc::clone(&entry.answer))
    }

    /// Keeps the answer to a request.
    pub(super) fn put(&mut self, request: Box<[u8]>, answer: Packed<T>, now: Instant) {
        self.entries.put(request, Entry { answer: Arc::new(answer), since: now });
    }
}

#[cfg(test)]
mod tests {
    use millstream_core::packed::Packer;

    use super::*;

    fn packed(value: u64) -> Packed<u64> {
        let mut packed = Packed::default();
        packed.push(&mut Packer::default(), value).expect("it is small");
        packed
    }

    #[test]
    fn answers_are_kept_until_others_need_the_room_or_their_time_is_over() {
        let seconds = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let mut cache = Cache::new(CacheOptions { entries: 2, ttl: Some(Duration::from_secs(10)) });
        cache.put([1].into(), packed(1), seconds(0));
        cache.put([2].into(), packed(2), seconds(5));
        let mut get = |request: u8, now| {
            let answer = cache.get(&[request], seconds(now));
            answer.and_then(|answer| answer.iter().next())
        };
        assert_eq!([get(1, 1), get(2, 6), get(3, 6)], [Some(1), Some(2), None]);
        assert_eq!([get(1, 10), get(2, 14), get(2, 15)], [None, Some(2), None]);
        for request in 4..7 {
            cache.put([request].into(), packed(u64::from(request)), seconds(20));
        }
        let kept: Vec<_> = (4..7).filter(|request| cache.get(&[*request], seconds(20)).is_some()).collect();
        assert_eq!(kept, [5, 6]);
    }
}
