//! Whoever is slow is not waited for.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::SeqCst},
    task::{Context, Poll},
};

use futures::io::{AsyncRead, AsyncWrite};
use hyper::rt::Write;

use super::{Answer, Served, fake::Fake, hurried::Hurried};
use crate::{
    env::{Connection, ReadHalf, TokioEnv, WriteHalf},
    rest::io::Io,
};

/// A server whose clock runs fast.
fn hurried(fake: Fake) -> Served {
    Served::in_env(fake, None, |env| Arc::new(Hurried(env)))
}

#[test]
fn a_head_that_does_not_come_closes_the_connection() {
    let served = hurried(Fake::default());
    for half in ["", "G", "GET /v1/jobs HTTP/1.1\r\n", "GET /v1/jobs HTTP/1.1\r\nhost: x\r\nx: "] {
        assert_eq!(String::from_utf8_lossy(&served.send(half.as_bytes(), false)), "", "{half:?}");
    }
}

#[test]
fn a_body_that_does_not_come_is_told() {
    let served = hurried(Fake::default());
    let head =
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{\"job\"";
    Answer::parse(&served.send(head.as_bytes(), false)).is_problem(408, "the body has not come within 10 s");
}

#[test]
fn a_leader_that_does_not_answer_is_told() {
    let served = hurried(Fake::default());
    served.fake.hangs.store(true, SeqCst);
    served.get("/v1/jobs").is_problem(504, "there is no answer within 10 s");
}

/// A connection whose other end neither reads nor writes.
struct Stuck;

impl Connection for Stuck {
    fn split(self: Box<Self>) -> (ReadHalf, WriteHalf) {
        (Box::new(Stuck), Box::new(Stuck))
    }
}

impl AsyncRead for Stuck {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[test]
fn who_does_not_read_is_hung_up_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads are to be had");
    runtime.block_on(async {
        let mut io = Io::server(Box::new(Stuck), Arc::new(Hurried(TokioEnv::current())));
        for _ in 0..2 {
            let written = poll_fn(|cx| Pin::new(&mut io).poll_write(cx, b"HTTP/1.1 200 OK\r\n")).await;
            assert_eq!(written.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        }
        // What is put in place of an answer of hyper's is not waited for, either.
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let written = poll_fn(|cx| Pin::new(&mut io).poll_write(cx, bare)).await;
        assert_eq!(written.map_err(|error| error.kind()), Ok(bare.len()));
        let flushed = poll_fn(|cx| Pin::new(&mut io).poll_flush(cx)).await;
        assert_eq!(flushed.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    });
}
