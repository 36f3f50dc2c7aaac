//! Files of JSON Lines in jobs, on a simulated machine.
#![allow(clippy::disallowed_methods, reason = "tests lay out files of their own")]

use std::{fs, path::Path};

use millstream_connectors::{Collect, JsonLines, collect, json, records};
use millstream_core::record::Record as _;
use millstream_macros::Record;
use millstream_runtime::{
    failure::Failure,
    local,
    settings::Settings,
    source::BadRecord,
    stream::{Job, Stream},
};
use millstream_testkit::SimEnv;

/// What the derive macro names.
mod named {
    pub(crate) mod __private {
        pub(crate) use millstream_core::{self as core, __private::rkyv};
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Record)]
#[record(crate = crate::named)]
struct Order {
    id: u64,
    note: Option<String>,
    lines: Vec<String>,
}

fn run(seed: u64, parallelism: usize, build: impl FnOnce(&mut Job)) -> Result<(), Failure> {
    let mut job = Job::new("test", Settings { parallelism, ..Settings::default() });
    build(&mut job);
    let sim = SimEnv::new(seed);
    sim.block_on(local::run(job.build().unwrap(), sim.clone())).map(|_| ())
}

fn read(directory: &Path) -> Result<Vec<Order>, Failure> {
    let orders = collect();
    run(1, 2, |job| job.source(JsonLines::<Order>::read(directory)).sink(orders.sink()))?;
    let mut orders = orders.take();
    orders.sort();
    Ok(orders)
}

fn order(id: u64) -> Order {
    let lines = (0..id % 4).map(|i| format!("line \"{i}\"\nof {id}")).collect();
    Order { id, note: id.is_multiple_of(3).then(|| "é\u{1}".repeat(id as usize % 7)), lines }
}

#[test]
fn every_line_is_read_once_however_files_are_cut() {
    let directory = tempfile::tempdir().unwrap();
    let mut text = Vec::new();
    let orders: Vec<Order> = (0..500).map(order).collect();
    for order in &orders {
        json::format::<Order>(order.view(), &mut text).unwrap();
    }
    fs::write(directory.path().join("orders.jsonl"), &text).unwrap();
    for (seed, split_bytes) in [(1, 1), (2, 97), (3, 5_000), (4, 1 << 20)] {
        for parallelism in [1, 3] {
            let read: Collect<Order> = collect();
            run(seed, parallelism, |job| {
                job.source(JsonLines::<Order>::read(directory.path()).split_bytes(split_bytes)).sink(read.sink());
            })
            .unwrap();
            let mut read = read.take();
            read.sort();
            assert_eq!(read, orders, "in splits of {split_bytes} bytes by {parallelism}");
        }
    }
}

#[test]
fn what_a_job_writes_another_reads() {
    let directory = tempfile::tempdir().unwrap();
    let (out, orders) = (directory.path().join("out"), (0..200).map(order).collect::<Vec<_>>());
    for (seed, parallelism) in [(1, 1), (2, 3)] {
        let given = orders.clone();
        run(seed, parallelism, |job| {
            job.source(records(given)).rebalance().sink(JsonLines::<Order>::write(&out).overwrite().zstd());
        })
        .unwrap();
        let parts = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(parts.filter(|name| name.ends_with(".jsonl.zst")).count(), parallelism);
        assert_eq!(read(&out).unwrap(), orders);
    }
}

#[test]
fn what_other_programs_put_between_records_is_all_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(
        path.join("a.jsonl"),
        "\u{feff}{\"id\":1,\"lines\":[]}\r\n\r\n  \n\n\t{ \"lines\" : [ ] , \"id\" : 2, \"x\": {} } \n",
    )
    .unwrap();
    fs::write(path.join("b.ndjson"), "{\"id\":3,\"lines\":[],\"note\":null}").unwrap();
    fs::write(path.join("c.json"), "\n").unwrap();
    fs::write(path.join("d.txt"), "no JSON").unwrap();
    let expected: Vec<_> = (1..4).map(|id| Order { id, note: None, lines: vec![] }).collect();
    assert_eq!(read(path).unwrap(), expected);
}

#[test]
fn a_bad_line_is_told_with_file_line_column_and_field() {
    let directory = tempfile::tempdir().unwrap();
    let told = |text: &[u8]| {
        fs::write(directory.path().join("orders.jsonl"), text).unwrap();
        let failure = read(directory.path()).unwrap_err();
        failure.message().replace(&format!("{}/", directory.path().display()), "")
    };
    assert_eq!(
        told(b"{\"id\":1,\"lines\":[]}\n\n{\"id\":2,\"lines\":[\"a\",3]}\n"),
        "orders.jsonl, line 3: column 22: field `lines[1]`: expected a string, found the number 3"
    );
    assert_eq!(
        told(b"{\"id\":1,\"lines\":[]} {\"id\":2,\"lines\":[]}\n"),
        "orders.jsonl, line 1: column 21: there is more text after the record"
    );
    assert_eq!(
        told(b"{\"id\":1,\"lines\":[\"\xc3\"]}"),
        "orders.jsonl, line 1: column 19: the byte 0xc3 is not valid UTF-8"
    );
    assert_eq!(
        told(b"{\"id\":1,\n\"lines\":[]}\n"),
        "orders.jsonl, line 1: column 8: the text ends within a value; a record is one line, as `jq -c .` writes it"
    );
}

#[test]
fn bad_lines_are_diverted_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("orders.jsonl"), "{\"id\":1,\"lines\":[]}\n{\"id\":\n{\"id\":2,\"lines\":[]}\n")
        .unwrap();
    let (ids, bad): (_, Collect<BadRecord>) = (collect(), collect());
    run(1, 1, |job| {
        let (orders, rejected) = job.source(JsonLines::<Order>::read(directory.path())).divert_errors();
        orders.map(|order| order.id).sink(ids.sink());
        rejected.sink(bad.sink());
    })
    .unwrap();
    assert_eq!(ids.take(), [1, 2]);
    let bad = bad.take();
    let [bad] = &bad[..] else { panic!("{bad:?}") };
    assert_eq!(
        (bad.line, &*bad.text, &*bad.reason),
        (
            2,
            "{\"id\":",
            "column 6: field `id`: the text ends within a value; a record is one line, as `jq -c .` writes it"
        )
    );
}
