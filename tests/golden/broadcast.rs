//! A keyed stream with broadcast state: small trades of any symbol set a limit for all, and each symbol's large ones are compared with the limit of their time.

use std::{collections::BTreeMap, path::Path};

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, TradeView, trades},
    trickle::trickle,
};

/// The limit from each time on.
#[derive(OperatorState, Default)]
struct Limits {
    #[state(broadcast)]
    from: BTreeMap<Timestamp, u32>,
}

#[derive(State, Default)]
struct Symbol {
    found: u64,
    waiting: MapState<Timestamp, Vec<u32>>,
}

#[derive(Record, Clone, Debug)]
struct Large {
    symbol: String,
    nth: u64,
    shares: u32,
    limit: u32,
    at: Timestamp,
}

#[derive(Clone)]
struct FindLarge;

#[process]
impl FindLarge {
    fn on_left(
        &mut self,
        trade: TradeView<'_>,
        symbol: &mut StateOf<Symbol>,
        cx: &mut KeyedContext<'_, String, Large>,
    ) {
        symbol.waiting.entry(trade.at, Vec::new).push(trade.shares);
        cx.event_timer(trade.at);
    }

    fn on_right(&mut self, (at, limit): (Timestamp, u32), limits: &mut Limits, _: &mut Context<'_, Large>) {
        let known = limits.from.entry(at).or_default();
        *known = limit.max(*known);
    }

    fn on_timer(
        &mut self,
        timer: Timer,
        symbol: &mut StateOf<Symbol>,
        limits: &Limits,
        cx: &mut KeyedContext<'_, String, Large>,
    ) {
        let mut trades = symbol.waiting.remove(timer.at).expect("it was set for trades");
        trades.sort_unstable();
        let Some((_, limit)) = limits.from.range(..=timer.at).next_back() else { return };
        for shares in trades.into_iter().filter(|shares| *shares > 20 * limit) {
            symbol.found += 1;
            cx.emit(LargeView { symbol: cx.key(), nth: symbol.found, shares, limit: *limit, at: timer.at });
        }
    }
}

fn large(trades: impl Stream<Out = Trade>, output: &Path) {
    let (trades, small) = trades.event_time(out_of_order(30.seconds())).fork();
    let limits = small.filter(|trade| trade.shares < 20).map(|trade| (trade.at, trade.shares));
    trades
        .key_by(|trade| trade.symbol.to_owned())
        .connect(limits.broadcast())
        .process(FindLarge)
        .sink(CsvFiles::write(output).part_bytes(PART_BYTES));
}

#[test]
fn of_a_file_in_many_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| large(job.source(trades(input)), output);
    golden("broadcast", job).input(path("trades.csv")).check();
}

#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| large(job.source(trickle(input, 2)), output);
    golden("broadcast", job).input(path("trades.csv")).check();
}
