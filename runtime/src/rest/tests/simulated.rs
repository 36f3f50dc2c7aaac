//! Over a network in memory: bytes in small pieces, and whoever is slow, who is not waited for.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering::SeqCst},
    task::Poll,
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt};

use super::{
    Answer,
    fake::{FLIGHTS, Fake},
    fuzz::request,
    random::Random,
    sim::{Pipe, Sim},
};
use crate::{
    env::{Env, Network},
    rest::{
        client::{Address, Client},
        server::{Options, serve},
    },
    task::flag::Flag,
};

/// A server in memory, and the flag that ends it.
fn served(seed: u64) -> (Sim, Arc<Fake>, Flag) {
    let (sim, fake, closing) = (Sim::new(seed), Arc::new(Fake::default()), Flag::default());
    let listener = sim.block_on(sim.listen("sim:1")).expect("there is room");
    let env = Arc::new(sim.clone());
    sim.spawn("rest", serve(listener, Arc::clone(&fake) as _, Options::default(), env, closing.clone()));
    (sim, fake, closing)
}

/// Sends bytes, and gives what comes back until the connection is closed.
async fn send(mut pipe: Pipe, bytes: &[u8], close: bool) -> Vec<u8> {
    let _ = pipe.write_all(bytes).await; // the server may have had enough before the end
    if close {
        let _ = pipe.close().await;
    }
    let mut answer = Vec::new();
    let _ = pipe.read_to_end(&mut answer).await;
    answer
}

#[test]
fn requests_and_answers_may_come_in_any_pieces() {
    for seed in 0..20 {
        let (sim, fake, _) = served(seed);
        let client = Client::new(Address::parse("sim:1").expect("an address"), None, Arc::new(sim.clone()));
        sim.block_on(async {
            let job = client.job("flights").await.expect("the server answers");
            assert_eq!(job.summary.id, FLIGHTS.to_string(), "seed {seed}");
            assert_eq!(client.stop("flights").await.expect("the server answers").checkpoint, 9);
        });
        assert_eq!(fake.told(), [format!("stop {FLIGHTS}")]);
    }
}

#[test]
fn a_head_that_does_not_come_closes_the_connection() {
    let (sim, ..) = served(1);
    for half in ["", "G", "GET /v1/jobs HTTP/1.1\r\n", "GET /v1/jobs HTTP/1.1\r\nhost: x\r\nx: "] {
        assert_eq!(sim.block_on(send(sim.open(), half.as_bytes(), false)), b"", "{half:?}");
    }
}

#[test]
fn a_body_that_does_not_come_is_told() {
    let (sim, ..) = served(2);
    let head =
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{\"job\"";
    let answer = sim.block_on(send(sim.open(), head.as_bytes(), false));
    Answer::parse(&answer).is_problem(408, "the body has not come within 10 s");
}

#[test]
fn a_leader_that_does_not_answer_is_told() {
    let (sim, fake, _) = served(3);
    fake.hangs.store(true, SeqCst);
    for (request, says) in [("GET /v1/jobs", "within 10 s"), (&format!("POST /v1/jobs/{FLIGHTS}/stop"), "within 900 s")]
    {
        let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        Answer::parse(&sim.block_on(send(sim.open(), request.as_bytes(), false))).is_problem(504, says);
    }
}

#[test]
fn the_client_does_not_wait_for_ever() {
    let sim = Sim::new(4); // nobody accepts
    let client = Client::new(Address::parse("sim:1").expect("an address"), None, Arc::new(sim.clone()));
    let error = sim.block_on(client.jobs()).expect_err("nobody answers");
    assert!(error.may_pass() && error.to_string().contains("has not answered within 15 s"), "{error}");
}

#[test]
fn who_does_not_read_is_hung_up_on() {
    let (sim, ..) = served(5);
    let mut pipe = sim.open();
    sim.block_on(async {
        let request = b"GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
        pipe.write_all(request).await.expect("the server reads");
        poll_fn(|_| if pipe.is_left() { Poll::Ready(()) } else { Poll::Pending }).await;
        let mut rest = String::new();
        pipe.read_to_string(&mut rest).await.expect("it is closed");
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.len() < 1_000, "{rest}");
    });
}

#[test]
fn the_end_waits_for_answers_that_are_under_way() {
    let (sim, fake, closing) = served(6);
    fake.hangs.store(true, SeqCst);
    let asking = send(sim.open(), b"GET /v1/jobs HTTP/1.1\r\nhost: x\r\n\r\n", false);
    let ending = async {
        sim.sleep(Duration::from_secs(1)).await;
        closing.set();
        sim.sleep(Duration::from_secs(1)).await;
        fake.hangs.store(false, SeqCst);
    };
    let (answer, ()) = sim.block_on(futures::future::join(asking, ending));
    let answer = Answer::parse(&answer);
    assert_eq!((answer.status, answer.json()["jobs"].as_array().map(Vec::len)), (200, Some(5)));
}

#[test]
fn whatever_comes_is_answered_or_closed_here_too() {
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    let mut answered = 0;
    for seed in 0..if full { 5_000 } else { 100 } {
        let (sim, ..) = served(seed);
        let sent = request(&mut Random(seed));
        // The other half may never come: half of the clients stay and wait.
        let answer = sim.block_on(send(sim.open(), &sent, seed % 2 == 0));
        answered += u32::from(answer.starts_with(b"HTTP/1.1 "));
        let health = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert_eq!(Answer::parse(&sim.block_on(send(sim.open(), health, false))).status, 200, "seed {seed}");
    }
    assert!(answered > 50, "{answered} answers");
}
