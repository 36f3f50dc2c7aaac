//! Calls for several records at a time.

use millstream::prelude::*;

use super::{Refused, Service, Watched};
use crate::{
    script::{Script, Step},
    support::{parallel, run, seeds},
};

/// Fails as a whole if a number is a multiple of ten, so that such a number fails in the end.
#[async_map(max_batch = 4, linger = "20ms", retry = "fixed(1, 10ms)")]
async fn together(service: &Service, numbers: Vec<u64>) -> Result<Vec<u64>, Refused> {
    let (_, _in_flight) = service.begin(&numbers);
    service.sleep(5).await;
    match numbers.iter().find(|number| number.is_multiple_of(10)) {
        Some(number) => Err(Refused(*number)),
        None => Ok(numbers.into_iter().map(|number| number * 100).collect()),
    }
}

/// Fails for odd numbers the first time.
#[async_map(max_batch = 4, linger = "20ms", retry = "fixed(2, 10ms)")]
async fn in_part(service: &Service, numbers: Vec<u64>) -> Vec<Result<u64, Refused>> {
    let (_, _in_flight) = service.begin(&numbers);
    let calls = |number: u64| service.seen().calls[&number];
    numbers
        .into_iter()
        .map(|number| if number % 2 == 1 && calls(number) < 2 { Err(Refused(number)) } else { Ok(number) })
        .collect()
}

#[test]
fn records_are_asked_for_together_as_many_as_may_be_or_have_come_in_time() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        let mut steps: Vec<_> = (1..10).map(Step::Record).collect();
        steps.push(Step::Wait(std::time::Duration::from_secs(1)));
        steps.push(Step::Record(11));
        run(seed, parallel(1), |job| {
            job.source(Script::steps(vec![steps])).then_async(together(watched.open())).sink(results.sink());
        });
        let wanted: Vec<u64> = (1..10).chain([11]).map(|number| number * 100).collect();
        assert_eq!(results.take(), wanted);
        assert_eq!(watched.seen().sizes, [4, 4, 1, 1]);
    }
}

#[test]
fn records_of_a_batch_that_fails_are_asked_for_one_by_one() {
    for seed in seeds() {
        let (results, refused, watched) = (collect(), collect(), Watched::default());
        run(seed, parallel(1), |job| {
            let (answers, errors) = job
                .source(Script::records(vec![(8..13).collect::<Vec<u64>>()]))
                .then_async(together(watched.open()))
                .divert_errors();
            answers.sink(results.sink());
            errors.sink(refused.sink());
        });
        assert_eq!(results.take(), [800, 900, 1100, 1200]);
        assert_eq!(refused.take(), [(10, "attempt 3 of 3 failed: 10 is refused".to_owned())]);
        let mut sizes = watched.seen().sizes;
        sizes.sort_unstable();
        // The batch of four twice, its records once each, and the last one.
        assert_eq!(sizes, [1, 1, 1, 1, 1, 4, 4]);
    }
}

#[test]
fn records_that_fail_alone_are_asked_for_alone() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        let job = run(seed, parallel(1), |job| {
            job.source(Script::records(vec![(0..8).collect::<Vec<u64>>()]))
                .then_async(in_part(watched.open()))
                .sink(results.sink());
        });
        assert_eq!(results.take(), (0..8).collect::<Vec<u64>>());
        assert_eq!(watched.seen().calls.into_values().collect::<Vec<_>>(), [1, 2, 1, 2, 1, 2, 1, 2]);
        assert_eq!(job.counted("calls_retried"), 2, "one wait for each batch");
    }
}

#[test]
fn a_call_that_answers_too_little_is_told() {
    #[async_filter(max_batch = 3, linger = "1ms")]
    async fn short(numbers: Vec<u64>) -> Vec<bool> {
        vec![true; numbers.len() - 1]
    }

    let failure = crate::support::fails(1, parallel(1), |job| {
        job.source(Script::records(vec![vec![1_u64, 2, 3]])).then_async(short).sink(print());
    });
    assert!(failure.to_string().contains("the call gave 2 answers for a batch of 3 records"), "{failure}");
}
