//! [`MemoryEnv`]: an environment whose connections are memory of this process, among those that have the environment. Nobody else reaches them. It knows when
//! all tasks have ended that were spawned in it.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures::{
    Stream,
    channel::mpsc,
    io::{AsyncRead, AsyncWrite},
    task::AtomicWaker,
};

use super::{BoxFuture, Connection, Env, Listener, Network, ReadHalf, WriteHalf};
use crate::forward_env;

/// So many bytes are on their way in one direction of a connection; who has more waits.
const PIPE_BYTES: usize = 64 << 10;
/// So many connections wait to be accepted, besides one of each that connects; further ones are refused.
const BACKLOG: usize = 16;

/// An environment with connections in memory.
pub(crate) struct MemoryEnv {
    inner: Arc<dyn Env>,
    network: Memory,
    tasks: Arc<Tasks>,
}

/// How many tasks there are, and who waits until there are none.
#[derive(Default)]
struct Tasks {
    count: AtomicUsize,
    waiting: AtomicWaker,
}

/// A task that has not ended.
struct Counted(Arc<Tasks>);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.waiting.wake();
        }
    }
}

impl MemoryEnv {
    /// Has the connections of an environment in memory. Those of each environment that this makes are apart.
    pub(crate) fn wrap(inner: Arc<dyn Env>) -> Arc<Self> {
        Arc::new(Self { inner, network: Memory::default(), tasks: Arc::default() })
    }

    /// Waits until all tasks have ended that were spawned in it. One waits at a time.
    pub(crate) async fn settled(&self) {
        poll_fn(|cx| {
            self.tasks.waiting.register(cx.waker());
            if self.tasks.count.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Env for MemoryEnv {
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) {
        self.tasks.count.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(Arc::clone(&self.tasks));
        let task = async move {
            let _counted = counted;
            future.await;
        };
        self.inner.spawn(name, Box::pin(task));
    }

    fn network(&self) -> &dyn Network {
        &self.network
    }

    forward_env!(inner: now, wall, sleep_until, random, blocking, wait_in_place, files, step);
}

#[derive(Default)]
struct Memory {
    listening: Arc<Mutex<Listening>>,
}

#[derive(Default)]
struct Listening {
    addresses: BTreeMap<String, mpsc::Sender<MemoryConnection>>,
    /// The last one that was drawn.
    drawn: u64,
}

impl Network for Memory {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> {
        let (here, there) = pair();
        let acceptor = lock(&self.listening).addresses.get(address).cloned();
        let connected = match acceptor.map(|mut acceptor| acceptor.try_send(there)) {
            Some(Ok(())) => Ok(Box::new(here) as Box<dyn Connection>),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        };
        Box::pin(async { connected })
    }

    /// Draws an address, whichever is asked for.
    fn listen(&self, _: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let (sender, accepted) = mpsc::channel(BACKLOG);
        let mut listening = lock(&self.listening);
        listening.drawn += 1;
        let address = format!("memory:{}", listening.drawn);
        listening.addresses.insert(address.clone(), sender);
        let listener = MemoryListener { listening: Arc::clone(&self.listening), address, accepted };
        Box::pin(async { Ok(Box::new(listener) as Box<dyn Listener>) })
    }
}

struct MemoryListener {
    listening: Arc<Mutex<Listening>>,
    address: String,
    accepted: mpsc::Receiver<MemoryConnection>,
}

impl Listener for MemoryListener {
    fn address(&self) -> &str {
        &self.address
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Box<dyn Connection>, String)>> {
        Pin::new(&mut self.accepted).poll_next(cx).map(|next| {
            let connection = next.ok_or(io::ErrorKind::NotConnected)?;
            Ok((Box::new(connection) as Box<dyn Connection>, "this process".to_owned()))
        })
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        lock(&self.listening).addresses.remove(&self.address);
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// One of its ends is gone.
    is_closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Incoming(Arc<Mutex<Pipe>>);
struct Outgoing(Arc<Mutex<Pipe>>);

struct MemoryConnection {
    incoming: Incoming,
    outgoing: Outgoing,
}

/// The two ends of a connection.
fn pair() -> (MemoryConnection, MemoryConnection) {
    let (a, b) = (Arc::<Mutex<Pipe>>::default(), Arc::<Mutex<Pipe>>::default());
    let end = |from: &Arc<_>, to: &Arc<_>| MemoryConnection {
        incoming: Incoming(Arc::clone(from)),
        outgoing: Outgoing(Arc::clone(to)),
    };
    (end(&a, &b), end(&b, &a))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is there can still be read, and no more comes.
fn close(pipe: &Mutex<Pipe>) {
    let mut pipe = lock(pipe);
    pipe.is_closed = true;
    let wakers = [pipe.reader.take(), pipe.writer.take()];
    drop(pipe);
    wakers.into_iter().flatten().for_each(Waker::wake);
}

impl Drop for Incoming {
    fn drop(&mut self) {
        close(&self.0);
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        close(&self.0);
    }
}

impl Connection for MemoryConnection {
    fn split(self: Box<Self>) -> (ReadHalf, WriteHalf) {
        (Box::new(self.incoming), Box::new(self.outgoing))
    }
}

impl AsyncRead for Incoming {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.0);
        let there = pipe.bytes.len().min(to.len());
        if there == 0 && !to.is_empty() && !pipe.is_closed {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for (to, byte) in to.iter_mut().zip(pipe.bytes.drain(..there)) {
            *to = byte;
        }
        let writer = pipe.writer.take();
        drop(pipe);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(there))
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.0);
        if pipe.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = (PIPE_BYTES - pipe.bytes.len()).min(bytes.len());
        if room == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.bytes.extend(&bytes[..room]);
        let reader = pipe.reader.take();
        drop(pipe);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(room))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        close(&self.0);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for MemoryConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.incoming).poll_read(cx, to)
    }
}

impl AsyncWrite for MemoryConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.outgoing).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt, AsyncWriteExt, executor::block_on, future::join};

    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_end_is_seen() {
        let memory = Memory::default();
        block_on(async {
            let mut listener = memory.listen("anywhere:0").await.expect("there is memory");
            let here = memory.connect(listener.address()).await.expect("somebody listens");
            let (there, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await.expect("there is one");
            let sent: Vec<u8> = (0..4 * PIPE_BYTES).map(|n| n as u8).collect();
            let ((_reading, mut writing), (mut reading, _writing)) = (here.split(), there.split());
            let mut received = Vec::new();
            let write = async {
                writing.write_all(&sent).await.expect("somebody reads");
                drop(writing);
            };
            let (_, read) = join(write, reading.read_to_end(&mut received)).await;
            assert_eq!((read.ok(), received), (Some(sent.len()), sent));
        });
    }

    #[test]
    fn nobody_listens_any_more() {
        let memory = Memory::default();
        block_on(async {
            let listener = memory.listen("anywhere:0").await.expect("there is memory");
            let address = listener.address().to_owned();
            let mut here = memory.connect(&address).await.expect("somebody listens");
            drop(listener);
            assert!(memory.connect(&address).await.is_err());
            assert!(here.write(b"hello").await.is_err(), "it was not accepted");
        });
    }
}
