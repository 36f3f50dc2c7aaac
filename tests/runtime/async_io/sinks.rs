//! Async functions that write a stream out.

use millstream::{connectors::print_to, prelude::*};

use super::{Refused, Service, Watched};
use crate::{
    script::Script,
    support::{fails, parallel, run, seeds},
};

#[async_sink(max_batch = 10, linger = "5ms", capacity = 4, retry = "fixed(2, 10ms)")]
async fn stored(service: &Service, rows: Vec<u64>) -> Result<(), Refused> {
    let (calls, _in_flight) = service.begin(&rows);
    service.sleep(3).await;
    match rows.iter().find(|row| **row == 666 || (row.is_multiple_of(50) && calls < 2)) {
        Some(row) => Err(Refused(*row)),
        None => Ok(()),
    }
}

/// Refuses every third number at first.
#[async_sink(max_batch = 7, retry = "fixed(2, 10ms)", idempotent)]
async fn in_part(service: &Service, rows: Vec<u64>) -> Vec<Result<(), Refused>> {
    let (_, _in_flight) = service.begin(&rows);
    let calls = |row: u64| service.seen().calls[&row];
    rows.into_iter().map(|row| if row % 3 == 0 && calls(row) < 2 { Err(Refused(row)) } else { Ok(()) }).collect()
}

#[async_sink]
async fn one_by_one(service: &Service, row: &u64) {
    let (_, _in_flight) = service.begin(&[*row]);
}

#[test]
fn every_record_is_written_in_batches_that_are_tried_again() {
    for seed in seeds() {
        let watched = Watched::default();
        let job = run(seed, parallel(1), |job| {
            job.source(Script::records(vec![(0..100).collect::<Vec<u64>>()])).sink_async(stored(watched.open()));
        });
        let seen = watched.seen();
        let again: Vec<_> = seen.calls.iter().filter(|(_, calls)| **calls > 1).map(|(row, _)| *row).collect();
        assert_eq!(again, (0..10).chain(50..60).collect::<Vec<u64>>());
        assert_eq!((seen.calls.len(), seen.most), (100, 4));
        assert_eq!(job.counted("calls_retried"), 2);
    }
}

#[test]
fn records_that_are_refused_are_written_again_alone_and_fail_the_job_in_the_end() {
    let watched = Watched::default();
    let mut job = Job::<ExactlyOnce>::new("test", parallel(1));
    job.source(Script::records(vec![(0..21).collect::<Vec<u64>>()])).sink_async(in_part(watched.open()));
    job.build().expect("what is idempotent may be part of a job that promises exactly once");

    run(1, parallel(1), |job| {
        job.source(Script::records(vec![(0..21).collect::<Vec<u64>>()])).sink_async(in_part(watched.open()));
    });
    assert!(watched.seen().calls.into_iter().all(|(row, calls)| calls == if row % 3 == 0 { 2 } else { 1 }));

    let failure = fails(1, parallel(1), |job| {
        job.source(Script::records(vec![vec![1_u64, 666]])).sink_async(stored(Watched::default().open()));
    });
    let text = failure.to_string();
    assert!(text.contains("async_sink stored") && text.contains("666 is refused"), "{text}");
}

#[test]
fn what_cannot_be_written_may_be_diverted() {
    let (refused, watched) = (collect(), Watched::default());
    run(1, parallel(1), |job| {
        let (written, errors) =
            job.source(Script::records(vec![vec![1_u64, 666, 3]])).then_async(stored(watched.open())).divert_errors();
        written.sink(print_to(std::io::sink()));
        errors.map(|(row, _)| row).sink(refused.sink());
    });
    assert_eq!(refused.take(), [666]);

    let watched = Watched::default();
    run(1, parallel(2), |job| {
        job.source(Script::records(vec![(0..50).collect::<Vec<u64>>()]))
            .rebalance()
            .sink_async(one_by_one(watched.open()));
    });
    assert_eq!(watched.seen().calls.len(), 50);
}
