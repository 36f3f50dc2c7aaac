//! A line of JSON to the view of a record, beside serde_json with a struct that derives `Deserialize` and borrows its strings; and a view to a
//! line, beside serde_json with the same struct that derives `Serialize`.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream::{
    connectors::json::{self, Scratch},
    prelude::*,
};
use millstream_benches::{
    Ratio,
    bid::{Bid, BidView, bids},
    print_ratio,
};
use serde::{Deserialize, Serialize};

const RECORDS: usize = 100_000;
const ROUNDS: usize = 25;

/// A bid as serde reads it.
#[derive(Clone, Copy, Deserialize, Serialize)]
struct BorrowedBid<'a> {
    auction: u64,
    bidder: u64,
    date_time: u64,
    price: i64,
    channel: &'a str,
    url: &'a str,
    extra: &'a str,
}

/// Nested records, with a list and a float.
#[derive(Debug, Record)]
struct Order {
    id: u64,
    customer: Customer,
    lines: Vec<Line>,
    note: Option<String>,
}

#[derive(Debug, Record)]
struct Customer {
    name: String,
    vip: bool,
}

#[derive(Debug, Record)]
struct Line {
    sku: String,
    quantity: u32,
    price: f64,
}

#[derive(Deserialize, Serialize)]
struct BorrowedOrder<'a> {
    id: u64,
    #[serde(borrow)]
    customer: BorrowedCustomer<'a>,
    #[serde(borrow)]
    lines: Vec<BorrowedLine<'a>>,
    note: Option<&'a str>,
}

#[derive(Deserialize, Serialize)]
struct BorrowedCustomer<'a> {
    name: &'a str,
    vip: bool,
}

#[derive(Deserialize, Serialize)]
struct BorrowedLine<'a> {
    sku: &'a str,
    quantity: u32,
    price: f64,
}

/// Checked as a whole, which is faster than serde_json's `from_slice`; ours does the same.
fn text(line: &[u8]) -> &str {
    std::str::from_utf8(line).expect("the lines are sound")
}

fn ends(text: &str) -> u64 {
    let bytes = text.as_bytes();
    text.len() as u64 + u64::from(*bytes.first().unwrap_or(&0)) + u64::from(*bytes.last().unwrap_or(&0))
}

fn digest_bid(bid: BidView<'_>) -> u64 {
    let numbers = bid.auction ^ bid.bidder ^ bid.date_time ^ bid.price as u64;
    numbers.wrapping_add(ends(bid.channel) + ends(bid.url) + ends(bid.extra))
}

fn digest_line(sku: &str, quantity: u32, price: f64) -> u64 {
    ends(sku) ^ u64::from(quantity) ^ price.to_bits()
}

fn digest_order(order: OrderView<'_>) -> u64 {
    let lines = order.lines.iter().map(|line| digest_line(line.sku, line.quantity, line.price));
    let lines = lines.fold(0, u64::wrapping_add);
    lines ^ order.id ^ ends(order.customer.name) ^ u64::from(order.customer.vip) ^ order.note.map_or(0, ends)
}

fn orders(bids: &[Bid]) -> Vec<Order> {
    let order = |bid: &Bid| Order {
        id: bid.auction,
        customer: Customer { name: bid.extra.clone(), vip: bid.bidder.is_multiple_of(2) },
        lines: (0..bid.bidder % 5)
            .map(|i| Line { sku: bid.channel.clone(), quantity: i as u32 + 1, price: bid.price as f64 * 1.01 })
            .collect(),
        note: bid.bidder.is_multiple_of(3).then(|| bid.url.clone()),
    };
    bids.iter().map(order).collect()
}

fn lines<T: for<'t> json::Document<'t>>(records: &[T]) -> Vec<Vec<u8>> {
    let line = |record: &T| {
        let mut out = Vec::new();
        json::format::<T>(record.view(), &mut out).expect("a derived record has a JSON");
        out
    };
    records.iter().map(line).collect()
}

