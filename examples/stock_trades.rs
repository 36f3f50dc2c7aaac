//! Trades and their mean price per industry and minute, and the highest trade of each industry and day.
//!
//! `cargo run --release --example stock_trades -- run` reads `examples/data/trades.csv` and writes CSV files below `target/stock_trades`.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    industry: String,
    price: f64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record)]
struct Minute {
    industry: String,
    minute: Timestamp,
    trades: u64,
    mean_price: f64,
}

#[derive(Record)]
struct Highest {
    industry: String,
    day: Timestamp,
    symbol: String,
    price: f64,
    at: Timestamp,
}

#[key]
fn industry(trade: TradeView<'_>) -> &str {
    trade.industry
}

#[derive(Args)]
struct StockTradesArgs {
    /// The CSV file to read.
    #[arg(long, default_value = "examples/data/trades.csv")]
    input: String,
    /// The directory to write to; what an earlier run left there is replaced.
    #[arg(long, default_value = "target/stock_trades")]
    output: String,
}

/// Trades and mean price per industry and minute; the highest trade per industry and day.
#[job]
fn stock_trades(job: &mut Job, args: StockTradesArgs) {
    let (minutes, days) = job.source(CsvFiles::<Trade>::read(args.input)).event_time(out_of_order(5.seconds())).fork();

    minutes
        .key_with(industry)
        .window(tumbling(1.minutes()))
        .aggregate(|of| (of.count(), of.avg(|trade| trade.price)))
        .map(|(industry, window, (trades, mean_price))| Minute {
            industry: industry.into(),
            minute: window.start,
            trades,
            mean_price,
        })
        .sink(CsvFiles::write(format!("{}/minutes", args.output)).overwrite());

    days.key_with(industry)
        .window(tumbling(1.days()))
        .aggregate(|of| of.max_by(|trade| trade.price))
        .map(|(industry, window, trade)| Highest {
            industry: industry.into(),
            day: window.start,
            symbol: trade.symbol.into(),
            price: trade.price,
            at: trade.at,
        })
        .sink(CsvFiles::write(format!("{}/highest", args.output)).overwrite());
}

millstream::main!();
