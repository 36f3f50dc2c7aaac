//! Annotated functions that borrow what their subtask opened.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use millstream::prelude::*;

use crate::support::{fails, parallel, run, sorted};

type Names = BTreeMap<u64, String>;

fn names() -> Result<Names, String> {
    Ok([(1, "one".to_owned()), (3, "three".to_owned())].into())
}

#[filter_map]
fn named(names: &Names, number: u64) -> Option<&str> {
    names.get(&number).map(String::as_str)
}

#[map]
fn numbered(seen: &mut u64, text: &str, _at: Timestamp) -> Result<(u64, String), String> {
    *seen += 1;
    if text.is_empty() { Err("no text".into()) } else { Ok((*seen, text.to_owned())) }
}

#[test]
fn each_subtask_opens_its_own_and_every_call_borrows_it() {
    let (results, opened) = (collect(), Arc::new(AtomicUsize::new(0)));
    run(0, parallel(3), |job| {
        let opened = Arc::clone(&opened);
        job.source(records((0..5).collect::<Vec<u64>>()))
            .rebalance()
            .then(named(move |cx| {
                assert_eq!(cx.parallelism(), 3);
                opened.fetch_add(1, SeqCst);
                names()
            }))
            .sink(results.sink());
    });
    assert_eq!(sorted(results.take()), ["one".to_owned(), "three".to_owned()]);
    assert_eq!(opened.load(SeqCst), 3);
}

#[test]
fn a_resource_may_change_with_every_record() {
    let results = collect();
    run(0, parallel(1), |job| {
        let texts = ["a", "", "b"].map(str::to_owned).to_vec();
        job.source(records(texts)).then(numbered(|_| Ok::<_, String>(0))).skip_errors().sink(results.sink());
    });
    assert_eq!(results.take(), [(1, "a".to_owned()), (3, "b".to_owned())]);
}

#[test]
fn what_cannot_be_opened_fails_the_job_at_the_function() {
    let failure = fails(0, parallel(1), |job| {
        job.source(records(vec![1_u64])).then(named(|_| Err("no names.csv"))).sink(collect().sink());
    });
    assert_eq!(failure.operator(), Some("filter_map named"));
    assert_eq!(failure.message(), "no names.csv");
    assert!(failure.location().is_some_and(|at| at.file.ends_with("resources.rs")), "{failure}");
}