fn parse_all<T: for<'t> json::Document<'t>>(lines: &[Vec<u8>], digest: impl Fn(T::View<'_>) -> u64) -> u64 {
    let mut scratch = Scratch::new();
    lines.iter().fold(0, |sum: u64, line| {
        sum.wrapping_add(digest(json::parse::<T>(line, &mut scratch).expect("the lines are sound")))
    })
}

fn format_all<T: for<'t> json::Document<'t>>(records: &[T]) -> usize {
    let mut out = Vec::new();
    records.iter().fold(0, |sum, record| {
        out.clear();
        json::format::<T>(record.view(), &mut out).expect("a derived record has a JSON");
        sum + out.len()
    })
}

fn format_all_serde(records: &[impl Serialize]) -> usize {
    let mut out = Vec::new();
    records.iter().fold(0, |sum, record| {
        out.clear();
        serde_json::to_writer(&mut out, record).expect("a derived struct has a JSON");
        out.push(b'\n');
        sum + out.len()
    })
}

fn borrowed_bid(bid: &Bid) -> BorrowedBid<'_> {
    BorrowedBid {
        auction: bid.auction,
        bidder: bid.bidder,
        date_time: bid.date_time,
        price: bid.price,
        channel: &bid.channel,
        url: &bid.url,
        extra: &bid.extra,
    }
}

fn borrowed_order<'r>(order: &'r Order) -> BorrowedOrder<'r> {
    let line = |line: &'r Line| BorrowedLine { sku: &line.sku, quantity: line.quantity, price: line.price };
    BorrowedOrder {
        id: order.id,
        customer: BorrowedCustomer { name: &order.customer.name, vip: order.customer.vip },
        lines: order.lines.iter().map(line).collect(),
        note: order.note.as_deref(),
    }
}

fn json(criterion: &mut Criterion) {
    let bids = bids(RECORDS);
    let orders = orders(&bids);
    let (bid_lines, order_lines) = (lines(&bids), lines(&orders));

    let parse_bids = || parse_all::<Bid>(&bid_lines, digest_bid);
    let parse_bids_serde = || {
        bid_lines.iter().fold(0, |sum: u64, line| {
            let bid: BorrowedBid<'_> = serde_json::from_str(text(line)).expect("the lines are sound");
            let BorrowedBid { auction, bidder, date_time, price, channel, url, extra } = bid;
            sum.wrapping_add(digest_bid(BidView { auction, bidder, date_time, price, channel, url, extra }))
        })
    };
    let parse_orders = || parse_all::<Order>(&order_lines, digest_order);
    let parse_orders_serde = || {
        order_lines.iter().fold(0, |sum: u64, line| {
            let order: BorrowedOrder<'_> = serde_json::from_str(text(line)).expect("the lines are sound");
            let lines = order.lines.iter().map(|line| digest_line(line.sku, line.quantity, line.price));
            let lines = lines.fold(0, u64::wrapping_add);
            let customer = ends(order.customer.name) ^ u64::from(order.customer.vip);
            sum.wrapping_add(lines ^ order.id ^ customer ^ order.note.map_or(0, ends))
        })
    };
    let format_bids = || format_all(&bids);
    let borrowed: Vec<_> = bids.iter().map(borrowed_bid).collect();
    let format_bids_serde = || format_all_serde(&borrowed);
    let format_orders = || format_all(&orders);
    let borrowed: Vec<_> = orders.iter().map(borrowed_order).collect();
    let format_orders_serde = || format_all_serde(&borrowed);
    let ratio = |name| Ratio { name, records: RECORDS, rounds: ROUNDS };
    print_ratio(ratio("json/bid/parse"), parse_bids_serde, parse_bids);
    print_ratio(ratio("json/order/parse"), parse_orders_serde, parse_orders);
    print_ratio(ratio("json/bid/format"), format_bids_serde, format_bids);
    print_ratio(ratio("json/order/format"), format_orders_serde, format_orders);

    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Elements(RECORDS as u64)).sample_size(20);
    group.bench_function("bid/parse", |bencher| bencher.iter(parse_bids));
    group.bench_function("bid/parse/serde_json", |bencher| bencher.iter(parse_bids_serde));
    group.bench_function("order/parse", |bencher| bencher.iter(parse_orders));
    group.bench_function("order/parse/serde_json", |bencher| bencher.iter(parse_orders_serde));
    group.bench_function("bid/format", |bencher| bencher.iter(format_bids));
    group.bench_function("bid/format/serde_json", |bencher| bencher.iter(format_bids_serde));
    group.bench_function("order/format", |bencher| bencher.iter(format_orders));
    group.bench_function("order/format/serde_json", |bencher| bencher.iter(format_orders_serde));
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
