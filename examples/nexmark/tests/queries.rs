//! The queries beside naive answers, computed from all events in memory: each in every way of running it that must not make a difference.
#![allow(missing_docs, clippy::disallowed_methods, reason = "the references stand outside of the engine")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use millstream::{prelude::*, stream::ExactlyOnce};
use millstream_nexmark::{
    Auction, Bid, Event, Nexmark, Person,
    queries::{self, q0, q1, q2, q3, q4, q5, q7, q8, q11, q12},
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

fn auctions(of: &Nexmark) -> impl Iterator<Item = Auction> + use<> {
    of.all().into_iter().filter_map(|event| match event {
        Event::Auction(auction) => Some(auction),
        _ => None,
    })
}

fn persons(of: &Nexmark) -> impl Iterator<Item = Person> + use<> {
    of.all().into_iter().filter_map(|event| match event {
        Event::Person(person) => Some(person),
        _ => None,
    })
}

/// Checks that a job writes these rows.
fn check(name: &str, job: JobFn, header: &str, rows: impl Iterator<Item = String>) {
    check_rows(name, job, header, rows, 10, |golden| golden);
}

/// As [`check`], of a query that has at least so many answers.
fn check_rows(
    name: &str,
    job: JobFn,
    header: &str,
    rows: impl Iterator<Item = String>,
    least_rows: usize,
    adjust: fn(Golden) -> Golden,
) {
    let dir = tempfile::tempdir().expect("there is room for what is expected");
    let folder = dir.path().join(name);
    std::fs::create_dir(&folder).expect("a directory can be made");
    let lines: Vec<_> = std::iter::once(header.to_owned()).chain(rows).collect();
    assert!(lines.len() > least_rows, "a query with few answers says little: {lines:?}");
    std::fs::write(folder.join("expected.csv"), lines.join("\n") + "\n").expect("it can be written");
    adjust(Golden::new(folder, job)).check();
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

#[test]
fn q3_suggests_local_items() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q3::answer(queries::events(job, &more())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 100));
    };
    let mut rows = Vec::new();
    for auction in auctions(&more()).filter(|auction| auction.category == 10) {
        for person in persons(&more()).filter(|person| person.id == auction.seller) {
            if ["OR", "ID", "CA"].contains(&&*person.state) {
                rows.push(format!("{},{},{},{}", person.name, person.city, person.state, auction.id));
            }
        }
    }
    check("q3", job, "name,city,state,id", rows.into_iter());
}

/// Auctions, categories and prices: of those that somebody has bid for in time.
fn sales(of: &Nexmark) -> Vec<(u64, u64, i64)> {
    let sale = |auction: Auction| {
        let during = auction.date_time..=auction.expires;
        let prices = bids(of).filter(|bid| bid.auction == auction.id && during.contains(&bid.date_time));
        prices.map(|bid| bid.price).max().map(|price| (auction.id, auction.category, price))
    };
    auctions(of).filter_map(sale).collect()
}

#[test]
fn q4_finds_the_winning_bids() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q4::sales(queries::events(job, &nexmark())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 100));
    };
    let rows = sales(&nexmark()).into_iter().map(|(auction, category, price)| format!("{auction},{category},{price}"));
    check("q4-sales", job, "auction,category,price", rows);
}

#[test]
fn q4_averages_prices() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q4::answer(queries::events(job, &nexmark())).sink(CsvFiles::write(output));
    };
    let mut prices = BTreeMap::<u64, Vec<i64>>::new();
    for (_, category, price) in sales(&nexmark()) {
        prices.entry(category).or_default().push(price);
    }
    let average = |(category, prices): (u64, Vec<i64>)| {
        let sum: i64 = prices.iter().sum();
        format!("{category},{}", sum as f64 / prices.len() as f64)
    };
    check_rows("q4", job, "category,price", prices.into_iter().map(average), 5, |golden| {
        golden.tolerance("price", 1e-12)
    });
}

#[test]
fn q8_finds_new_sellers() {
    let job = |job: &mut Job<ExactlyOnce>, _: &Path, output: &Path| {
        q8::answer(queries::events(job, &more())).sink(CsvFiles::write(output).part_bytes(PART_BYTES / 100));
    };
    let start = |at: Timestamp| at - std::time::Duration::from_millis(at.millis().rem_euclid(10_000) as u64);
    let sellers: BTreeSet<_> = auctions(&more()).map(|auction| (auction.seller, start(auction.date_time))).collect();
    let rows = persons(&more()).filter(|person| sellers.contains(&(person.id, start(person.date_time))));
    check(
        "q8",
        job,
        "id,name,start",
        rows.map(|person| {
            let Person { id, name, date_time, .. } = person;
            format!("{id},{name},{}", start(date_time))
        }),
    );
}
