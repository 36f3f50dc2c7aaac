//! [`AsyncOptions`]: how many calls may be in flight, in which order their answers are put out, how long they may take, and what then.

use std::time::Duration;

/// How many calls of a subtask are in flight if nobody says otherwise, as in Flink.
pub const DEFAULT_CAPACITY: usize = 100;
/// How many calls of a blocking function of a subtask run at a time if nobody says otherwise.
pub const DEFAULT_CLIENTS: usize = 4;
/// The most calls of a subtask that may be in flight.
pub const LIMIT_CAPACITY: usize = 1 << 20;
/// The longest that a further attempt waits if nobody says otherwise.
pub const DEFAULT_BACKOFF_LIMIT: Duration = Duration::from_secs(30);
/// The first wait before a further attempt if nobody says otherwise.
pub const DEFAULT_BACKOFF: Duration = Duration::from_millis(100);

/// In which order answers are put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In that of their records.
    Ordered,
    /// As they come; but none overtakes a watermark.
    Unordered,
    /// As they come, and one after the other for each key: a call begins when that for the record before of its key is over.
    ByKey,
}

/// How a call is made again that has failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// How often, besides the first time.
    pub times: u32,
    /// How long is waited before the second attempt.
    pub backoff: Duration,
    /// By how much longer each further wait is than that before.
    pub factor: f64,
    /// The longest wait.
    pub limit: Duration,
}

impl Retry {
    /// With the same wait before each attempt.
    pub const fn fixed(times: u32, backoff: Duration) -> Self {
        Self { times, backoff, factor: 1.0, limit: backoff }
    }

    /// With waits that double, up to a limit. A random share of half of each is left out, so that those who failed together do not come back together.
    pub const fn exponential(times: u32, backoff: Duration, limit: Duration) -> Self {
        Self { times, backoff, factor: 2.0, limit }
    }

    /// How long to wait before the attempt behind `made` ones.
    pub(super) fn wait(&self, made: u32, random: u64) -> Duration {
        let exponent = i32::try_from(made.saturating_sub(1)).unwrap_or(i32::MAX);
        let longest = self.backoff.as_secs_f64() * self.factor.powi(exponent);
        let wait = Duration::try_from_secs_f64(longest).unwrap_or(self.limit).min(self.limit);
        if self.factor == 1.0 {
            return wait;
        }
        // The upper bits make a share between a half and one.
        let share = 1.0 - (random >> 11) as f64 / (1_u64 << 53) as f64 / 2.0;
        wait.mul_f64(share)
    }
}

/// How answers are kept for records that ask for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// How many answers each subtask keeps: those that were used last.
    pub entries: usize,
    /// How long one counts; `None` for as long as it is kept.
    pub ttl: Option<Duration>,
}

/// How records are asked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// How many records a call has at most.
    pub max: usize,
    /// How long the first waits for others.
    pub linger: Duration,
}

/// How an operator makes its calls. Attributes such as `#[async_map]` say it, and methods of [`Asynchronous`](super::Asynchronous) change it where the operator is put in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AsyncOptions {
    /// How many calls of each subtask may be in flight. Records wait in front of the operator while there are as many.
    pub capacity: usize,
    /// In which order answers are put out.
    pub order: Order,
    /// How long a call may take, further attempts and the waits before them included; `None` for as long as it wants.
    pub timeout: Option<Duration>,
    /// How long one attempt may take; then it counts as one that has failed.
    pub attempt_timeout: Option<Duration>,
    /// How often a call that failed is made again.
    pub retry: Option<Retry>,
    /// Whether answers are kept.
    pub cache: Option<CacheOptions>,
    /// How records are asked for together, if they are.
    pub batch: Option<BatchOptions>,
    /// How many calls are made in a second at most, by all subtasks together; `None` for as many as there are.
    pub rate: Option<f64>,
}

impl AsyncOptions {
    /// One hundred calls in flight, answers in order; no timeout, no second attempt, no cache.
    pub const DEFAULT: Self = Self {
        capacity: DEFAULT_CAPACITY,
        order: Order::Ordered,
        timeout: None,
        attempt_timeout: None,
        retry: None,
        cache: None,
        batch: None,
        rate: None,
    };

    /// What is wrong with them, and how to repair it.
    pub(super) fn mistake(&self) -> Option<String> {
        if self.capacity == 0 || self.capacity > LIMIT_CAPACITY {
            return Some(format!(
                "a capacity of {} lets no call begin, or more than there can be: say how many calls may be in flight, from 1 to {LIMIT_CAPACITY}",
                self.capacity
            ));
        }
        if self.timeout == Some(Duration::ZERO) || self.attempt_timeout == Some(Duration::ZERO) {
            return Some(
                "no call can be answered within a timeout of 0: say how long it may take, or leave the timeout out"
                    .into(),
            );
        }
        if self.batch.is_some_and(|batch| batch.max == 0) {
            return Some(
                "a batch of 0 records asks for nothing: say how many records a call may have, from 1 on".into(),
            );
        }
        if self.cache.is_some_and(|cache| cache.entries == 0) {
            return Some(
                "a cache of 0 entries keeps nothing: say how many answers are kept, or leave the cache out".into(),
            );
        }
        let rate = self.rate.filter(|rate| !(rate.is_finite() && *rate > 0.0))?;
        Some(format!("a rate of {rate} calls a second lets no call begin: say a number above 0, or leave the rate out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit_and_none_is_shorter_than_half() {
        let millis = Duration::from_millis;
        let retry = Retry::exponential(9, millis(100), millis(1_000));
        let longest: Vec<_> = (1..7).map(|made| retry.wait(made, 0)).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_000, 1_000].map(millis));
        let shortest = retry.wait(2, u64::MAX);
        assert!((millis(100)..millis(101)).contains(&shortest), "{shortest:?}");
        assert_eq!(retry.wait(u32::MAX, 0), millis(1_000));
        let fixed = Retry::fixed(2, millis(50));
        assert_eq!([fixed.wait(1, u64::MAX), fixed.wait(9, 7)], [millis(50); 2]);
    }

    #[test]
    fn options_that_let_nothing_happen_are_mistakes() {
        let good = AsyncOptions::DEFAULT;
        assert_eq!(good.mistake(), None);
        let bad = [
            AsyncOptions { capacity: 0, ..good },
            AsyncOptions { capacity: usize::MAX, ..good },
            AsyncOptions { timeout: Some(Duration::ZERO), ..good },
            AsyncOptions { cache: Some(CacheOptions { entries: 0, ttl: None }), ..good },
            AsyncOptions { batch: Some(BatchOptions { max: 0, linger: Duration::ZERO }), ..good },
            AsyncOptions { rate: Some(0.0), ..good },
            AsyncOptions { rate: Some(f64::NAN), ..good },
        ];
        for options in bad {
            assert!(options.mistake().is_some(), "{options:?}");
        }
    }
}
