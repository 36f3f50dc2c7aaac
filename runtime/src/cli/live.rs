//! The table of a running job, as text made of samples: a line on the whole, and one a chain.

use std::time::Duration;

use super::{
    format::{bytes, count, last_checkpoint, percent, restarts, short, span},
    progress::{backpressured, busy, coarse},
    sample::{Chain, Sample},
    samples::View,
    table::{Align, GAP, padded, shortened, width},
};

/// A chain's name gets at least so many columns of the terminal; others are left out to make room for it.
const NAME_WIDTH_MIN: usize = 12;
/// And a bar so many.
const BAR_WIDTH: usize = 20;

/// A column besides the name.
struct Column {
    header: &'static str,
    /// So wide at least: what changes all the time must not make the table tremble.
    least: usize,
    /// Columns of the least weight are the first to be left out where there is no room.
    weight: u8,
    cell: fn(&View<'_>, usize, &Chain) -> String,
}

const COLUMNS: [Column; 6] = [
    Column { header: "records", least: 9, weight: 6, cell: |_, _, chain| count(chain.records_in) },
    Column {
        header: "per s",
        least: 6,
        weight: 4,
        cell: |view, i, _| short(view.chain_rate(i, |chain| chain.records_in)),
    },
    Column { header: "busy", least: 4, weight: 5, cell: |view, i, _| format!("{}%", view.share(i, busy)) },
    Column { header: "back-pr.", least: 8, weight: 3, cell: |view, i, _| format!("{}%", view.share(i, backpressured)) },
    // How far a job that never ends is behind says more than its watermark; with a job that reads what was stored it is the other way round.
    Column { header: "lag", least: 8, weight: 2, cell: |view, _, chain| lag(view.now, chain).unwrap_or_default() },
    Column {
        header: "watermark",
        least: 20,
        weight: 1,
        cell: |view, _, chain| {
            chain.watermark.filter(|_| view.now.is_bounded).map_or(String::new(), |at| at.to_string())
        },
    },
];

/// The lines for a terminal of so many columns and rows. None is as wide as the terminal, since some wrap then.
pub(super) fn lines(job: &str, view: &View<'_>, columns: usize, rows: usize, strong: bool) -> Vec<String> {
    let limit = columns.saturating_sub(1);
    // The line above the table, the one on the whole, the header, and one for the cursor below are no chains.
    let room = rows.saturating_sub(4);
    let mut lines = vec![overall(job, view, limit)];
    if room > 0 {
        let mut table = table(view, limit).into_iter();
        lines.extend(table.next().map(|header| if strong { format!("\x1b[1m{header}\x1b[0m") } else { header }));
        let chains = table.len();
        let shown = if chains <= room { chains } else { room - 1 };
        lines.extend(table.by_ref().take(shown));
        if shown < chains {
            lines.push(shortened(&format!("… and {} more chains", chains - shown), limit));
        }
    }
    lines
}

/// The header and one line a chain.
fn table(view: &View<'_>, limit: usize) -> Vec<String> {
    let chains = &view.now.chains;
    let mut columns: Vec<_> = COLUMNS
        .iter()
        .map(|column| {
            let cells: Vec<_> = chains.iter().enumerate().map(|(i, chain)| (column.cell)(view, i, chain)).collect();
            let widest = cells.iter().map(|cell| width(cell)).max().unwrap_or(0);
            (column, cells, widest.max(column.least).max(width(column.header)))
        })
        .filter(|(_, cells, _)| cells.iter().any(|cell| !cell.is_empty()))
        .collect();
    let taken = |columns: &[(&Column, Vec<String>, usize)]| -> usize {
        columns.iter().map(|(.., column)| column + width(GAP)).sum()
    };
    while taken(&columns) + NAME_WIDTH_MIN > limit
        && let Some((at, _)) = columns.iter().enumerate().min_by_key(|(_, (column, ..))| column.weight)
    {
        columns.remove(at);
    }
    let names = chains.iter().map(|chain| width(&chain.name)).max().unwrap_or(0);
    let name_width = names.max(width("chain")).min(limit.saturating_sub(taken(&columns)));
    let line = |name: &str, cell: &dyn Fn(&(&Column, Vec<String>, usize)) -> String| {
        let name = padded(&shortened(name, name_width), Align::Left, name_width);
        let cells = columns.iter().map(|column| padded(&cell(column), Align::Right, column.2));
        let cells = std::iter::once(name).chain(cells);
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    let header = line("chain", &|(column, ..)| column.header.to_owned());
    let chains = chains.iter().enumerate().map(|(i, chain)| line(&chain.name, &|(_, cells, _)| cells[i].clone()));
    std::iter::once(header).chain(chains).collect()
}

/// How far event time is behind the clock on the wall, in a job that never ends.
fn lag(now: &Sample, chain: &Chain) -> Option<String> {
    let watermark = chain.watermark.filter(|_| !now.is_bounded)?;
    let behind = now.wall.millis().saturating_sub(watermark.millis());
    Some(span(Duration::from_millis(u64::try_from(behind).unwrap_or(0))))
}

/// The line on the whole job: what does not fit is left out, the least telling first.
fn overall(job: &str, view: &View<'_>, limit: usize) -> String {
    let read = view.read();
    // In the order of the line, each with its weight.
    let mut parts = vec![(9, job.to_owned())];
    if let Some((read, size)) = read {
        parts.push((2, bar(read, size)));
        parts.push((8, percent(read, size)));
    }
    parts.push((6, format!("{} records/s", short(view.rate(Sample::records_read)))));
    if view.now.bytes_read() > 0 {
        parts.push((3, format!("{}/s", bytes(view.rate(Sample::bytes_read)))));
    }
    if let Some((read, size)) = read {
        parts.push((4, format!("{} of {}", bytes(read as f64), bytes(size as f64))));
    }
    if let Some(checkpoints) = &view.now.checkpoints {
        parts.push((2, last_checkpoint(&checkpoints.last)));
    }
    parts.extend(restarts(view.now.restarts).map(|restarts| (4, restarts)));
    match view.left {
        Some(left) => parts.push((7, format!("{} left", coarse(left)))),
        None => parts.push((5, format!("after {}", span(view.now.elapsed)))),
    }
    let joined = |parts: &[(u8, String)]| parts.iter().map(|(_, part)| part.as_str()).collect::<Vec<_>>().join(GAP);
    while width(&joined(&parts)) > limit
        && parts.len() > 1
        && let Some((at, _)) = parts.iter().enumerate().min_by_key(|(_, (weight, _))| *weight)
    {
        parts.remove(at);
    }
    shortened(&joined(&parts), limit)
}

fn bar(read: u64, size: u64) -> String {
    let done = (read as f64 / size.max(1) as f64 * BAR_WIDTH as f64) as usize;
    format!("[{}{}]", "=".repeat(done.min(BAR_WIDTH)), " ".repeat(BAR_WIDTH.saturating_sub(done)))
}

#[cfg(test)]
mod tests {
    use millstream_core::time::Timestamp;

    use super::*;
    use crate::cli::{
        sample::{Checkpoints, LastCheckpoint},
        samples::Samples,
    };

    const SECOND: u64 = 1_000_000_000;

    fn chains(seconds: u64) -> Vec<Chain> {
        let watermark = Some(Timestamp::from_millis(1_357_034_400_000));
        let source = Chain {
            name: "source csv(flights.csv) -> event_time -> filter".into(),
            subtasks: 2,
            is_source: true,
            records_in: 150_000 * seconds,
            bytes_in: 12_000_000 * seconds,
            busy_nanos: 3 * SECOND * seconds / 2,
            backpressured_nanos: SECOND * seconds / 4,
            watermark,
            ..Chain::default()
        };
        let window = Chain {
            name: "window origin -> 平均 -> sink csv(target/flights/departures)".into(),
            subtasks: 2,
            records_in: 1_234 * seconds,
            busy_nanos: SECOND * seconds / 5,
            watermark,
            ..Chain::default()
        };
        vec![source, window]
    }

    fn sample(seconds: u64, size: Option<u64>) -> Sample {
        Sample {
            elapsed: Duration::from_secs(seconds),
            chains: chains(seconds),
            input_bytes: size,
            wall: Timestamp::from_millis(1_357_034_400_000 + 83_000),
            is_bounded: size.is_some(),
            ..Sample::default()
        }
    }

    #[track_caller]
    fn shows(size: Option<u64>, columns: usize, rows: usize, wanted: &str) {
        let mut samples = Samples::default();
        (1..=10).for_each(|second| samples.push(sample(second, size)));
        let view = samples.view().expect("there are samples");
        let shown = lines("flights", &view, columns, rows, false);
        assert_eq!(shown.join("\n"), wanted);
        assert!(shown.iter().all(|line| width(line) < columns) && shown.len() + 2 <= rows.max(3));
    }

    const SIZE: Option<u64> = Some(400_000_000);

    #[test]
    fn a_wide_terminal_has_room_for_everything() {
        shows(
            SIZE,
            200,
            24,
            "\
flights  [======              ]  30%  150 k records/s  12.0 MB/s  120 MB of 400 MB  23 s left
chain                                                           records   per s  busy  back-pr.             watermark
source csv(flights.csv) -> event_time -> filter               1,500,000   150 k   75%       12%  2013-01-01T10:00:00Z
window origin -> 平均 -> sink csv(target/flights/departures)     12,340  1.23 k   10%        0%  2013-01-01T10:00:00Z",
        );
    }

    #[test]
    fn eighty_columns_shorten_names() {
        shows(
            SIZE,
            80,
            24,
            "\
flights  30%  150 k records/s  12.0 MB/s  120 MB of 400 MB  23 s left
chain                     records   per s  busy  back-pr.             watermark
source csv(… -> filter  1,500,000   150 k   75%       12%  2013-01-01T10:00:00Z
window orig…epartures)     12,340  1.23 k   10%        0%  2013-01-01T10:00:00Z",
        );
    }

    #[test]
    fn forty_columns_leave_out_the_least() {
        shows(
            SIZE,
            40,
            24,
            "\
flights  30%  23 s left
chain             records   per s  busy
source …filter  1,500,000   150 k   75%
window …tures)     12,340  1.23 k   10%",
        );
    }

    #[test]
    fn a_job_that_never_ends_shows_its_lag() {
        shows(
            None,
            100,
            24,
            "\
flights  150 k records/s  12.0 MB/s  after 10.0 s
chain                                                   records   per s  busy  back-pr.         lag
source csv(flights.csv) -> event_time -> filter       1,500,000   150 k   75%       12%  1 min 23 s
window origin -> 平均 -> s…arget/flights/departures)     12,340  1.23 k   10%        0%  1 min 23 s",
        );
    }

