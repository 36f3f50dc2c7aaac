//! How often calls are made, how long they may take, what counts instead of an answer, and how many are made in a second.

use std::time::Duration;

use millstream::{async_io::Retry, env::Env, prelude::*};

use super::{Refused, Service, Watched};
use crate::{
    script::Script,
    spy::Spy,
    support::{fails, parallel, run, seeds},
};

/// Fails as often as the number says.
#[async_map(retry = "exponential(3, 100ms, 1s)")]
async fn stubborn(service: &Service, number: u64) -> Result<u64, Refused> {
    let (calls, _in_flight) = service.begin(&[number]);
    service.sleep(1).await;
    if u64::from(calls) > number { Ok(number) } else { Err(Refused(number)) }
}

fn numbers<I: IntoIterator<Item = u64>>(job: &mut Job, numbers: I) -> impl Stream<Out = u64, Time = NoTime> + use<I> {
    job.source(Script::records(vec![numbers.into_iter().collect()]))
}

#[test]
fn calls_that_fail_are_made_again_and_answers_keep_their_order() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        let job = run(seed, parallel(1), |job| {
            numbers(job, [3, 0, 2, 1]).then_async(stubborn(watched.open())).sink(results.sink());
        });
        assert_eq!(results.take(), [3, 0, 2, 1]);
        assert_eq!(watched.seen().calls.into_values().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(job.counted("calls_retried"), 6);
    }
}

