//! TCP by tokio.

use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::io::{AsyncRead, AsyncWrite};
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    BoxFuture,
    net::{Connection, Listener, Network, ReadHalf, WriteHalf},
};

/// How often the system looks whether the other end of an idle connection is there.
#[cfg(target_os = "linux")]
const PROBE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// A connection is broken if the other end's system has not answered for so long: as long as processes wait for each other's heartbeats unless they are told
/// otherwise.
#[cfg(target_os = "linux")]
const SILENCE_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The network of the machine. Its futures are polled in a tokio runtime with I/O enabled.
pub(super) struct Tcp;

#[allow(clippy::disallowed_methods, reason = "this is the door that the rest of the code is sent to")]
impl Network for Tcp {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> {
        let address = address.to_owned();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::new(Stream::new(stream)?) as Box<dyn Connection>)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let address = address.to_owned();
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?.to_string();
            Ok(Box::new(Accepting { listener, address }) as Box<dyn Listener>)
        })
    }
}

struct Accepting {
    listener: TcpListener,
    address: String,
}

impl Listener for Accepting {
    fn address(&self) -> &str {
        &self.address
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Box<dyn Connection>, String)>> {
        let (stream, from) = ready!(self.listener.poll_accept(cx))?;
        Poll::Ready(Ok((Box::new(Stream::new(stream)?), from.to_string())))
    }
}

/// A connection, its halves apart: putting them together is free.
struct Stream {
    reading: Reading,
    writing: Writing,
}

struct Reading(OwnedReadHalf);
struct Writing(OwnedWriteHalf);

impl Stream {
    fn new(stream: TcpStream) -> io::Result<Self> {
        // What is handed over goes out at once: whoever writes gathers by himself.
        stream.set_nodelay(true)?;
        notice_silence(&stream)?;
        let (reading, writing) = stream.into_split();
        Ok(Self { reading: Reading(reading), writing: Writing(writing) })
    }
}

/// Has the system end a connection over which nothing comes through any more: else it would go on trying for a quarter of an hour, and would not try at all if
/// nothing is to be sent. That the other process stands still does not matter, as long as its system answers and has room.
#[cfg(target_os = "linux")]
fn notice_silence(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_keepidle(stream, PROBE_INTERVAL)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_INTERVAL)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_user_timeout(stream, SILENCE_LIMIT.as_millis() as u32)?;
    Ok(())
}

/// Other systems have other means, and their own times.
#[cfg(not(target_os = "linux"))]
fn notice_silence(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

impl Connection for Stream {
    fn split(self: Box<Self>) -> (ReadHalf, WriteHalf) {
        (Box::new(self.reading), Box::new(self.writing))
    }
}

impl AsyncRead for Reading {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream: &TcpStream = self.0.as_ref();
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read_vectored(bufs) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }
}

impl AsyncWrite for Writing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reading).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writing).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_close(cx)
    }
}
