//! [`TlsStream`]: a connection with TLS, and its two halves.
//!
//! The halves share the session; each has its own half of the connection below. Either may have to write what the session wants to say, so what waits
//! for room to write wakes both.

use std::{
    future::poll_fn,
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use futures::{
    io::{AsyncRead, AsyncWrite},
    task::{ArcWake, AtomicWaker, waker_ref},
};
use rustls::Connection as Session;

use super::{
    super::{Connection, ReadHalf, WriteHalf},
    explain, invalid,
};

/// What is encrypted at a time, in bytes: a few records, which go out with one call.
const OUTGOING_BYTES_LIMIT: usize = 128 << 10;
/// What is read at a time, in bytes: two records of the largest size.
const READ_BYTES: usize = 32 << 10;

/// A connection with TLS.
pub(super) struct TlsStream {
    reading: Reading,
    writing: Writing,
}

/// What both halves use.
struct Shared {
    outgoing: Mutex<Outgoing>,
    wakers: Arc<Wakers>,
}

/// The session, and what it writes to.
struct Outgoing {
    session: Session,
    /// None once this direction is closed.
    raw: Option<WriteHalf>,
}

/// Who may wait for room to write.
#[derive(Default)]
struct Wakers {
    reading: AtomicWaker,
    writing: AtomicWaker,
}

impl ArcWake for Wakers {
    fn wake_by_ref(this: &Arc<Self>) {
        this.reading.wake();
        this.writing.wake();
    }
}

struct Reading {
    shared: Arc<Shared>,
    raw: ReadHalf,
    ahead: Ahead,
    /// The host at the other end, for messages.
    peer: String,
}

struct Writing {
    shared: Arc<Shared>,
}

/// What was read from the connection, and not yet by the session.
struct Ahead {
    bytes: Box<[u8]>,
    from: usize,
    to: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsStream {
    /// A connection before its handshake.
    pub(super) fn new(connection: Box<dyn Connection>, mut session: Session, peer: String) -> Self {
        session.set_buffer_limit(Some(OUTGOING_BYTES_LIMIT));
        let (reading, writing) = connection.split();
        let outgoing = Mutex::new(Outgoing { session, raw: Some(writing) });
        let shared = Arc::new(Shared { outgoing, wakers: Arc::default() });
        let ahead = Ahead { bytes: vec![0; READ_BYTES].into(), from: 0, to: 0 };
        Self {
            reading: Reading { shared: Arc::clone(&shared), raw: reading, ahead, peer },
            writing: Writing { shared },
        }
    }

    /// Lets both ends show who they are. Bound the wait. Not cancel safe: the connection has to be closed then.
    ///
    /// # Errors
    ///
    /// Says why the two ends do not talk to each other.
    pub(super) async fn handshake(&mut self) -> io::Result<()> {
        let reading = &mut self.reading;
        poll_fn(|cx| {
            let shared = Arc::clone(&reading.shared);
            shared.wakers.reading.register(cx.waker());
            let mut outgoing = shared.lock();
            loop {
                ready!(outgoing.poll_flush(&shared.wakers))?;
                if !outgoing.session.is_handshaking() {
                    return Poll::Ready(Ok(()));
                }
                if ready!(reading.poll_packets(&mut outgoing, cx))? == 0 {
                    let closed = "the other end has closed the connection in the handshake";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, closed)));
                }
            }
        })
        .await
    }
}

impl Connection for TlsStream {
    fn split(self: Box<Self>) -> (ReadHalf, WriteHalf) {
        (Box::new(self.reading), Box::new(self.writing))
    }
}

impl Outgoing {
    /// Writes what the session has to say. Who calls has left its waker.
    fn poll_flush(&mut self, wakers: &Arc<Wakers>) -> Poll<io::Result<()>> {
        let Some(raw) = &mut self.raw else { return Poll::Ready(Ok(())) };
        let waker = waker_ref(wakers);
        let mut cx = Context::from_waker(&waker);
        while self.session.wants_write() {
            match self.session.write_tls(&mut Sink(raw, &mut cx)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(raw).poll_flush(&mut cx)
    }
}

impl Reading {
    /// Lets the session read what has come: gives how much that was, 0 at the end.
    fn poll_packets(&mut self, outgoing: &mut Outgoing, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Ahead { bytes, from, to } = &mut self.ahead;
        if from == to {
            (*from, *to) = (0, ready!(Pin::new(&mut self.raw).poll_read(cx, bytes))?);
        }
        let mut came = &bytes[*from..*to];
        let n = outgoing.session.read_tls(&mut came)?;
        *from += n;
        let Err(error) = outgoing.session.process_new_packets() else { return Poll::Ready(Ok(n)) };
        // The other end is told, if that can be done at once.
        let _ = outgoing.poll_flush(&self.shared.wakers);
        Poll::Ready(Err(invalid(explain(&error, &self.peer))))
    }
}

impl AsyncRead for Reading {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let shared = Arc::clone(&this.shared);
        shared.wakers.reading.register(cx.waker());
        let mut outgoing = shared.lock();
        loop {
            // What was written but did not find room, though nobody flushes it, and what the session answers. A failure shows in what comes.
            let _ = outgoing.poll_flush(&shared.wakers);
            match outgoing.session.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
            ready!(this.poll_packets(&mut outgoing, cx))?;
        }
    }
}

impl AsyncWrite for Writing {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Shared { wakers, .. } = &*self.shared;
        wakers.writing.register(cx.waker());
        let mut outgoing = self.shared.lock();
        if outgoing.raw.is_none() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // What was taken before goes out first, so that no more than the limit waits.
        ready!(outgoing.poll_flush(wakers))?;
        let taken = outgoing.session.writer().write_vectored(bufs)?;
        if let Poll::Ready(Err(error)) = outgoing.poll_flush(wakers) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.wakers.writing.register(cx.waker());
        self.shared.lock().poll_flush(&self.shared.wakers)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.wakers.writing.register(cx.waker());
        let mut outgoing = self.shared.lock();
        if outgoing.raw.is_none() {
            return Poll::Ready(Ok(()));
        }
        outgoing.session.send_close_notify();
        ready!(outgoing.poll_flush(&self.shared.wakers))?;
        let raw = outgoing.raw.as_mut().expect("it was there");
        ready!(Pin::new(raw).poll_close(cx))?;
        outgoing.raw = None;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Writing {
    /// Says that nothing more comes, if that can be said at once, and closes the direction.
    fn drop(&mut self) {
        let mut outgoing = self.shared.lock();
        outgoing.session.send_close_notify();
        let _ = outgoing.poll_flush(&self.shared.wakers);
        outgoing.raw = None;
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reading).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
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

/// A half of a connection as the session writes to it: without waiting.
struct Sink<'a, 'b, 'c>(&'a mut WriteHalf, &'b mut Context<'c>);

impl Write for Sink<'_, '_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        at_once(Pin::new(&mut *self.0).poll_write(self.1, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        at_once(Pin::new(&mut *self.0).poll_write_vectored(self.1, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // whoever has written flushes
    }
}

fn at_once(polled: Poll<io::Result<usize>>) -> io::Result<usize> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
