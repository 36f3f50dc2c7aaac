//! The queries beside naive answers, computed from all events in memory: each in every way of running it that must not make a difference.
#![allow(missing_docs, clippy::disallowed_methods, reason = "the references stand outside of the engine")]

use std::path::Path;

use millstream::{prelude::*, stream::ExactlyOnce};
use millstream_nexmark::{
    Bid, Event, Nexmark,
    queries::{self, q0, q1, q2},
};
use millstream_testkit::golden::{Golden, JobFn};

/// Parts so small that some appear while the job runs, where it makes checkpoints.
const PART_BYTES: u64 = 20_000;

fn nexmark() -> Nexmark {
    Nexmark { events: 2_000, seed: 7, events_per_second: 100, ..Nexmark::default() }
}

/// Where one looks for bids of few auctions.
fn more() -> Nexmark {
    Nexmark { events: 6_000, person_bytes: 0, auction_bytes: 0, bid_bytes: 0, ..nexmark() }
}

fn bids(of: &Nexmark) -> impl Iterator<Item = Bid> + use<> {
    of.all().into_iter().filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    })
}

/// Checks that a job writes these rows.
fn check(name: &str, job: JobFn, header: &str, rows: impl Iterator<Item = String>) {
    let dir = tempfile::tempdir().expect("there is room for what is expected");
    let folder = dir.path().join(name);
    std::fs::create_dir(&folder).expect("a directory can be made");
    let lines: Vec<_> = std::iter::once(header.to_owned()).chain(rows).collect();
    assert!(lines.len() > 10, "a query with few answers says little");
    std::fs::write(folder.join("expected.csv"), lines.join("\n") + "\n").expect("it can be written");
    Golden::new(folder, job).check();
}

const BID_HEADER: &str = "auction,bidder,price,channel,url,date_time,extra";

fn bid_row(bid: &Bid, price: i64) -> String {
    let Bid { auction, bidder, channel, url, date_time, extra, .. } = bid;
    format!("{auction},{bidder},{price},{channel},{url},{date_time},{extra}")
}

#[test]
fn q0_passes_all_bids_on() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q0::answer(queries::events(job, &nexmark())).sink(CsvFiles::write(output).part_bytes(PART_BYTES));
    };
    check("q0", job, BID_HEADER, bids(&nexmark()).map(|bid| bid_row(&bid, bid.price)));
}

#[test]
fn q1_converts_prices() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q1::answer(queries::events(job, &nexmark())).sink(CsvFiles::write(output).part_bytes(PART_BYTES));
    };
    check("q1", job, BID_HEADER, bids(&nexmark()).map(|bid| bid_row(&bid, bid.price * 908 / 1000)));
}

#[test]
fn q2_selects_auctions() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q2::answer(queries::events(job, &more())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 100));
    };
    let selected = bids(&more()).filter(|bid| bid.auction % 123 == 0);
    check("q2", job, "auction,price", selected.map(|bid| format!("{},{}", bid.auction, bid.price)));
}