#[test]
fn a_job_fails_with_operator_attempt_cause_and_record() {
    for seed in seeds() {
        let watched = Watched::default();
        let failure = fails(seed, parallel(1), |job| {
            numbers(job, [1, 4]).then_async(stubborn(watched.open())).sink(print());
        });
        let text = failure.to_string();
        for part in ["async_map stubborn", "attempt 4 of 4 failed: 4 is refused", "record: 4", "calls.rs"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

#[test]
fn errors_that_are_not_worth_it_are_not_tried_again_and_answers_may_be() {
    #[async_map(retry = "fixed(5, 10ms)", retry_if = is_even)]
    async fn picky(service: &Service, number: u64) -> Result<u64, Refused> {
        let (_, _in_flight) = service.begin(&[number]);
        Err(Refused(number))
    }
    fn is_even(refused: &Refused) -> bool {
        refused.0.is_multiple_of(2)
    }

    #[async_map(retry = "fixed(5, 10ms)", retry_answer_if = is_none)]
    async fn patient(service: &Service, number: u64) -> Option<u32> {
        let (calls, _in_flight) = service.begin(&[number]);
        (calls > 2).then_some(calls)
    }
    fn is_none(answer: &Option<u32>) -> bool {
        answer.is_none()
    }

    let (results, watched) = (collect(), Watched::default());
    run(1, parallel(1), |job| {
        numbers(job, [1, 2]).then_async(picky(watched.open())).skip_errors().sink(results.sink());
    });
    assert!(results.take().is_empty());
    assert_eq!(watched.seen().calls.into_values().collect::<Vec<_>>(), [1, 6]);

    let (results, watched) = (collect(), Watched::default());
    run(1, parallel(1), |job| {
        numbers(job, [7]).then_async(patient(watched.open())).sink(results.sink());
    });
    assert_eq!(results.take(), [Some(3)]);
}

/// Answers the number after as many milliseconds.
#[async_map(timeout = "50ms", order = "unordered")]
async fn slow(service: &Service, number: u64) -> u64 {
    let (_, _in_flight) = service.begin(&[number]);
    service.sleep(number).await;
    number
}

#[test]
fn calls_that_take_too_long_are_given_up() {
    for seed in seeds() {
        let (results, late, watched) = (collect(), collect(), Watched::default());
        let job = run(seed, parallel(1), |job| {
            let (answers, errors) =
                numbers(job, [10, 60, 1_000_000, 49]).then_async(slow(watched.open())).divert_errors();
            answers.sink(results.sink());
            errors.sink(late.sink());
        });
        assert_eq!(results.take(), [10, 49]);
        let late: Vec<(u64, String)> = late.take();
        let text = "no answer within 50ms, in attempt 1".to_owned();
        assert_eq!(late, [(60, text.clone()), (1_000_000, text)]);
        assert_eq!(job.counted("calls_timed_out"), 2);
        assert!(job.sim.now().nanos() < 1_000_000_000, "nobody waits for what was given up");
        assert_eq!(watched.seen().now, 0);
    }
}

#[test]
fn the_time_counts_over_all_attempts_and_a_fallback_takes_the_place_of_the_answer() {
    #[async_map(timeout = "200ms", retry = "fixed(100, 30ms)", fallback = guessed)]
    async fn hopeless(service: &Service, number: u64) -> Result<i64, Refused> {
        let (_, _in_flight) = service.begin(&[number]);
        service.sleep(20).await;
        Err(Refused(number))
    }
    fn guessed(number: u64) -> Result<i64, Refused> {
        if number == 13 { Err(Refused(13)) } else { Ok(-(number as i64)) }
    }

    let (results, refused, watched) = (collect(), collect(), Watched::default());
    run(1, parallel(1), |job| {
        let (answers, errors) = numbers(job, [12, 13]).then_async(hopeless(watched.open())).divert_errors();
        answers.sink(results.sink());
        errors.sink(refused.sink());
    });
    assert_eq!(results.take(), [-12]);
    assert_eq!(refused.take(), [(13, "attempt 4 of 4 failed: 13 is refused".to_owned())]);
    assert_eq!(watched.seen().calls.into_values().collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn an_attempt_that_takes_too_long_is_one_that_has_failed() {
    /// Answers the first time if the number is 0, the second time if it is 1 ..
    #[async_map(attempt_timeout = "50ms", retry = "fixed(2, 10ms)")]
    async fn sleepy(service: &Service, number: u64) -> u64 {
        let (calls, _in_flight) = service.begin(&[number]);
        service.sleep(if u64::from(calls) > number { 5 } else { 3_600_000 }).await;
        number
    }

    for seed in seeds() {
        let (results, late, watched) = (collect(), collect(), Watched::default());
        let job = run(seed, parallel(1), |job| {
            let (answers, errors) = numbers(job, [2, 0, 3, 1]).then_async(sleepy(watched.open())).divert_errors();
            answers.sink(results.sink());
            errors.sink(late.sink());
        });
        assert_eq!(results.take(), [2, 0, 1]);
        assert_eq!(late.take(), [(3, "no answer within 50ms, in attempt 3".to_owned())]);
        assert_eq!(watched.seen().calls.into_values().collect::<Vec<_>>(), [1, 2, 3, 3]);
        assert_eq!((job.counted("calls_retried"), job.counted("calls_timed_out")), (5, 1));
    }
}

#[test]
fn an_answer_that_came_in_time_counts_however_late_somebody_looks() {
    /// Answers after 10 ms, ahead of a sink that takes its time.
    #[async_map(timeout = "50ms", capacity = 64)]
    async fn prompt(service: &Service, number: u64) -> u64 {
        let (_, _in_flight) = service.begin(&[number]);
        service.sleep(10).await;
        number
    }

    for seed in seeds() {
        let watched = Watched::default();
        let spy = Spy::slow(Duration::from_millis(30));
        let job = run(seed, parallel(1), |job| {
            numbers(job, 0..200).then_async(prompt(watched.open())).sink(spy.clone());
        });
        assert_eq!((spy.seen().committed, job.counted("calls_timed_out")), (200, 0));
    }
}

#[test]
fn no_more_calls_are_made_in_a_second_than_may_be() {
    #[async_map(rate = 100)]
    async fn hurried(service: &Service, number: u64) -> u64 {
        let (_, _in_flight) = service.begin(&[number]);
        number
    }

    for subtasks in [1, 2] {
        let (results, watched) = (collect(), Watched::default());
        let job = run(1, parallel(subtasks), |job| {
            numbers(job, 0..300).rebalance().then_async(hurried(watched.open())).sink(results.sink());
        });
        assert_eq!(results.take().len(), 300);
        let seconds = job.sim.now().nanos() as f64 / 1e9;
        assert!((2.7..3.1).contains(&seconds), "{subtasks} subtasks took {seconds} s");
    }
}

#[test]
fn what_the_attribute_says_can_be_changed_where_the_function_is_put_in() {
    let watched = Watched::default();
    let failure = fails(1, parallel(1), |job| {
        let function = stubborn(watched.open()).retry(Retry::fixed(1, Duration::from_millis(5)));
        numbers(job, [2]).then_async(function).sink(print());
    });
    assert!(failure.to_string().contains("attempt 2 of 2 failed"), "{failure}");

    let (results, watched) = (collect(), Watched::default());
    let closing = watched.clone();
    run(1, parallel(2), |job| {
        let function = slow(watched.open()).timeout(Duration::from_secs(2)).capacity(1).close_with(move |_| {
            let closing = closing.clone();
            async move {
                closing.0.lock().expect("nobody panics").closed += 1;
                Ok::<(), Refused>(())
            }
        });
        numbers(job, [60, 70, 80]).then_async(function).sink(results.sink());
    });
    assert_eq!(results.take(), [60, 70, 80]);
    let seen = watched.seen();
    assert_eq!((seen.most, seen.opened, seen.closed), (1, 2, 2));
}
