//! Progress while a job runs: a live line on a terminal, a line every few seconds elsewhere.

use std::{collections::VecDeque, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use millstream_core::time::Timestamp;

use super::{
    Console,
    format::{bytes, count, percent, short, shortened, span},
    sample::{Chain, Sample},
};

/// How often a live line is renewed.
const LIVE_INTERVAL: Duration = Duration::from_millis(200);
/// How often a line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// An operator's name is shortened to so many characters.
const OPERATOR_CHARS: usize = 24;
/// Over how many intervals a rate is taken: enough for a steady figure, few enough to see a change.
const RATE_INTERVALS: usize = 5;

/// How progress is shown.
pub(super) enum Progress {
    /// Not at all.
    Quiet,
    /// A line every few seconds.
    Lines { samples: Samples, written: Duration },
    /// A line that changes in place.
    Live { samples: Samples, bar: ProgressBar, known_size: bool },
}

impl Progress {
    /// A line that changes in place, on standard error.
    pub(super) fn live() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(style("{spinner} {wide_msg}"));
        Self::Live { samples: Samples::default(), bar, known_size: false }
    }

    /// A line every few seconds.
    pub(super) fn lines() -> Self {
        Self::Lines { samples: Samples::default(), written: Duration::ZERO }
    }

    /// How often it wants to be told.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::Live { .. } => LIVE_INTERVAL,
            Self::Quiet | Self::Lines { .. } => Duration::from_secs(1),
        }
    }

    /// Shows where a job is.
    pub(super) fn show(&mut self, job: &str, sample: Sample, console: &mut Console<'_>) {
        match self {
            Self::Quiet => {}
            Self::Lines { samples, written } => {
                let elapsed = sample.elapsed;
                samples.push(sample);
                if elapsed.saturating_sub(*written) >= LINE_INTERVAL {
                    *written = elapsed;
                    let line = samples.line();
                    console.note(&format!("{job} after {}: {line}\n", span(elapsed)));
                }
            }
            Self::Live { samples, bar, known_size } => {
                if sample.input_bytes.is_some() && !std::mem::replace(known_size, true) {
                    bar.set_style(style("{spinner} [{bar:24}] {wide_msg}"));
                }
                let (read, size) = (sample.bytes_read(), sample.input_bytes);
                samples.push(sample);
                bar.set_message(format!("{job}: {}", samples.line()));
                if let Some(size) = size {
                    bar.set_length(size);
                    bar.set_position(read.min(size));
                }
                bar.tick();
            }
        }
    }

    /// Writes something that stays, above a live line.
    pub(super) fn note(&self, text: &str, console: &mut Console<'_>) {
        match self {
            Self::Live { bar, .. } => bar.suspend(|| console.note(text)),
            Self::Quiet | Self::Lines { .. } => console.note(text),
        }
    }

    /// Takes a live line away.
    pub(super) fn end(&self) {
        if let Self::Live { bar, .. } = self {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is a constant of this file");
    style.progress_chars("=> ")
}

/// The last samples, from which rates are taken.
#[derive(Default)]
pub(super) struct Samples(VecDeque<Sample>);

impl Samples {
    fn push(&mut self, sample: Sample) {
        if self.0.len() > RATE_INTERVALS {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    fn line(&self) -> String {
        match self.0.back() {
            Some(now) => line(self.0.front().filter(|_| self.0.len() > 1).unwrap_or(&Sample::default()), now),
            None => String::new(),
        }
    }
}

/// Where a job is, from an earlier and the present sample.
fn line(before: &Sample, now: &Sample) -> String {
    let seconds = now.elapsed.saturating_sub(before.elapsed).as_secs_f64().max(1e-3);
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
    let mut parts = vec![
        format!("{} records", count(now.records_read())),
        format!("{} records/s", short(rate(before.records_read(), now.records_read()))),
    ];
    if now.bytes_read() > 0 {
        parts.push(format!("{}/s", bytes(rate(before.bytes_read(), now.bytes_read()))));
    }
    if let Some(size) = now.input_bytes {
        let read = now.bytes_read().min(size);
        parts.push(format!("{} of {}{}", percent(read, size), bytes(size as f64), left(now.elapsed, read, size)));
    }
    if let Some(watermark) = now.watermark_millis {
        parts.push(format!("watermark {}", Timestamp::from_millis(watermark)));
    }
    for (what, nanos) in [("busiest", busy as fn(&Chain) -> u64), ("back-pressured", backpressured)] {
        if let Some((chain, percent)) = most(before, now, seconds, nanos) {
            parts.push(format!("{what}: {chain} {percent}%"));
        }
    }
    parts.join(", ")
}

fn busy(chain: &Chain) -> u64 {
    chain.busy_nanos
}

fn backpressured(chain: &Chain) -> u64 {
    chain.backpressured_nanos
}

/// The chain whose subtasks spend the largest share of their time on something, in per cent; `None` if none does. The busiest chain is where a job is
/// slow, the back-pressured one is what that holds up.
fn most(before: &Sample, now: &Sample, seconds: f64, nanos: fn(&Chain) -> u64) -> Option<(String, u64)> {
    let share = |(i, chain): (usize, &Chain)| {
        let spent = nanos(chain).saturating_sub(before.chains.get(i).map_or(0, nanos));
        let available = seconds * 1e9 * chain.subtasks as f64;
        let first = chain.name.split(" -> ").next().unwrap_or_default();
        (shortened(first, OPERATOR_CHARS), (spent as f64 * 100.0 / available).min(100.0) as u64)
    };
    now.chains.iter().enumerate().map(share).max_by_key(|(_, percent)| *percent).filter(|(_, percent)| *percent > 0)
}

/// How long the rest of the input takes if it is read as fast as the input so far.
fn left(elapsed: Duration, read: u64, size: u64) -> String {
    if read == 0 || read >= size {
        return String::new();
    }
    let rest = elapsed.mul_f64((size - read) as f64 / read as f64);
    match rest.as_secs() {
        0..60 => format!(" ({} s left)", rest.as_secs().max(1)),
        _ => format!(" ({} left)", span(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64, records: u64, bytes: u64) -> Sample {
        let nanos = seconds * 1_000_000_000;
        let source = Chain {
            name: "source -> map".into(),
            subtasks: 2,
            is_source: true,
            records_in: records,
            bytes_in: bytes,
            busy_nanos: nanos,
            ..Chain::default()
        };
        Sample { elapsed: Duration::from_secs(seconds), chains: vec![source], ..Sample::default() }
    }

    #[test]
    fn a_line_tells_rates_since_the_earlier_sample() {
        let line = line(&sample(1, 1_000, 50_000), &sample(3, 25_000, 1_250_000));
        assert_eq!(line, "25,000 records, 12.0 k records/s, 600 kB/s, busiest: source 50%");
    }

    #[test]
    fn a_known_size_gives_share_and_time_left() {
        let window =
            Chain { name: "window".into(), subtasks: 1, backpressured_nanos: 6_000_000_000, ..Chain::default() };
        let mut now = sample(30, 9, 1_000_000);
        now.chains.push(window);
        now.input_bytes = Some(4_000_000);
        now.watermark_millis = Some(1_357_034_400_000);
        assert_eq!(
            line(&Sample::default(), &now),
            "9 records, 0 records/s, 33.3 kB/s, 25% of 4.00 MB (1 min 30 s left), watermark 2013-01-01T10:00:00Z, \
             busiest: source 50%, back-pressured: window 20%"
        );
    }

    #[test]
    fn nothing_is_said_of_bytes_that_nobody_counts() {
        assert_eq!(line(&Sample::default(), &sample(0, 0, 0)), "0 records, 0 records/s");
    }

    #[test]
    fn a_rate_is_taken_over_the_last_samples() {
        let mut samples = Samples::default();
        for second in 0..20 {
            samples.push(sample(second, if second < 10 { 0 } else { (second - 9) * 100 }, 0));
        }
        assert!(samples.line().starts_with("1,000 records, 100 records/s"), "{}", samples.line());
    }
}
