//! Connections as the engine sees them: streams of bytes by address, whatever carries them.

use std::{
    io,
    task::{Context, Poll},
};

use futures::io::{AsyncRead, AsyncWrite};

use super::BoxFuture;

/// A stream of bytes in both directions. Dropping it closes it.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {
    /// Its two directions, for two tasks. The writing half closes its direction when it is dropped.
    fn split(self: Box<Self>) -> (ReadHalf, WriteHalf);
}

/// What comes in over a connection.
pub type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
/// What goes out over a connection.
pub type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// An address at which connections come in. Dropping it gives the address free.
pub trait Listener: Send {
    /// The address, with the port that was drawn if port 0 was asked for.
    fn address(&self) -> &str;

    /// The next connection, and the address of whoever made it. Only the last task that polled is woken.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Box<dyn Connection>, String)>>;
}

/// Connections. An address is `host:port`.
pub trait Network: Send + Sync {
    /// Connects to an address.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Connection>>>;

    /// Takes an address, to accept connections there.
    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;
}
