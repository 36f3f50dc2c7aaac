//! [`Sim`]: an environment of its own, in memory and without any runtime: time is virtual, and connections hold few bytes and give them in pieces drawn from a seed.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::io::{AsyncRead, AsyncWrite};
use millstream_core::time::Timestamp;

use super::random::Random;
use crate::env::{BoxFuture, Connection, Disk, Env, Files, Instant, Listener, Network, ReadHalf, WriteHalf};

/// So many bytes are on their way in a connection.
const PIPE_BYTES: usize = 512;
/// How long a round takes, in which each task is polled once.
const ROUND: Duration = Duration::from_millis(1);
/// Nothing goes on for so many rounds.
const ROUNDS_LIMIT: u64 = 1_000_000;

/// An environment in memory. All that is shared in it is polled again in each round, so nobody has to be woken.
#[derive(Clone)]
pub(crate) struct Sim(Arc<Inner>);

struct Inner {
    tasks: Mutex<Vec<BoxFuture<'static, ()>>>,
    rounds: AtomicU64,
    random: Arc<Mutex<Random>>,
    /// Connections that nobody has accepted yet.
    incoming: Arc<Mutex<VecDeque<Pipe>>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Inner {
            tasks: Mutex::default(),
            rounds: AtomicU64::new(0),
            random: Arc::new(Mutex::new(Random(seed))),
            incoming: Arc::default(),
        }))
    }

    /// Runs all tasks until a future is done.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let (mut future, mut cx) = (pin!(future), Context::from_waker(Waker::noop()));
        for _ in 0..ROUNDS_LIMIT {
            if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
                return value;
            }
            self.0.rounds.fetch_add(1, SeqCst);
            let mut tasks = std::mem::take(&mut *lock(&self.0.tasks));
            tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
            lock(&self.0.tasks).append(&mut tasks);
        }
        panic!("nothing goes on");
    }

    /// A connection to whoever listens.
    pub(crate) fn open(&self) -> Pipe {
        let pipe = || Arc::new(Mutex::new(Bytes::default()));
        let (there, back, random) = (pipe(), pipe(), &self.0.random);
        lock(&self.0.incoming).push_back(Pipe::new(&there, &back, random));
        Pipe::new(&back, &there, random)
    }
}

impl Env for Sim {
    fn spawn(&self, _: &str, future: BoxFuture<'static, ()>) {
        lock(&self.0.tasks).push(future);
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.rounds.load(SeqCst) * ROUND.as_nanos() as u64)
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let env = self.clone();
        Box::pin(poll_fn(move |_| if env.now() >= at { Poll::Ready(()) } else { Poll::Pending }))
    }

    fn random(&self) -> u64 {
        lock(&self.0.random).next()
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        work();
        Box::pin(async {})
    }

    fn wait_in_place(&self, _: BoxFuture<'_, ()>) -> bool {
        false
    }

    fn files(&self) -> &dyn Files {
        &Disk
    }

    fn network(&self) -> &dyn Network {
        self
    }
}

impl Network for Sim {
    fn connect(&self, _: &str) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> {
        let pipe = self.open();
        Box::pin(async { Ok(Box::new(pipe) as Box<dyn Connection>) })
    }

    fn listen(&self, _: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let listener = Box::new(Accepting(Arc::clone(&self.0.incoming)));
        Box::pin(async { Ok(listener as Box<dyn Listener>) })
    }
}

struct Accepting(Arc<Mutex<VecDeque<Pipe>>>);

impl Listener for Accepting {
    fn address(&self) -> &str {
        "sim:1"
    }

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(Box<dyn Connection>, String)>> {
        match lock(&self.0).pop_front() {
            Some(pipe) => Poll::Ready(Ok((Box::new(pipe), "sim:2".to_owned()))),
            None => Poll::Pending,
        }
    }
}

/// Bytes in one direction.
#[derive(Default)]
struct Bytes {
    held: VecDeque<u8>,
    /// Nothing more comes.
    ended: bool,
    /// Nobody reads.
    unread: bool,
}

/// One end of a connection.
pub(crate) struct Pipe {
    from: Arc<Mutex<Bytes>>,
    to: Arc<Mutex<Bytes>>,
    random: Arc<Mutex<Random>>,
}

impl Pipe {
    fn new(from: &Arc<Mutex<Bytes>>, to: &Arc<Mutex<Bytes>>, random: &Arc<Mutex<Random>>) -> Self {
        Self { from: Arc::clone(from), to: Arc::clone(to), random: Arc::clone(random) }
    }

    /// True if the other end was dropped.
    pub(crate) fn is_left(&self) -> bool {
        lock(&self.to).unread
    }

    /// From 1 to `limit`.
    fn some(&self, limit: usize) -> usize {
        1 + lock(&self.random).below(limit)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        lock(&self.to).ended = true;
        lock(&self.from).unread = true;
    }
}

impl Connection for Pipe {
    fn split(self: Box<Self>) -> (ReadHalf, WriteHalf) {
        let shared = Arc::new(Mutex::new(self));
        (Box::new(Half(Arc::clone(&shared))), Box::new(Half(shared)))
    }
}

/// One direction of an end, which is dropped with both.
struct Half(Arc<Mutex<Box<Pipe>>>);

impl AsyncRead for Half {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut **lock(&self.0)).poll_read(cx, buf)
    }
}

impl AsyncWrite for Half {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut **lock(&self.0)).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **lock(&self.0)).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **lock(&self.0)).poll_close(cx)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut from = lock(&self.from);
        if from.held.is_empty() {
            return if from.ended { Poll::Ready(Ok(0)) } else { Poll::Pending };
        }
        let n = self.some(from.held.len()).min(buf.len());
        from.held.drain(..n).zip(buf).for_each(|(byte, place)| *place = byte);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut to = lock(&self.to);
        if to.unread {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = (PIPE_BYTES - to.held.len()).min(buf.len());
        if room == 0 && !buf.is_empty() {
            return Poll::Pending;
        }
        let n = if buf.is_empty() { 0 } else { self.some(room) };
        to.held.extend(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.to).ended = true;
        Poll::Ready(Ok(()))
    }
}
