//! [`Io`]: a connection of the environment as hyper reads and writes it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{
    StatusCode,
    rt::{Read, ReadBufCursor, Write},
};

use super::problem::Problem;
use crate::env::{BoxFuture, Connection, Env};

/// Read at a time, in bytes.
const READ_BYTES: usize = 4 << 10;
/// Whoever takes nothing for so long is not waited for.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// A connection for hyper.
///
/// What hyper cannot parse it answers by itself, and without a body. The server's end gives such answers one, so that every error is told in the same way.
pub(super) struct Io {
    connection: Box<dyn Connection>,
    env: Arc<dyn Env>,
    is_server: bool,
    /// What was put in place of an answer of hyper's, and how much of it is written.
    own: (Vec<u8>, usize),
    /// Runs while nothing can be written.
    stalled: Option<BoxFuture<'static, ()>>,
}

impl Io {
    pub(super) fn server(connection: Box<dyn Connection>, env: Arc<dyn Env>) -> Self {
        Self { connection, env, is_server: true, own: (Vec::new(), 0), stalled: None }
    }

    pub(super) fn client(connection: Box<dyn Connection>, env: Arc<dyn Env>) -> Self {
        Self { is_server: false, ..Self::server(connection, env) }
    }

    /// Gives up a writer who waits for too long.
    fn in_time<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let env = &self.env;
        let stalled = self.stalled.get_or_insert_with(|| env.sleep(WRITE_PATIENCE));
        ready!(stalled.as_mut().poll(cx));
        self.stalled = None;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other end does not read")))
    }

    /// Writes what was put in place of hyper's own.
    fn write_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.own.1 < self.own.0.len() {
            let written = Pin::new(&mut *self.connection).poll_write(cx, &self.own.0[self.own.1..]);
            let n = ready!(self.in_time(written, cx))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.1 += n;
        }
        self.own = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }
}

/// The status of an answer that is hyper's own: an error without a body, which no route gives.
fn bare_error(written: &[u8]) -> Option<StatusCode> {
    let head = written.strip_prefix(b"HTTP/1.1 ").filter(|_| written.ends_with(b"\r\n\r\n"))?;
    let status = StatusCode::from_bytes(head.get(..3)?).ok().filter(StatusCode::is_client_error)?;
    let is_empty = head.split(|byte| *byte == b'\n').any(|line| line.eq_ignore_ascii_case(b"content-length: 0\r"));
    is_empty.then_some(status)
}

/// The same answer with a body.
fn with_body(status: StatusCode) -> Vec<u8> {
    let detail = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the head of the request is too large",
        StatusCode::URI_TOO_LONG => "the URL is too long",
        _ => "this is no HTTP/1.1 request",
    };
    let problem = Problem::new(status, detail);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        Problem::MEDIA_TYPE,
        problem.json().len()
    );
    [head.as_bytes(), &problem.json()].concat()
}

impl Read for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut chunk = [0; READ_BYTES];
        let room = buf.remaining().min(READ_BYTES);
        let n = ready!(Pin::new(&mut *self.connection).poll_read(cx, &mut chunk[..room]))?;
        buf.put_slice(&chunk[..n]);
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.write_own(cx))?;
        if self.is_server
            && let Some(status) = bare_error(buf)
        {
            self.own = (with_body(status), 0);
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut *self.connection).poll_write(cx, buf);
        self.in_time(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_own(cx))?;
        let flushed = Pin::new(&mut *self.connection).poll_flush(cx);
        self.in_time(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_own(cx))?;
        let closed = Pin::new(&mut *self.connection).poll_close(cx);
        self.in_time(closed, cx)
    }
}
