//! What a job says that gives up: one message with operator, attempt, cause and record.

use std::time::Duration;

use millstream::{failure::Failure, prelude::*};

use crate::{
    CAPACITY,
    client::{Asker, NoAnswer},
    numbers, on_threads, run,
    server::{Manner, Server},
};

/// Gives up soon.
#[async_map(retry = "fixed(2, 1ms)")]
async fn hasty(asker: &Asker, number: u64) -> Result<u64, NoAnswer> {
    asker.ask(number).await
}

/// Asks for numbers, the first of which is never answered, nor are the others.
async fn fails(server: &Server, wait: Option<Duration>) -> Failure {
    let address = server.address();
    let ended = run(|job| {
        let mut function = hasty(move |_| Asker::of(address)).capacity(CAPACITY);
        if let Some(wait) = wait {
            function = function.attempt_timeout(wait);
        }
        numbers(job).then_async(function).sink(print());
    });
    ended.await.expect_err("nobody answers")
}

/// The message is one, begins with the operator, and has these parts. Answers are in order, so it is the first number that has none.
#[track_caller]
fn says(failure: &Failure, parts: &[&str]) {
    let text = failure.to_string();
    assert!(text.starts_with("operator `async_map hasty` (tests/async_http/refused.rs:"), "{text}");
    for part in ["\n  record: 0\n"].iter().chain(parts) {
        assert!(text.contains(part), "{part} in {text}");
    }
    for once in ["operator `", "attempt", "record: "] {
        assert_eq!(text.matches(once).count(), 1, "{once} in {text}");
    }
}

#[test]
fn a_server_that_does_not_answer() {
    on_threads(async {
        let server = Server::with(|_, _| Manner::Never);
        let failure = fails(&server, Some(Duration::from_millis(50))).await;
        says(&failure, &["no answer within 50ms, in attempt 3"]);
    });
}

#[test]
fn a_server_that_closes_connections_in_the_middle_of_an_answer() {
    on_threads(async {
        let server = Server::with(|_, _| Manner::CutOff);
        says(&fails(&server, None).await, &["attempt 3 of 3 failed", "error reading a body"]);
        assert_eq!(server.requests()[&0], 3);
    });
}

#[test]
fn a_server_that_closes_connections_instead_of_an_answer() {
    on_threads(async {
        let server = Server::with(|_, _| Manner::HangUp);
        says(&fails(&server, None).await, &["attempt 3 of 3 failed", "connection closed before message completed"]);
    });
}

#[test]
fn a_server_that_does_not_speak_http() {
    on_threads(async {
        let server = Server::garbling(1);
        says(&fails(&server, None).await, &["attempt 3 of 3 failed", "invalid HTTP version"]);
    });
}

#[test]
fn a_server_that_does_not_come_back() {
    on_threads(async {
        let mut server = Server::with(|_, _| Manner::Well);
        let _port = server.vanish().await;
        says(&fails(&server, None).await, &["attempt 3 of 3 failed", "refused"]);
    });
}