    #[test]
    fn checkpoints_and_restarts_are_told_where_there_is_room() {
        let last = LastCheckpoint { number: 7, took: Duration::from_millis(120), bytes: 1_200_000, has_failed: false };
        let checkpoints = Some(Checkpoints { completed: 7, failed: 0, last });
        let mut samples = Samples::default();
        samples.push(Sample { checkpoints, restarts: 1, ..sample(10, None) });
        let view = samples.view().expect("there is a sample");
        let first = |columns| lines("flights", &view, columns, 24, false).swap_remove(0);
        assert_eq!(
            first(100),
            "flights  150 k records/s  12.0 MB/s  checkpoint 7 (120 ms, 1.20 MB)  1 restart  after 10.0 s"
        );
        assert_eq!(first(70), "flights  150 k records/s  12.0 MB/s  1 restart  after 10.0 s");
    }

    #[test]
    fn a_low_terminal_leaves_chains_out() {
        shows(
            SIZE,
            60,
            6,
            "\
flights  30%  150 k records/s  120 MB of 400 MB  23 s left
chain                       records   per s  busy  back-pr.
source csv(f…e -> filter  1,500,000   150 k   75%       12%
window origi…departures)     12,340  1.23 k   10%        0%",
        );
        shows(
            SIZE,
            60,
            5,
            "\
flights  30%  150 k records/s  120 MB of 400 MB  23 s left
chain                       records   per s  busy  back-pr.
… and 2 more chains",
        );
        shows(SIZE, 60, 4, "flights  30%  150 k records/s  120 MB of 400 MB  23 s left");
        shows(SIZE, 8, 5, "flights\nchain\n… a…ins");
        shows(SIZE, 1, 1, "");
    }
}
