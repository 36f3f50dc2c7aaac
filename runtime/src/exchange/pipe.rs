//! Connections in memory, for tests of what goes over them.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use futures::{
    executor::LocalPool,
    io::{AsyncRead, AsyncWrite},
    task::LocalSpawnExt,
};
use millstream_net::{
    inbound::Acceptor,
    link::{Link, Options},
    window::Pool,
};

/// One direction of a connection in memory.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<(VecDeque<u8>, bool, Option<Waker>)>>);

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        let (bytes, closed, waker) = &mut *self.0.lock().expect("nobody panics");
        if bytes.is_empty() && !*closed {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = bytes.len().min(to.len());
        to.iter_mut().zip(bytes.drain(..count)).for_each(|(to, byte)| *to = byte);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let (bytes, _, waker) = &mut *self.0.lock().expect("nobody panics");
        bytes.extend(from);
        waker.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(from.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (_, closed, waker) = &mut *self.0.lock().expect("nobody panics");
        *closed = true;
        waker.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

/// Two ends of a connection, which the pool drives.
pub(crate) fn connect<A: Acceptor + 'static>(pool: &LocalPool, options: Options, acceptors: [Arc<A>; 2]) -> [Link; 2] {
    let pipes = [Pipe::default(), Pipe::default()];
    let mut ends = acceptors.into_iter().zip([0, 1]).map(|(acceptor, from)| {
        let (link, reader, writer) = Link::new(options, &Pool::new(0), acceptor);
        let (from, to, spawner) = (pipes[from].clone(), pipes[1 - from].clone(), pool.spawner());
        spawner.spawn_local(async { drop(reader.run(from).await) }).expect("the pool lives");
        spawner.spawn_local(async { drop(writer.run(to).await) }).expect("the pool lives");
        link
    });
    [(); 2].map(|()| ends.next().expect("there are two"))
}
