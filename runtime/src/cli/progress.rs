//! Progress while a job runs: a table that is redrawn in place on a terminal, a line every few seconds elsewhere.

use std::time::Duration;

use super::{
    format::{bytes, count, last_checkpoint, percent, restarts, short, span},
    live,
    sample::{Chain, Sample},
    samples::{Samples, View},
    screen::{Screen, terminal_size},
    table::shortened,
};

/// How often the table is redrawn.
const LIVE_INTERVAL: Duration = Duration::from_millis(200);
/// How often it is looked whether a line is due where there is no terminal.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often a line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// An operator's name is shortened to so many columns of the terminal.
const OPERATOR_WIDTH: usize = 24;

/// How progress is shown.
pub(super) enum Progress {
    /// Not at all.
    Quiet,
    /// A line every few seconds.
    Lines { samples: Samples, written: Duration },
    /// A table that is redrawn in place.
    Live { samples: Samples, strong: bool },
}

impl Progress {
    /// A table that is redrawn in place; `strong` if its header may be emphasised.
    pub(super) fn live(strong: bool) -> Self {
        Self::Live { samples: Samples::default(), strong }
    }

    /// A line every few seconds.
    pub(super) fn lines() -> Self {
        Self::Lines { samples: Samples::default(), written: Duration::ZERO }
    }

    /// How often it wants to be told.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::Live { .. } => LIVE_INTERVAL,
            Self::Quiet | Self::Lines { .. } => LOOK_INTERVAL,
        }
    }

    /// Shows where a job is.
    pub(super) fn show(&mut self, job: &str, sample: Sample, screen: &Screen) {
        match self {
            Self::Quiet => {}
            Self::Lines { samples, written } => {
                let elapsed = sample.elapsed;
                samples.push(sample);
                if elapsed.saturating_sub(*written) >= LINE_INTERVAL {
                    *written = elapsed;
                    let line = samples.view().map_or(String::new(), |view| line(&view));
                    screen.note(&format!("{job} after {}: {line}\n", span(elapsed)));
                }
            }
            Self::Live { samples, strong } => {
                samples.push(sample);
                let (width, height) = terminal_size();
                if let Some(view) = samples.view() {
                    screen.draw(&live::lines(job, &view, width, height, *strong));
                }
            }
        }
    }
}

/// Where a job is, on one line.
fn line(view: &View<'_>) -> String {
    let now = view.now;
    let mut parts = vec![
        format!("{} records", count(now.records_read())),
        format!("{} records/s", short(view.rate(Sample::records_read))),
    ];
    if now.bytes_read() > 0 {
        parts.push(format!("{}/s", bytes(view.rate(Sample::bytes_read))));
    }
    if let Some((read, size)) = view.read() {
        let left = view.left.map_or(String::new(), |left| format!(" ({} left)", coarse(left)));
        parts.push(format!("{} of {}{left}", percent(read, size), bytes(size as f64)));
    }
    if let Some(watermark) = now.watermark() {
        parts.push(format!("watermark {watermark}"));
    }
    parts.extend(now.checkpoints.iter().map(|checkpoints| last_checkpoint(&checkpoints.last)));
    parts.extend(restarts(now.restarts));
    for (what, nanos) in [("busiest", busy as fn(&Chain) -> u64), ("back-pressured", backpressured)] {
        if let Some((chain, percent)) = most(view, nanos) {
            parts.push(format!("{what}: {chain} {percent}%"));
        }
    }
    parts.join(", ")
}

pub(super) fn busy(chain: &Chain) -> u64 {
    chain.busy_nanos
}

pub(super) fn backpressured(chain: &Chain) -> u64 {
    chain.backpressured_nanos
}

/// A span that is only guessed: in whole seconds, and never nothing.
pub(super) fn coarse(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..60 => format!("{} s", seconds.max(1)),
        _ => span(left),
    }
}

/// The chain whose subtasks spend the largest share of their time on something, in per cent; `None` if none does. The busiest chain is where a job is
/// slow, the back-pressured one is what that holds up.
fn most(view: &View<'_>, nanos: fn(&Chain) -> u64) -> Option<(String, u64)> {
    let shares = view.now.chains.iter().enumerate().map(|(i, chain)| {
        let first = chain.name.split(" -> ").next().unwrap_or_default();
        (shortened(first, OPERATOR_WIDTH), view.share(i, nanos))
    });
    shares.max_by_key(|(_, percent)| *percent).filter(|(_, percent)| *percent > 0)
}

#[cfg(test)]
mod tests {
    use millstream_core::time::Timestamp;

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

    fn line_of(samples: impl IntoIterator<Item = Sample>) -> String {
        let mut all = Samples::default();
        samples.into_iter().for_each(|sample| all.push(sample));
        all.view().map_or(String::new(), |view| line(&view))
    }

    #[test]
    fn a_line_tells_rates_since_the_earlier_sample() {
        let line = line_of([sample(1, 1_000, 50_000), sample(3, 25_000, 1_250_000)]);
        assert_eq!(line, "25,000 records, 12.0 k records/s, 600 kB/s, busiest: source 50%");
    }

    #[test]
    fn a_known_size_gives_share_and_time_left() {
        let window = Chain {
            name: "window".into(),
            subtasks: 1,
            backpressured_nanos: 6_000_000_000,
            watermark: Some(Timestamp::from_millis(1_357_034_400_000)),
            ..Chain::default()
        };
        let mut now = sample(30, 9, 1_000_000);
        now.chains.push(window);
        now.input_bytes = Some(4_000_000);
        assert_eq!(
            line_of([now]),
            "9 records, 0 records/s, 33.3 kB/s, 25% of 4.00 MB (1 min 30 s left), watermark 2013-01-01T10:00:00Z, \
             busiest: source 50%, back-pressured: window 20%"
        );
    }

    #[test]
    fn nothing_is_said_of_bytes_that_nobody_counts() {
        assert_eq!(line_of([sample(0, 0, 0)]), "0 records, 0 records/s");
    }
}
