//! What further attempts make up for: every number has its answer, and has it once.

use std::{net::SocketAddr, time::Duration};

use millstream::prelude::*;
use millstream_testkit::budget;

use crate::{
    CAPACITY, NUMBERS,
    client::{Asker, NoAnswer},
    numbers, on_threads, run,
    server::{Manner, Server},
    tenfold,
};

/// As patient as a test can be: on a machine that is busy, attempts may be in vain that would not be elsewhere.
#[async_map(attempt_timeout = "300ms", retry = "exponential(1000, 5ms, 100ms)")]
async fn patient(asker: &Asker, number: u64) -> Result<u64, NoAnswer> {
    asker.ask(number).await
}

/// The same, in any order.
#[async_map(order = "unordered", attempt_timeout = "300ms", retry = "exponential(1000, 5ms, 100ms)")]
async fn patient_as_it_comes(asker: &Asker, number: u64) -> Result<u64, NoAnswer> {
    asker.ask(number).await
}

/// Asks for every number, by requests whose answers keep their order and by others.
async fn all_are_answered(address: SocketAddr) {
    let (ordered, unordered) = (collect(), collect());
    run(|job| {
        let function = patient(move |_| Asker::of(address)).capacity(CAPACITY);
        numbers(job).then_async(function).sink(ordered.sink());
        let function = patient_as_it_comes(move |_| Asker::of(address)).capacity(CAPACITY);
        numbers(job).then_async(function).sink(unordered.sink());
    })
    .await
    .expect("it ends well");
    let wanted: Vec<u64> = (0..NUMBERS).map(tenfold).collect();
    assert_eq!(ordered.take(), wanted);
    let mut unordered: Vec<u64> = unordered.take();
    unordered.sort();
    assert_eq!(unordered, wanted);
}

#[test]
fn a_server_that_is_slow_is_waited_for() {
    on_threads(async {
        #[async_map]
        async fn waiting(asker: &Asker, number: u64) -> Result<u64, NoAnswer> {
            asker.ask(number).await
        }
        let server = Server::with(|number, _| Manner::After(Duration::from_millis(number % 7 * 5)));
        let (address, results) = (server.address(), collect());
        run(|job| {
            let function = waiting(move |_| Asker::of(address)).capacity(CAPACITY);
            numbers(job).then_async(function).sink(results.sink());
        })
        .await
        .expect("it ends well");
        assert_eq!(results.take(), (0..NUMBERS).map(tenfold).collect::<Vec<_>>());
        assert!(server.requests().values().all(|requests| *requests == 1));
    });
}

#[test]
fn requests_without_an_answer_are_made_again() {
    on_threads(async {
        // Both branches of the job ask, so the first two requests for a number may be the first of each.
        let server = Server::with(|number, before| match (number % 10, before) {
            (3, 0 | 1) => Manner::Never,
            _ => Manner::After(Duration::from_millis(1)),
        });
        all_are_answered(server.address()).await;
        let requests = server.requests();
        assert!((0..NUMBERS).filter(|number| number % 10 == 3).all(|number| requests[&number] >= 4));
    });
}

#[test]
fn connections_that_are_closed_without_an_answer_or_in_the_middle_of_one_are_made_up_for() {
    on_threads(async {
        let server = Server::with(|number, before| match (number + u64::from(before)) % 4 {
            0 => Manner::CutOff,
            1 => Manner::HangUp,
            _ => Manner::Well,
        });
        all_are_answered(server.address()).await;
        // Cut off, hung up on, and answered for each branch.
        let requests = server.requests();
        assert!((0..NUMBERS).step_by(4).all(|number| requests[&number] >= 4));
    });
}

#[test]
fn answers_that_are_no_http_are_asked_for_again() {
    on_threads(async {
        let server = Server::garbling(3);
        all_are_answered(server.address()).await;
        assert!(server.garbled() > NUMBERS / 2, "{} were garbled", server.garbled());
    });
}

#[test]
fn a_server_may_go_away_for_a_while() {
    let away = budget::choose(Duration::from_secs(1), Duration::from_secs(10));
    on_threads(async {
        // So the job is not at its end before.
        const ANSWERED_BEFORE: u64 = NUMBERS / 4;
        let mut server = Server::with(|number, _| match number {
            ..ANSWERED_BEFORE => Manner::Well,
            _ => Manner::OnceBack,
        });
        let job = all_are_answered(server.address());
        let going_away = async {
            server.has_answered(ANSWERED_BEFORE).await;
            let port = server.vanish().await;
            tokio::time::sleep(away).await;
            server.listen(port);
        };
        tokio::join!(job, going_away);
    });
}

#[test]
fn what_fails_again_and_again_can_be_diverted_and_the_rest_has_its_answers() {
    on_threads(async {
        #[async_map(retry = "fixed(2, 1ms)")]
        async fn moderate(asker: &Asker, number: u64) -> Result<u64, NoAnswer> {
            asker.ask(number).await
        }
        let server = Server::with(|number, _| if number % 7 == 3 { Manner::CutOff } else { Manner::Well });
        let (address, results, others) = (server.address(), collect(), collect());
        run(|job| {
            let function = moderate(move |_| Asker::of(address)).capacity(CAPACITY);
            let (answers, refused) = numbers(job).then_async(function).divert_errors();
            answers.sink(results.sink());
            refused.sink(others.sink());
        })
        .await
        .expect("it ends well");
        let (wanted, unanswerable): (Vec<u64>, Vec<u64>) = (0..NUMBERS).partition(|number| number % 7 != 3);
        assert_eq!(results.take(), wanted.into_iter().map(tenfold).collect::<Vec<_>>());
        let others: Vec<(u64, String)> = others.take();
        assert_eq!(others.iter().map(|(number, _)| *number).collect::<Vec<_>>(), unanswerable);
        for (number, why) in others {
            assert!(why.starts_with("attempt 3 of 3 failed: ") && why.contains("body"), "{number}: {why}");
            assert_eq!(server.requests()[&number], 3);
        }
    });
}
