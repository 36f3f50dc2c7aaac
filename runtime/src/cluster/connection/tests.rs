//! Who does not read is given up; who does may be sent as much as one likes.

use std::{io, task::Context};

use futures::AsyncRead;

use super::*;
use crate::env::TokioEnv;

/// So many messages of half the largest size may be on their way.
const FIT: usize = 3;

/// An end that says nothing, and reads nothing.
struct Deaf;

impl AsyncRead for Deaf {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Deaf {
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

/// Sends messages of half the largest size to an end, which may read after each.
fn send(to: WriteHalf, messages: usize) -> Vec<Result<(), SendError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("threads are to be had");
    runtime.block_on(async {
        let env: Arc<dyn Env> = TokioEnv::current();
        let (deliver, _delivered) = mpsc::channel(1);
        let from = Messages::new(Box::new(Deaf) as ReadHalf);
        let connection = ControlConnection::start(&env, from, to, deliver, |came: Result<u64, WireError>| came);
        let message = "x".repeat(MESSAGE_BYTES_LIMIT / 2);
        let mut sent = Vec::new();
        for _ in 0..messages {
            sent.push(connection.send(&message));
            tokio::task::yield_now().await;
        }
        sent
    })
}

#[test]
fn who_does_not_read_is_given_up() {
    let sent = send(Box::new(Deaf), FIT + 1);
    let (fit, more) = sent.split_at(FIT);
    assert!(fit.iter().all(Result::is_ok), "{sent:?}");
    assert_eq!(more, [Err(SendError::Full)]);
}

#[test]
fn what_was_written_makes_room() {
    let sent = send(Box::new(futures::io::sink()), FIT + 2);
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
}
