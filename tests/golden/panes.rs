//! Windows by panes: a function on all elements of aligned windows, and of windows that merge.

use std::path::Path;

use millstream::{
    prelude::*,
    windows::{Clock, Elements, Merging, RecordAssigner, WindowsOn},
};
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, TradeView, trades},
};

/// Twenty seconds from each trade on; what overlaps is one.
#[derive(Clone)]
struct Stretches;

impl RecordAssigner<Trade> for Stretches {
    const CLOCK: Clock = Clock::Event;
    type Kind = Merging;
    type Trigger = triggers::EventTime;

    fn assign(&self, _: TradeView<'_>, at: Timestamp, mut visit: impl FnMut(Window)) {
        visit(Window::new(at, at + 20.seconds()));
    }
    fn trigger(&self) -> triggers::EventTime {
        triggers::event_time()
    }
    fn describe(&self) -> String {
        "stretches of 20s".into()
    }
}

impl WindowsOn<EventTime> for Stretches {}

#[derive(Record, Clone, Debug)]
struct Listed {
    symbol: String,
    start: Timestamp,
    end: Timestamp,
    shares: String,
}

/// All shares in ascending order, since the order in which they come depends on the splits.
fn listed(symbol: &str, window: Window, trades: Elements<'_, Trade>) -> Option<Listed> {
    let mut shares: Vec<u32> = trades.iter().map(|trade| trade.shares).collect();
    shares.sort_unstable();
    let shares: Vec<String> = shares.iter().map(u32::to_string).collect();
    Some(Listed { symbol: symbol.to_owned(), start: window.start, end: window.end, shares: shares.join(" ") })
}

fn panes(job: &mut Job<ExactlyOnce>, input: &Path, output: &Path) {
    let (a, b) = job.source(trades(input)).event_time(out_of_order(30.seconds())).fork();
    a.key_by(|trade| trade.symbol.to_owned())
        .window(sliding(6.minutes(), 4.minutes()))
        .apply(listed)
        .uid("aligned")
        .sink(CsvFiles::write(output.join("aligned")).part_bytes(PART_BYTES));
    b.key_by(|trade| trade.symbol.to_owned())
        .window(Stretches)
        .apply(listed)
        .uid("stretches")
        .sink(CsvFiles::write(output.join("stretches")).part_bytes(PART_BYTES));
}

#[test]
fn panes_of_a_file_in_many_splits() {
    golden("panes", panes).input(path("trades.csv")).check();
}
