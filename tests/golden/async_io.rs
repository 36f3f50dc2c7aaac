//! Async functions on trades, by a service that takes its time, fails, and sometimes does not answer: in order, as answers come, and in order for each symbol.

use std::{convert::Infallible, fmt, path::Path, sync::Arc, time::Duration};

use millstream::{env::Env, operator::OpenContext, prelude::*};
use millstream_connectors::csv::CsvFiles;

use crate::{PART_BYTES, golden, path, trade::Trade, trickle::trickle};

/// A service that nobody can rely on.
struct Service(Arc<dyn Env>);

#[derive(Debug)]
struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unavailable")
    }
}

impl Service {
    fn open(cx: &OpenContext<'_>) -> Result<Self, Infallible> {
        Ok(Self(Arc::clone(cx.env())))
    }

    /// Answers after up to eight milliseconds; fails every fourth time, and every sixteenth says nothing.
    async fn ask(&self) -> Result<(), Unavailable> {
        self.0.sleep(Duration::from_millis(self.0.random() % 8)).await;
        match self.0.random() % 16 {
            0 => std::future::pending().await,
            1..4 => Err(Unavailable),
            _ => Ok(()),
        }
    }
}

#[derive(Record, Clone, Debug)]
struct InWindow {
    symbol: String,
    minute: Timestamp,
    shares: i128,
}

/// A trade of a symbol by its number, and whether the one that came before it has the number before.
#[derive(Record, Clone, Debug)]
struct Step {
    symbol: String,
    nth: u64,
    follows: bool,
}

#[derive(Record, Clone, Debug)]
struct Wanted {
    symbol: String,
    shares: u32,
    at: Timestamp,
}

#[async_map(capacity = 7, attempt_timeout = "12ms", retry = "exponential(40, 1ms, 4ms)")]
async fn confirmed(service: &Service, trade: Trade) -> Result<Trade, Unavailable> {
    service.ask().await?;
    Ok(trade)
}

#[async_flat_map(capacity = 5, order = "key", attempt_timeout = "12ms", retry = "fixed(40, 1ms)", cache = 50)]
async fn numbered(service: &Service, step: &Step) -> Result<Option<Step>, Unavailable> {
    service.ask().await?;
    Ok(Some(step.clone()))
}

#[async_filter(
    capacity = 3,
    order = "unordered",
    max_batch = 5,
    linger = "2ms",
    attempt_timeout = "12ms",
    retry = "fixed(60, 1ms)"
)]
async fn is_wanted(service: &Service, trades: Vec<Trade>) -> Vec<Result<bool, Unavailable>> {
    let answered = service.ask().await.is_ok();
    let answer = |trade: Trade| match answered && !service.0.random().is_multiple_of(4) {
        true => Ok(!trade.shares.is_multiple_of(3)),
        false => Err(Unavailable),
    };
    trades.into_iter().map(answer).collect()
}

fn async_io(trades: impl Stream<Out = Trade>, output: &Path) {
    // Watermarks are made by split, directly behind the source.
    let [to_window, to_number, to_choose] = trades.event_time(out_of_order(30.seconds())).forks();
    to_window
        .then_async(confirmed(Service::open))
        .key_by(|trade| trade.symbol.to_owned())
        .window(tumbling(1.minutes()))
        .aggregate(|of| of.sum(|trade| u64::from(trade.shares)))
        .uid("windows")
        .map(|(symbol, window, shares)| InWindow { symbol: symbol.to_owned(), minute: window.start, shares })
        .sink(CsvFiles::write(output.join("windows")).part_bytes(PART_BYTES));
    to_number
        .key_by(|trade| trade.symbol.to_owned())
        .map_with_state(|trade, before: &mut Option<u64>| {
            let nth = before.map_or(1, |nth| nth + 1);
            *before = Some(nth);
            Step { symbol: trade.symbol.to_owned(), nth, follows: false }
        })
        .uid("numbers")
        .key_by(|step| step.symbol.to_owned())
        .then_async(numbered(Service::open))
        .key_by(|step| step.symbol.to_owned())
        .map_with_state(|step, before: &mut Option<u64>| {
            let follows = before.replace(step.nth).unwrap_or_default() + 1 == step.nth;
            Step { symbol: step.symbol.to_owned(), nth: step.nth, follows }
        })
        .uid("follows")
        .sink(CsvFiles::write(output.join("steps")).part_bytes(PART_BYTES));
    to_choose
        .then_async(is_wanted(Service::open))
        .map(|trade| Wanted { symbol: trade.symbol.to_owned(), shares: trade.shares, at: trade.at })
        .sink(CsvFiles::write(output.join("wanted")).part_bytes(PART_BYTES));
}

#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| async_io(job.source(trickle(input, 2)), output);
    golden("async_io", job).input(path("trades.csv")).check();
}
