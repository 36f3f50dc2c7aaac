//! In which order answers are put out, how many calls there are at a time, and that none overtakes a watermark.

use std::time::Duration;

use millstream::prelude::*;

use super::{Service, Watched};
use crate::{
    script::{Script, Step},
    support::{Simulated, ms, parallel, run, seeds, sorted},
};

#[async_map(capacity = 8)]
async fn in_order(service: &Service, number: u64) -> u64 {
    service.answer(number).await
}

#[async_map(capacity = 8, order = "unordered")]
async fn as_they_come(service: &Service, number: &u64) -> u64 {
    service.answer(*number).await
}

#[async_map(capacity = 8, order = "key")]
async fn key_by_key(service: &Service, number: u64) -> u64 {
    service.answer(number).await
}

fn numbers(job: &mut Job, count: u64) -> impl Stream<Out = u64, Time = NoTime, KeyedBy = NoKey> + use<> {
    job.source(Script::records(vec![(0..count).collect()]))
}

#[test]
fn ordered_answers_come_in_the_order_of_their_records() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        run(seed, parallel(1), |job| {
            numbers(job, 500).then_async(in_order(watched.open())).sink(results.sink());
        });
        assert_eq!(results.take(), (0..500).map(|number| number * 10).collect::<Vec<u64>>());
        let seen = watched.seen();
        assert_eq!((seen.most, seen.now), (8, 0));
        assert!(seen.calls.values().all(|calls| *calls == 1));
    }
}

#[test]
fn unordered_answers_come_as_they_are_there() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        let job = run(seed, parallel(1), |job| {
            numbers(job, 500).then_async(as_they_come(watched.open())).sink(results.sink());
        });
        let answers: Vec<u64> = results.take();
        assert!(!answers.is_sorted());
        assert_eq!(sorted(answers), (0..500).map(|number| number * 10).collect::<Vec<u64>>());
        assert_eq!(watched.seen().most, 8);
        drop(job);
    }
}

#[test]
fn no_answer_overtakes_a_watermark() {
    #[derive(Record, Clone, Debug, PartialEq)]
    struct Event {
        number: u64,
        #[record(event_time)]
        at: Timestamp,
    }

    #[async_map(capacity = 64, order = "unordered")]
    async fn answered(service: &Service, event: Event) -> Event {
        service.answer(event.number).await;
        event
    }

    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        let job = run(seed, parallel(1), |job| {
            let events = (0..400).map(|number| Event { number, at: ms(number as i64) }).collect();
            job.source(Script::records(vec![events]))
                .event_time(punctuated(|event: EventView<'_>, at| event.number.is_multiple_of(10).then_some(at)))
                .then_async(answered(watched.open()))
                .key_by(|_| 0_u8)
                .window(tumbling(50.milliseconds()))
                .aggregate(|of| of.count())
                .map(|(_, window, count)| (window.start.millis(), count))
                .sink(results.sink());
        });
        assert_eq!(job.counted("late_records"), 0);
        assert_eq!(results.take(), (0..8).map(|window| (window * 50, 50)).collect::<Vec<(i64, u64)>>());
    }
}

#[test]
fn calls_of_a_key_are_made_one_after_the_other() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        run(seed, parallel(1), |job| {
            numbers(job, 300).key_by(|number| number % 3).then_async(key_by_key(watched.open())).sink(results.sink());
        });
        let answers: Vec<u64> = results.take();
        assert_eq!(answers.len(), 300);
        for key in 0..3 {
            let of_key: Vec<u64> = answers.iter().copied().filter(|answer| answer / 10 % 3 == key).collect();
            assert!(of_key.is_sorted(), "key {key}: {of_key:?}");
        }
        assert!(!answers.is_sorted());
        assert_eq!(watched.seen().most, 3);
    }
}

#[test]
fn a_service_that_does_not_answer_stops_what_is_in_front_of_it() {
    #[async_map(capacity = 5)]
    async fn never(service: &Service, number: u64) -> u64 {
        let (_, _in_flight) = service.begin(&[number]);
        std::future::pending().await
    }

    for seed in seeds() {
        let watched = Watched::default();
        let source = Script::steps(vec![(0..100_000_u64).map(Step::Record).collect()]);
        let job = Simulated::start(seed, parallel(1), |job| {
            job.source(source).then_async(never(watched.open())).sink(print());
        });
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(60)));
        let seen = watched.seen();
        assert_eq!((seen.most, seen.calls.len()), (5, 5));
        job.job.cancel();
        assert!(job.wait().is_err());
        assert_eq!(watched.seen().now, 0, "calls that are cancelled are dropped");
    }
}

#[test]
fn capacities_and_rates_that_let_nothing_happen_are_refused_when_the_job_is_built() {
    let watched = Watched::default();
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    numbers(&mut job, 1).then_async(in_order(watched.open()).capacity(0)).sink(print());
    let failure = job.build().err().expect("it is refused").to_string();
    assert!(failure.contains("async_map in_order: a capacity of 0 lets no call begin"), "{failure}");
}
