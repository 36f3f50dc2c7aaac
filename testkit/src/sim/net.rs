//! [`SimNetwork`]: connections in memory. How long it takes to connect, and in which pieces bytes arrive, is drawn from the seed.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures::io::{AsyncRead, AsyncWrite};
use millstream_runtime::env::{BoxFuture, Connection, Listener, Network, ReadHalf, WriteHalf};

use super::clock::{Clock, Sleep};

/// The ports that are drawn where port 0 is asked for.
const DRAWN_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// How many bytes are on their way in one direction of a connection at most.
const PIPE_BYTES: usize = 64 * 1024;
/// How many connections wait at an address to be accepted at most; further ones are refused.
const BACKLOG: usize = 128;
/// The most that connecting takes, in virtual nanoseconds.
const CONNECT_NANOS_LIMIT: u64 = 5_000_000;

/// The network of a simulation. Any `host:port` will do as an address; nothing outside is reached.
pub(super) struct SimNetwork {
    clock: Arc<Clock>,
    addresses: Arc<Mutex<BTreeMap<String, Backlog>>>,
}

/// Connections that wait to be accepted, and who waits for one.
#[derive(Default)]
struct Backlog {
    waiting: VecDeque<SimConnection>,
    acceptor: Option<Waker>,
}

impl SimNetwork {
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        Self { clock, addresses: Arc::default() }
    }
}

impl Network for SimNetwork {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> {
        let (clock, addresses, address) = (self.clock.clone(), self.addresses.clone(), address.to_owned());
        Box::pin(async move {
            Sleep::for_random(&clock, CONNECT_NANOS_LIMIT).await;
            let (here, there) = pair(&clock);
            let acceptor = {
                let mut addresses = lock(&addresses);
                let Some(backlog) = addresses.get_mut(&address).filter(|backlog| backlog.waiting.len() < BACKLOG)
                else {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                };
                backlog.waiting.push_back(there);
                backlog.acceptor.take()
            };
            wake(acceptor);
            Ok(Box::new(here) as Box<dyn Connection>)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let (addresses, mut address) = (self.addresses.clone(), address.to_owned());
        Box::pin(async move {
            {
                let mut taken = lock(&addresses);
                if let Some(host) = address.strip_suffix(":0") {
                    let mut free = DRAWN_PORTS.map(|port| format!("{host}:{port}"));
                    address = free.find(|one| !taken.contains_key(one)).ok_or(io::ErrorKind::AddrNotAvailable)?;
                }
                if taken.contains_key(&address) {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                taken.insert(address.clone(), Backlog::default());
            }
            Ok(Box::new(SimListener { addresses, address, accepted: 0 }) as Box<dyn Listener>)
        })
    }
}

struct SimListener {
    addresses: Arc<Mutex<BTreeMap<String, Backlog>>>,
    address: String,
    accepted: u64,
}

impl Listener for SimListener {
    fn address(&self) -> &str {
        &self.address
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Box<dyn Connection>, String)>> {
        let mut addresses = lock(&self.addresses);
        let backlog = addresses.get_mut(&self.address).expect("a listener keeps its address until it is dropped");
        let Some(connection) = backlog.waiting.pop_front() else {
            let replaced = backlog.acceptor.replace(cx.waker().clone());
            drop(addresses);
            drop(replaced); // outside of the lock: what a waker owns is not known here
            return Poll::Pending;
        };
        self.accepted += 1;
        Poll::Ready(Ok((Box::new(connection), format!("client-{}", self.accepted))))
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let backlog = lock(&self.addresses).remove(&self.address);
        drop(backlog); // outside of the lock: dropping connections wakes their other ends
    }
}

/// The two ends of a connection.
fn pair(clock: &Arc<Clock>) -> (SimConnection, SimConnection) {
    let (a, b) = (Arc::<Mutex<Pipe>>::default(), Arc::<Mutex<Pipe>>::default());
    let end = |from: &Arc<Mutex<Pipe>>, to: &Arc<Mutex<Pipe>>| SimConnection {
        incoming: Incoming { clock: clock.clone(), pipe: from.clone() },
        outgoing: Outgoing { clock: clock.clone(), pipe: to.clone() },
    };
    (end(&a, &b), end(&b, &a))
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// No more will be written. What is there can still be read.
    ended: bool,
    /// No more will be read.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct SimConnection {
    incoming: Incoming,
    outgoing: Outgoing,
}

struct Incoming {
    clock: Arc<Clock>,
    pipe: Arc<Mutex<Pipe>>,
}

struct Outgoing {
    clock: Arc<Clock>,
    pipe: Arc<Mutex<Pipe>>,
}

/// How much of so many bytes is moved at once: any number of them, but at least one.
fn some_of(clock: &Clock, bytes: usize) -> usize {
    1 + (clock.draw() % bytes as u64) as usize
}

impl Connection for SimConnection {
    fn split(self: Box<Self>) -> (ReadHalf, WriteHalf) {
        (Box::new(self.incoming), Box::new(self.outgoing))
    }
}

impl Outgoing {
    fn end(&self) {
        let reader = {
            let mut pipe = lock(&self.pipe);
            pipe.ended = true;
            pipe.reader.take()
        };
        wake(reader);
    }
}

impl AsyncRead for SimConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.incoming).poll_read(cx, buf)
    }
}

impl AsyncWrite for SimConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.outgoing).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_close(cx)
    }
}

impl AsyncRead for Incoming {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.pipe);
        let there = pipe.bytes.len().min(buf.len());
        if there == 0 {
            if pipe.ended || buf.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let replaced = pipe.reader.replace(cx.waker().clone());
            drop(pipe);
            drop(replaced);
            return Poll::Pending;
        }
        let count = some_of(&self.clock, there);
        for (to, from) in buf.iter_mut().zip(pipe.bytes.drain(..count)) {
            *to = from;
        }
        let writer = pipe.writer.take();
        drop(pipe);
        wake(writer);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.pipe);
        if pipe.broken || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = (PIPE_BYTES - pipe.bytes.len()).min(buf.len());
        if room == 0 {
            if buf.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let replaced = pipe.writer.replace(cx.waker().clone());
            drop(pipe);
            drop(replaced);
            return Poll::Pending;
        }
        let count = some_of(&self.clock, room);
        pipe.bytes.extend(&buf[..count]);
        let reader = pipe.reader.take();
        drop(pipe);
        wake(reader);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let writer = {
            let mut pipe = lock(&self.pipe);
            pipe.broken = true;
            pipe.bytes.clear();
            pipe.writer.take()
        };
        wake(writer);
    }
}

/// Always outside of the locks: waking makes a task runnable.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, except by a broken invariant of this file.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
