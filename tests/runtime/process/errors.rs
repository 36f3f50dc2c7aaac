//! What goes wrong in a process function: rejected records have their policies, everything else fails the job and names the function.

use millstream::{failure::Failure, prelude::*};

use crate::{
    script::Script,
    support::{fails, parallel, run, seeds, sorted},
};

#[derive(State, Default)]
struct Sum {
    sum: u64,
}

/// Sums numbers up; odd ones are refused when they have been counted.
#[derive(Clone)]
struct Even {
    on_timer: Result<(), &'static str>,
    panics: bool,
}

const EVEN: Even = Even { on_timer: Ok(()), panics: false };

#[process]
impl Even {
    fn on_record(
        &mut self,
        number: u64,
        sum: &mut StateOf<Sum>,
        cx: &mut KeyedContext<'_, u8, u64>,
    ) -> Result<(), String> {
        assert!(!self.panics, "boom");
        sum.sum += 1;
        cx.event_timer(Timestamp::from_millis(7));
        if number % 2 == 1 {
            return Err(format!("{number} is odd, after {}", sum.sum));
        }
        cx.emit(number);
        Ok(())
    }

    fn on_timer(&mut self, _: Timer, sum: &mut StateOf<Sum>, cx: &mut KeyedContext<'_, u8, u64>) -> Result<(), String> {
        cx.emit(1000 + sum.sum);
        Ok(self.on_timer?)
    }
}

fn numbers(job: &mut Job) -> impl Stream<Out = u64> + use<> {
    job.source(Script::records(vec![(0..10_u64).collect()]))
}

fn fails_with(function: Even) -> Failure {
    fails(1, parallel(2), |job| {
        numbers(job).key_by(|_| 0_u8).process(function).sink(collect().sink());
    })
}

#[test]
fn a_rejected_record_fails_the_job_with_function_and_record() {
    let failure = fails_with(EVEN);
    assert_eq!(failure.operator(), Some("process Even"), "{failure}");
    assert!(failure.message().starts_with("1 is odd, after 2\n  record: 1\n"), "{failure}");
    let location = failure.location().expect("the block has a place");
    let line = include_str!("errors.rs").lines().position(|line| line == "impl Even {").expect("it is above");
    assert_eq!(location.line as usize, line + 1);
}

#[test]
fn rejected_records_are_skipped_or_diverted_and_what_was_written_stays() {
    for seed in seeds() {
        let (results, kept, rejected) = (collect(), collect(), collect());
        let job = run(seed, parallel(3), |job| {
            let (a, b) = numbers(job).fork();
            a.key_by(|_| 0_u8).process(EVEN).skip_errors().sink(results.sink());
            let (even, odd) = b.key_by(|_| 0_u8).process(EVEN).uid("b").divert_errors();
            even.sink(kept.sink());
            odd.sink(rejected.sink());
        });
        assert_eq!(results.take(), [0, 2, 4, 6, 8, 1010]);
        assert_eq!(kept.take(), [0, 2, 4, 6, 8, 1010]);
        let expected = (0..5).map(|i| (2 * i + 1, format!("{} is odd, after {}", 2 * i + 1, 2 * i + 2)));
        assert_eq!(sorted(rejected.take()), expected.collect::<Vec<(u64, String)>>());
        assert_eq!((job.counted("records_skipped"), job.counted("records_diverted")), (5, 5));
    }
}

#[test]
fn an_error_of_a_timer_fails_the_job_whatever_the_policy() {
    let failure = fails(1, parallel(2), |job| {
        let function = Even { on_timer: Err("out of time"), ..EVEN };
        numbers(job).key_by(|_| 0_u8).process(function).skip_errors().sink(collect().sink());
    });
    assert_eq!((failure.operator(), failure.message()), (Some("process Even"), "out of time"), "{failure}");
}

#[test]
fn a_panic_is_blamed_on_the_function() {
    let failure = fails_with(Even { panics: true, ..EVEN });
    assert_eq!(failure.operator(), Some("process Even"), "{failure}");
    assert!(failure.message().ends_with(": boom"), "{failure}");
}

/// Sets a timer, and has no use for it.
#[derive(Clone)]
struct Forgetful;

#[process]
impl Forgetful {
    fn on_record(&mut self, _: u64, cx: &mut KeyedContext<'_, u8, u64>) {
        cx.event_timer(Timestamp::from_millis(0));
    }
}

#[test]
fn a_timer_without_on_timer_fails_the_job() {
    let failure = fails(1, parallel(1), |job| {
        numbers(job).key_by(|_| 0_u8).process(Forgetful).sink(collect().sink());
    });
    assert_eq!(failure.operator(), Some("process Forgetful"), "{failure}");
    assert_eq!(failure.message(), "a timer has fired, and there is no `on_timer`");
    assert!(failure.hint().is_some_and(|hint| hint.contains("`fn on_timer(&mut self, timer: Timer, ..)`")));
}
