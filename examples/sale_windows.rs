//! Sales from a line server, added up in windows of two seconds by the clock on the wall and appended to a text file.
//!
//! `cargo run --release --example sale_windows -- run` starts a server of its own on port 9181, which sends `examples/data/sales.txt` line by line, and
//! appends to `target/sale_windows.txt`: month, product, category, profit, count.

#![allow(clippy::disallowed_methods, reason = "the server stands outside of the job")]

use std::{
    fs,
    io::{self, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use millstream::prelude::*;

#[derive(Record)]
struct Sale {
    month: String,
    category: String,
    product: String,
    profit: i64,
}

/// Reads `2024-06-10,June,grain,rye,44`.
#[map]
fn sale(line: &str) -> Result<SaleView<'_>, String> {
    let fields: Vec<_> = line.split(',').collect();
    let [_date, month, category, product, profit] = fields[..] else {
        return Err(format!("`{line}` has {} fields instead of date, month, category, product, profit", fields.len()));
    };
    let profit = profit.parse().map_err(|error| format!("the profit in `{line}`: {error}"))?;
    Ok(SaleView { month, category, product, profit })
}

#[key]
fn article(sale: SaleView<'_>) -> (&str, &str, &str) {
    (sale.month, sale.product, sale.category)
}

#[derive(Args)]
struct SaleWindowsArgs {
    /// A server that is there already, such as `127.0.0.1:9000`; without it the example starts its own.
    #[arg(long)]
    connect: Option<String>,
    /// The port of the example's own server.
    #[arg(long, default_value_t = 9181)]
    port: u16,
    /// What the example's own server sends.
    #[arg(long, default_value = "examples/data/sales.txt")]
    sales: String,
    /// How long it waits after each line, in milliseconds.
    #[arg(long, default_value_t = 20)]
    pause: u64,
    /// The text file to append to.
    #[arg(long, default_value = "target/sale_windows.txt")]
    output: String,
}

/// Profit and number of sales per article, every two seconds.
#[job]
fn sale_windows(job: &mut Job, args: SaleWindowsArgs) -> io::Result<()> {
    let server = match args.connect {
        Some(server) => server,
        None => serve(&args.sales, args.port, Duration::from_millis(args.pause))?,
    };
    job.source(SocketLines::connect(server).end_at_close())
        .then(sale)
        .key_with(article)
        .window(tumbling(2.seconds()).processing_time())
        .aggregate(|of| (of.sum(|sale| sale.profit), of.count()))
        .map(|((month, product, category), _, (profit, count))| {
            format!("{month}, {product}, {category}, {profit}, {count}")
        })
        .sink(TextFiles::append(args.output));
    Ok(())
}

/// Sends the lines of a file to the first client, one after the other, and hangs up. Gives the server's address.
fn serve(sales: &str, port: u16, pause: Duration) -> io::Result<String> {
    let explain = |what: String| move |error: io::Error| io::Error::other(format!("{what}: {error}"));
    let text = fs::read_to_string(sales).map_err(explain(format!("cannot read {sales}")))?;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .map_err(explain(format!("cannot listen on port {port}; choose another with `--port`")))?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || {
        let Ok((mut client, _)) = listener.accept() else { return };
        for line in text.lines() {
            if writeln!(client, "{line}").is_err() {
                return; // the client has gone
            }
            thread::sleep(pause);
        }
    });
    Ok(address)
}

millstream::main!();
