//! The queries beside naive answers, computed from all events in memory: each in every way of running it that must not make a difference.
#![allow(missing_docs, clippy::disallowed_methods, reason = "the references stand outside of the engine")]

use std::{collections::BTreeMap, path::Path};

use millstream::{prelude::*, stream::ExactlyOnce};
use millstream_nexmark::{
    Bid, Event, Nexmark,
    queries::{self, q0, q1, q2, q5, q7, q11, q12},
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

/// Where there are many windows of ten seconds.
fn slow() -> Nexmark {
    Nexmark { events: 2_500, events_per_second: 20, ..more() }
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

/// Windows of ten seconds, of which one begins every `slide`, around a time in milliseconds: their starts.
fn starts(at: i64, slide: i64) -> impl Iterator<Item = i64> {
    (at - 9_999..=at).filter(move |start| start % slide == 0)
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn q5_finds_the_auctions_with_the_most_bids() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q5::answer(queries::events(job, &slow())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 100));
    };
    let mut counts = BTreeMap::<i64, BTreeMap<u64, u64>>::new();
    for bid in bids(&slow()) {
        for start in starts(bid.date_time.millis(), 2_000) {
            *counts.entry(start).or_default().entry(bid.auction).or_default() += 1;
        }
    }
    let rows = counts.into_iter().flat_map(|(start, counts)| {
        let most = *counts.values().max().expect("a window has a bid");
        let hot = counts.into_iter().filter(move |(_, bids)| *bids == most);
        hot.map(move |(auction, bids)| format!("{auction},{bids},{}", time(start)))
    });
    check("q5", job, "auction,bids,start", rows);
}

#[test]
fn q7_finds_the_highest_bids() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q7::answer(queries::events(job, &slow())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 100));
    };
    let mut highest = BTreeMap::<i64, Vec<Bid>>::new();
    for bid in bids(&slow()) {
        for start in starts(bid.date_time.millis(), 10_000) {
            let of = highest.entry(start).or_default();
            of.retain(|other| other.price >= bid.price);
            if of.iter().all(|other| other.price == bid.price) {
                of.push(bid.clone());
            }
        }
    }
    let rows = highest.into_values().flatten().map(|bid| bid_row(&bid, bid.price));
    check("q7", job, BID_HEADER, rows.collect::<Vec<_>>().into_iter());
}

#[test]
fn q11_counts_the_bids_of_each_visit() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q11::answer(queries::events(job, &slow())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 10));
    };
    let mut of_bidder = BTreeMap::<u64, Vec<i64>>::new();
    bids(&slow()).for_each(|bid| of_bidder.entry(bid.bidder).or_default().push(bid.date_time.millis()));
    let mut rows = Vec::new();
    for (bidder, mut times) in of_bidder {
        times.sort_unstable();
        for visit in times.chunk_by(|before, next| next - before <= 10_000) {
            let (start, end) = (time(visit[0]), time(visit[visit.len() - 1] + 10_000));
            rows.push(format!("{bidder},{},{start},{end}", visit.len()));
        }
    }
    check("q11", job, "bidder,bids,start,end", rows.into_iter());
}

#[test]
fn q12_counts_the_bids_of_each_bidder() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q12::answer(queries::events(job, &slow())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 10));
    };
    let mut counts = BTreeMap::<(u64, i64), u64>::new();
    for bid in bids(&slow()) {
        starts(bid.date_time.millis(), 10_000).for_each(|start| *counts.entry((bid.bidder, start)).or_default() += 1);
    }
    let rows = counts.into_iter().map(|((bidder, start), bids)| format!("{bidder},{bids},{}", time(start)));
    check("q12", job, "bidder,bids,start", rows);
}
