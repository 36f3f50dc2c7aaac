//! The summary at the end of a job: a line, a table of its chains, and what operators counted.

use std::time::Duration;

use super::{
    format::{bytes, count, last_checkpoint, percent, restarts, short, span},
    sample::{Chain, Sample},
    table::{Align, aligned, shortened},
};

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    /// Its sources were told to end.
    Drained,
    /// With a checkpoint to go on from.
    Stopped,
    Failed,
    Cancelled,
}

impl Ending {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Drained => "drained",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A chain's name is shortened to so many columns of the terminal.
const NAME_WIDTH: usize = 48;

const HEADER: [&str; 9] =
    ["chain", "subtasks", "records in", "records out", "bytes in", "bytes out", "busy", "idle", "back-pressured"];

/// The whole summary; `strong` is put around the first line and the header, for a terminal.
pub(super) fn text(job: &str, ending: Ending, sample: &Sample, strong: bool) -> String {
    let bold = |text: &str| if strong { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    let mut out = format!("{}\n", bold(&headline(job, ending, sample)));
    if let Some(fared) = fared(sample) {
        out.push_str(&format!("{fared}\n"));
    }
    let rows = sample.chains.iter().map(|chain| row(chain, sample.elapsed));
    let rows: Vec<_> = std::iter::once(HEADER.map(str::to_owned)).chain(rows).collect();
    let columns = std::array::from_fn(|i| if i == 0 { Align::Left } else { Align::Right });
    let mut lines = aligned(columns, &rows).into_iter();
    let header = lines.next().unwrap_or_default();
    out.push_str(&format!("\n{}\n", bold(&header)));
    lines.for_each(|line| out.push_str(&format!("{line}\n")));
    if !sample.counters.is_empty() {
        let counted = sample.counters.iter();
        let rows: Vec<_> =
            counted.map(|(operator, name, n)| [name.clone(), count(*n), format!("in {operator}")]).collect();
        out.push('\n');
        let lines = aligned([Align::Left, Align::Right, Align::Left], &rows);
        lines.iter().for_each(|line| out.push_str(&format!("{line}\n")));
    }
    out
}

fn headline(job: &str, ending: Ending, sample: &Sample) -> String {
    let ended = match ending {
        Ending::Done => "done in",
        Ending::Drained => "drained after",
        Ending::Stopped => "stopped after",
        Ending::Failed => "failed after",
        Ending::Cancelled => "cancelled after",
    };
    let seconds = sample.elapsed.as_secs_f64().max(1e-6);
    let (records, read) = (sample.records_read(), sample.bytes_read());
    let mut line = format!(
        "job `{job}` {ended} {}: {} records read, {} records/s",
        span(sample.elapsed),
        count(records),
        short(records as f64 / seconds)
    );
    if read > 0 {
        line.push_str(&format!(", {}, {}/s", bytes(read as f64), bytes(read as f64 / seconds)));
    }
    line
}

/// Checkpoints and restarts, on a line.
fn fared(sample: &Sample) -> Option<String> {
    let checkpoints = sample.checkpoints.as_ref().map(|checkpoints| {
        let failed = match checkpoints.failed {
            0 => String::new(),
            failed => format!(", {} failed", count(failed)),
        };
        format!(
            "checkpoints: {} completed{failed}, the last: {}",
            count(checkpoints.completed),
            last_checkpoint(&checkpoints.last)
        )
    });
    let parts: Vec<_> = checkpoints.into_iter().chain(restarts(sample.restarts)).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn row(chain: &Chain, elapsed: Duration) -> [String; HEADER.len()] {
    let known = chain.busy_nanos + chain.backpressured_nanos;
    // Whoever has ended, or was cancelled while it waited, was idle for the rest of the job.
    let all = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).saturating_mul(chain.subtasks as u64);
    let time = all.max(known + chain.idle_nanos);
    [
        shortened(&chain.name, NAME_WIDTH),
        chain.subtasks.to_string(),
        count(chain.records_in),
        count(chain.records_out),
        bytes(chain.bytes_in as f64),
        bytes(chain.bytes_out as f64),
        percent(chain.busy_nanos, time),
        percent(time - known, time),
        percent(chain.backpressured_nanos, time),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample::{Checkpoints, LastCheckpoint};

    fn flights() -> Sample {
        let second = 1_000_000_000;
        let source = Chain {
            name: "source flights.csv -> filter -> event time out of order 86400s -> key origin".into(),
            subtasks: 2,
            is_source: true,
            records_in: 336_776,
            bytes_in: 29_600_000,
            records_out: 22_222,
            bytes_out: 1_040_000,
            busy_nanos: 3 * second,
            idle_nanos: second / 2,
            backpressured_nanos: second / 2,
            watermark: None,
        };
        let window = Chain {
            name: "window -> map -> sink csv".into(),
            subtasks: 2,
            records_in: 22_222,
            bytes_in: 1_040_000,
            records_out: 19_000,
            busy_nanos: second,
            idle_nanos: 3 * second,
            ..Chain::default()
        };
        let counters =
            vec![("window".into(), "late_records".into(), 12), ("map parse".into(), "records_skipped".into(), 1234)];
        Sample { elapsed: Duration::from_millis(2000), chains: vec![source, window], counters, ..Sample::default() }
    }

    #[test]
    fn the_summary_is_a_table() {
        assert_eq!(
            text("flights", Ending::Done, &flights(), false),
            "\
job `flights` done in 2.00 s: 336,776 records read, 168 k records/s, 29.6 MB, 14.8 MB/s

chain                                             subtasks  records in  records out  bytes in  bytes out  busy  idle  back-pressured
source flights.csv -> fi…er 86400s -> key origin         2     336,776       22,222   29.6 MB    1.04 MB   75%   12%             12%
window -> map -> sink csv                                2      22,222       19,000   1.04 MB        0 B   25%   75%              0%

late_records        12  in window
records_skipped  1,234  in map parse
"
        );
    }

    #[test]
    fn checkpoints_and_restarts_are_told_if_there_were_any() {
        let last = LastCheckpoint { number: 7, took: Duration::from_millis(120), bytes: 1_200_000, has_failed: false };
        let second = |checkpoints, restarts| {
            let sample = Sample { checkpoints: Some(checkpoints), restarts, ..flights() };
            text("flights", Ending::Stopped, &sample, false).lines().nth(1).unwrap_or_default().to_owned()
        };
        assert_eq!(
            second(Checkpoints { completed: 7, failed: 0, last }, 0),
            "checkpoints: 7 completed, the last: checkpoint 7 (120 ms, 1.20 MB)"
        );
        let last = LastCheckpoint { has_failed: true, ..last };
        assert_eq!(
            second(Checkpoints { completed: 4, failed: 3, last }, 2),
            "checkpoints: 4 completed, 3 failed, the last: checkpoint 7 failed; 2 restarts"
        );
    }

    #[test]
    fn a_job_that_never_ran_divides_by_nothing() {
        let chain = Chain { name: "source".into(), subtasks: 1, ..Chain::default() };
        let text = text("early", Ending::Failed, &Sample { chains: vec![chain], ..Sample::default() }, false);
        assert!(text.starts_with("job `early` failed after 0 ms: 0 records read, 0 records/s\n"), "{text}");
        assert!(text.contains("0 B     -     -               -\n"), "{text}");
    }
}
