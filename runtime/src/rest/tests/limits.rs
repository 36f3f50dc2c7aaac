//! What takes too long, or is too many.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::Ordering::SeqCst,
};

use super::{Answer, CONNECTIONS_LIMIT, PATIENCE, Served, fake::Fake};

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(&served.address).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a time");
    stream
}

/// Asks on a connection that stays open, and reads until a body has come that ends like this.
fn ask(stream: &mut TcpStream, end: &str) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").expect("the server reads");
    let (mut answer, mut chunk) = (Vec::new(), [0; 512]);
    while !answer.ends_with(end.as_bytes()) {
        let n = stream.read(&mut chunk).expect("the server answers");
        assert_ne!(n, 0, "{:?}", String::from_utf8_lossy(&answer));
        answer.extend(&chunk[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn who_is_one_too_many_is_told_so() {
    let served = Served::new(Fake::default(), None);
    let mut held: Vec<_> = (0..CONNECTIONS_LIMIT).map(|_| connect(&served)).collect();
    // Each has been answered, so each is served.
    held.iter_mut().for_each(|stream| drop(ask(stream, "ok\n")));
    let refused = Answer::parse(&served.send(b"", false));
    refused.is_problem(503, "too many connections");
    drop(held);
    // Once the others are gone there is room again.
    while served.get("/healthz").status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn one_connection_may_ask_again() {
    let served = Served::new(Fake::default(), None);
    let mut stream = connect(&served);
    for _ in 0..3 {
        assert!(ask(&mut stream, "ok\n").starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn the_end_waits_for_nobody_who_says_nothing() {
    let served = Served::new(Fake::default(), None);
    let (mut silent, mut half) = (connect(&served), connect(&served));
    ask(&mut silent, "ok\n");
    half.write_all(b"GET /v1/jobs HTTP/1.1\r\n").expect("the server reads");
    drop(served); // waits until the server has ended
    assert_eq!(silent.read(&mut [0; 8]).expect("it is closed"), 0);
}

#[test]
fn an_answer_that_is_under_way_is_given_up_at_the_end() {
    let served = Served::new(Fake::default(), None);
    served.fake.hangs.store(true, SeqCst);
    let mut waiting = connect(&served);
    waiting.write_all(b"GET /v1/jobs HTTP/1.1\r\nhost: x\r\n\r\n").expect("the server reads");
    drop(served);
    let mut rest = Vec::new();
    let _ = waiting.read_to_end(&mut rest); // closed or reset
    assert_eq!(rest, b"");
}
