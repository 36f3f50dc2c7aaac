//! [`Samples`]: the last samples of a job, from which rates and the time left are taken.

use std::{collections::VecDeque, time::Duration};

use super::sample::{Chain, Sample};

/// Over how many intervals a rate is taken: enough for a steady figure, few enough to see a change.
const RATE_INTERVALS: usize = 5;
/// The time left is told from a rate in which what was measured longer ago than this hardly counts.
const SMOOTHING: Duration = Duration::from_secs(5);

/// The last samples.
#[derive(Debug, Default)]
pub(super) struct Samples {
    last: VecDeque<Sample>,
    /// Bytes per second, smoothed.
    bytes_per_second: Option<f64>,
}

impl Samples {
    pub(super) fn push(&mut self, sample: Sample) {
        let before = self.last.back();
        let span = sample.elapsed.saturating_sub(before.map_or(Duration::ZERO, |before| before.elapsed));
        if !span.is_zero() {
            let read = sample.bytes_read().saturating_sub(before.map_or(0, Sample::bytes_read));
            let rate = read as f64 / span.as_secs_f64();
            let weight = 1.0 - (-span.as_secs_f64() / SMOOTHING.as_secs_f64()).exp();
            self.bytes_per_second =
                Some(self.bytes_per_second.map_or(rate, |before| before + (rate - before) * weight));
        }
        if self.last.len() > RATE_INTERVALS {
            self.last.pop_front();
        }
        self.last.push_back(sample);
    }

    /// Where the job is; `None` before the first sample.
    pub(super) fn view(&self) -> Option<View<'_>> {
        let now = self.last.back()?;
        Some(View { before: self.last.front().filter(|_| self.last.len() > 1), now, left: self.left(now) })
    }

    /// How long the rest of the input takes, if its size is known.
    fn left(&self, now: &Sample) -> Option<Duration> {
        let rest = now.input_bytes?.checked_sub(now.bytes_read()).filter(|rest| *rest > 0)?;
        let rate = self.bytes_per_second.filter(|rate| *rate >= 1.0)?;
        Duration::try_from_secs_f64(rest as f64 / rate).ok()
    }
}

/// An earlier sample (the job's beginning, if there is none), the present one, and how long the rest takes.
pub(super) struct View<'a> {
    before: Option<&'a Sample>,
    pub(super) now: &'a Sample,
    pub(super) left: Option<Duration>,
}

impl View<'_> {
    fn span(&self) -> Duration {
        let before = self.before.map_or(Duration::ZERO, |before| before.elapsed);
        self.now.elapsed.saturating_sub(before).max(Duration::from_millis(1))
    }

    /// By how much a number of the job has grown, per second.
    pub(super) fn rate(&self, of: impl Fn(&Sample) -> u64) -> f64 {
        of(self.now).saturating_sub(self.before.map_or(0, of)) as f64 / self.span().as_secs_f64()
    }

    /// By how much a number of a chain has grown, per second.
    pub(super) fn chain_rate(&self, chain: usize, of: impl Fn(&Chain) -> u64) -> f64 {
        self.rate(|sample| sample.chains.get(chain).map_or(0, &of))
    }

    /// The share of its time that a chain has spent on something, in per cent.
    pub(super) fn share(&self, chain: usize, nanos: impl Fn(&Chain) -> u64) -> u64 {
        let subtasks = self.now.chains.get(chain).map_or(1, |chain| chain.subtasks.max(1));
        (self.chain_rate(chain, nanos) / 1e7 / subtasks as f64).min(100.0) as u64
    }

    /// The part of the input that has been read, and all of it, in bytes, if that is known.
    pub(super) fn read(&self) -> Option<(u64, u64)> {
        let size = self.now.input_bytes?;
        Some((self.now.bytes_read().min(size), size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64, bytes: u64) -> Sample {
        let source = Chain {
            subtasks: 2,
            is_source: true,
            records_in: bytes / 50,
            bytes_in: bytes,
            busy_nanos: seconds * 1_000_000_000,
            ..Chain::default()
        };
        let elapsed = Duration::from_secs(seconds);
        Sample { elapsed, chains: vec![source], input_bytes: Some(1_000_000), ..Sample::default() }
    }

    fn view(samples: &Samples) -> View<'_> {
        samples.view().expect("there are samples")
    }

    #[test]
    fn rates_are_taken_over_the_last_samples() {
        let mut samples = Samples::default();
        for second in 0..20 {
            samples.push(sample(second, if second < 10 { 0 } else { (second - 9) * 5_000 }));
        }
        assert_eq!(view(&samples).rate(Sample::records_read), 100.0);
        assert_eq!(view(&samples).chain_rate(0, |chain| chain.bytes_in), 5_000.0);
        assert_eq!(view(&samples).share(0, |chain| chain.busy_nanos), 50);
        assert_eq!(view(&samples).chain_rate(7, |chain| chain.bytes_in), 0.0);
    }

    #[test]
    fn a_first_sample_is_compared_with_the_beginning() {
        let mut samples = Samples::default();
        samples.push(sample(2, 1_000));
        assert_eq!(view(&samples).rate(Sample::bytes_read), 500.0);
        assert!(Samples::default().view().is_none());
    }

    #[test]
    fn the_time_left_follows_a_change_of_pace_without_a_jump() {
        let mut samples = Samples::default();
        samples.push(sample(10, 100_000));
        assert_eq!(view(&samples).left, Some(Duration::from_secs(90)));
        samples.push(sample(11, 100_000)); // a second without any progress
        let left = view(&samples).left.expect("there is a rate").as_secs();
        assert!((100..120).contains(&left), "{left}");
        for second in 12..100 {
            samples.push(sample(second, 100_000 + (second - 11) * 5_000));
        }
        let left = view(&samples).left.expect("there is a rate").as_secs();
        assert!((left as i64 - (900_000 - 88 * 5_000) / 5_000).abs() <= 1, "{left}");
    }

    #[test]
    fn nothing_is_left_of_what_has_been_read() {
        let mut samples = Samples::default();
        samples.push(sample(10, 1_000_000));
        assert_eq!(view(&samples).left, None);
        samples = Samples::default();
        samples.push(sample(10, 0));
        assert_eq!(view(&samples).left, None);
    }
}
