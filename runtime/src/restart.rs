//! [`RestartStrategy`]: whether a job that failed is started again from its last checkpoint, and after how long; `Restarts` keeps count.

mod text;

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

pub(crate) use self::text::ALLOWED;
use crate::{env::Instant, settings::show_duration};

/// The most failures that [`RestartStrategy::FailureRate`] may allow: it remembers when each of them was.
pub const FAILURES_LIMIT: u32 = 1_000;

/// Whether, and after how long, a job that failed is started again.
///
/// As text, for the setting `restart`: `none`, `fixed-delay(3, 10s)`, `exponential-delay`, `failure-rate(3 per 5min, 10s)`. What is left out has its
/// default, values may be named (`exponential-delay(max=30s, attempts=0)`), and `fixed` and `exponential` are enough of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestartStrategy {
    /// Not at all.
    None,
    /// Each time after the same delay.
    FixedDelay {
        /// How often in all, over the whole run; 0 for any number. Default 3.
        attempts: u32,
        /// The time from a failure to the restart. Default 1 s.
        delay: Duration,
    },
    /// After delays that grow, until the job has run for a while.
    ExponentialDelay {
        /// The first delay, and the shortest. Default 100 ms.
        initial: Duration,
        /// The longest. Default 1 min.
        max: Duration,
        /// How long a delay is to the one before it, in per cent. Default 200: twice as long.
        multiplier_percent: u32,
        /// By how much a delay may differ from what was calculated, up or down, in per cent, so that jobs that failed together do not all come back
        /// together. Default 10.
        jitter_percent: u32,
        /// After so much time without a failure the next delay is the first again. Default 5 min.
        reset_after: Duration,
        /// How often in a row without a completed checkpoint in between; 0 for any number. Default 10.
        attempts: u32,
    },
    /// Each time after the same delay, unless there are too many failures in a span of time.
    FailureRate {
        /// How many failures are allowed in the span, at most [`FAILURES_LIMIT`]. Default 3.
        failures: u32,
        /// The span. Default 5 min.
        per: Duration,
        /// The time from a failure to the restart. Default 1 s.
        delay: Duration,
    },
}

impl RestartStrategy {
    /// Fixed delays, with defaults.
    pub const FIXED_DELAY: Self = Self::FixedDelay { attempts: 3, delay: Duration::from_secs(1) };
    /// Growing delays, with defaults.
    pub const EXPONENTIAL_DELAY: Self = Self::ExponentialDelay {
        initial: Duration::from_millis(100),
        max: Duration::from_secs(60),
        multiplier_percent: 200,
        jitter_percent: 10,
        reset_after: Duration::from_secs(300),
        attempts: 10,
    };
    /// A bounded rate of failures, with defaults.
    pub const FAILURE_RATE: Self =
        Self::FailureRate { failures: 3, per: Duration::from_secs(300), delay: Duration::from_secs(1) };
}

/// What is done about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Start the job again after this time.
    RestartAfter(Duration),
    /// Let the failure end it. Says why, as a part of a sentence.
    GiveUp(String),
}

/// Keeps count of a job's failures, and decides what is done about each.
#[derive(Debug)]
pub(crate) struct Restarts {
    strategy: RestartStrategy,
    /// Restarts that count against the attempts of the strategy.
    attempts: u32,
    /// The delay before the last restart, without its jitter, and when the job ran again by it.
    last: Option<(Duration, Instant)>,
    /// When the last failures were, for a rate; no more than the strategy allows.
    failures: VecDeque<Instant>,
}

impl Restarts {
    pub(crate) fn new(strategy: RestartStrategy) -> Self {
        Self { strategy, attempts: 0, last: None, failures: VecDeque::new() }
    }

    /// The job has completed a checkpoint: its next failure is none in a row with those before.
    pub(crate) fn on_stable(&mut self) {
        // A fixed delay counts over the whole run.
        if matches!(self.strategy, RestartStrategy::ExponentialDelay { .. }) {
            self.attempts = 0;
        }
    }

    /// The job has failed. `random` decides the jitter.
    pub(crate) fn on_failure(&mut self, now: Instant, random: u64) -> Decision {
        match self.strategy {
            RestartStrategy::None => Decision::GiveUp("it is not to be restarted (restart strategy `none`)".to_owned()),
            RestartStrategy::FixedDelay { attempts, delay } => self.attempt(attempts, "").unwrap_or_else(|| {
                self.attempts = self.attempts.saturating_add(1);
                Decision::RestartAfter(delay)
            }),
            RestartStrategy::ExponentialDelay {
                initial,
                max,
                multiplier_percent,
                jitter_percent,
                reset_after,
                attempts,
            } => {
                if self.last.is_some_and(|(_, since)| now.since(since) >= reset_after) {
                    (self.last, self.attempts) = (None, 0);
                }
                if let Some(given_up) = self.attempt(attempts, " without a completed checkpoint in between") {
                    return given_up;
                }
                self.attempts = self.attempts.saturating_add(1);
                let grown = self.last.map_or(initial, |(before, _)| percent(before, multiplier_percent));
                let calculated = grown.clamp(initial, max.max(initial));
                let delay = jittered(calculated, jitter_percent, random).clamp(initial, max.max(initial));
                self.last = Some((calculated, now + delay));
                Decision::RestartAfter(delay)
            }
            RestartStrategy::FailureRate { failures, per, delay } => {
                if self.failures.len() >= failures as usize {
                    let earliest = self.failures.pop_front();
                    if earliest.is_none_or(|earliest| now.since(earliest) <= per) {
                        let strategy = &self.strategy;
                        return Decision::GiveUp(format!(
                            "it has failed more than {failures} times in {} (restart strategy `{strategy}`)",
                            show_duration(per)
                        ));
                    }
                }
                self.failures.push_back(now);
                Decision::RestartAfter(delay)
            }
        }
    }

    /// Gives up if there have been so many restarts; 0 is no bound.
    fn attempt(&self, bound: u32, of_which: &str) -> Option<Decision> {
        let strategy = &self.strategy;
        (bound > 0 && self.attempts >= bound).then(|| {
            Decision::GiveUp(format!("it has been restarted {bound} times{of_which} (restart strategy `{strategy}`)"))
        })
    }
}

/// So many per cent of a duration.
fn percent(of: Duration, percent: u32) -> Duration {
    of.saturating_mul(percent) / 100
}

/// A duration that differs by up to so many per cent, as a random number says.
fn jittered(of: Duration, jitter_percent: u32, random: u64) -> Duration {
    let most = u64::try_from(percent(of, jitter_percent).as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 4);
    // From 0 to twice the most, by the upper half of a product: no number is much likelier than another.
    let above = (u128::from(random) * u128::from(2 * most + 1)) >> 64;
    of.saturating_add(Duration::from_nanos(above as u64)).saturating_sub(Duration::from_nanos(most))
}
