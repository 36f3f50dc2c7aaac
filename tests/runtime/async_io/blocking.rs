//! Functions that block their thread, beside the tasks.

use std::{convert::Infallible, time::Duration};

use millstream::prelude::*;

use super::{Refused, Watched};
use crate::{
    script::Script,
    support::{fails, parallel, run, seeds},
};

/// A client that only one caller can use.
struct Counter {
    watched: Watched,
    calls: u64,
}

#[map(blocking, clients = 3)]
fn counted(counter: &mut Counter, number: u64) -> u64 {
    counter.calls += 1;
    counter.watched.0.lock().expect("nobody panics").sizes.push(counter.calls as usize);
    number * 2
}

#[filter(blocking, order = "unordered")]
fn is_even(number: &u64) -> Result<bool, Refused> {
    if *number == 99 { Err(Refused(99)) } else { Ok(number.is_multiple_of(2)) }
}

#[flat_map(blocking)]
fn halves(text: &str) -> Vec<String> {
    let (first, second) = text.split_at(text.len() / 2);
    vec![first.to_owned(), second.to_owned()]
}

#[test]
fn calls_run_beside_the_tasks_with_a_client_each() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        run(seed, parallel(1), |job| {
            let watched = watched.clone();
            let open = move |_: &OpenContext<'_>| {
                watched.0.lock().expect("nobody panics").opened += 1;
                Ok::<_, Infallible>(Counter { watched: watched.clone(), calls: 0 })
            };
            job.source(Script::records(vec![(0..60).collect::<Vec<u64>>()]))
                .then_async(counted(open))
                .then_async(is_even)
                .map(|number| format!("{number:04}"))
                .then_async(halves)
                .sink(results.sink());
        });
        let mut texts: Vec<String> = results.take();
        texts.sort();
        let mut wanted: Vec<String> = (0..60).map(|number| format!("{:02}", number * 2 % 100)).collect();
        wanted.extend((0..60).map(|number| format!("{:02}", number * 2 / 100)));
        wanted.sort();
        assert_eq!(texts, wanted);
        let seen = watched.seen();
        assert_eq!((seen.opened, seen.sizes.len()), (3, 60));
    }
}

#[test]
fn a_call_that_panics_fails_the_job_and_one_that_is_refused_says_why() {
    #[map(blocking)]
    fn exploding(number: u64) -> u64 {
        assert!(number != 5, "five is too much");
        number
    }

    let failure = fails(1, parallel(1), |job| {
        job.source(Script::records(vec![(0..9).collect::<Vec<u64>>()])).then_async(exploding).sink(print());
    });
    let text = failure.to_string();
    assert!(text.contains("map exploding") && text.contains("five is too much"), "{text}");

    let failure = fails(1, parallel(1), |job| {
        job.source(Script::records(vec![vec![98_u64, 99]])).then_async(is_even).sink(print());
    });
    assert!(failure.to_string().contains("99 is refused"), "{failure}");
}

#[test]
fn a_client_goes_back_when_nobody_waits_for_the_answer_any_more() {
    #[map(blocking, clients = 1)]
    fn slow(sleeps: &mut u64, number: u64) -> u64 {
        std::thread::sleep(Duration::from_millis(*sleeps));
        number
    }

    // Threads and time are real here.
    let machine = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let (results, late) = (collect(), collect());
    machine.block_on(async {
        let mut job = Job::<BestEffort>::new("test", parallel(1));
        let function = slow(|_| Ok::<u64, Infallible>(300)).timeout(Duration::from_millis(1_000));
        let (answers, errors) =
            job.source(Script::records(vec![vec![1_u64, 2, 3]])).then_async(function.capacity(1)).divert_errors();
        answers.sink(results.sink());
        errors.sink(late.sink());
        let graph = job.build().expect("it is well formed");
        millstream::local::run(graph, millstream::env::TokioEnv::current()).await.expect("it ends well");
    });
    let (answers, late): (Vec<u64>, Vec<(u64, String)>) = (results.take(), late.take());
    assert_eq!(answers.len() + late.len(), 3);
    assert!(answers.is_sorted());
}
