//! [`TlsListener`]: takes connections, and hands over those whose other end has shown who it is.

use std::{
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{
    SinkExt, StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use rustls::{Connection as Session, ServerConfig, ServerConnection};
use tracing::warn;

use super::{
    super::{Connection, Env, Listener},
    HANDSHAKE_LIMIT, host_of, invalid, late,
    stream::TlsStream,
};

/// So many connections may be there that have not yet shown who they are.
const STRANGERS_LIMIT: usize = 64;

type Accepted = (Box<dyn Connection>, String);

/// Takes connections. Handshakes go on beside it, so that nobody waits for one who is slow.
pub(super) struct TlsListener {
    inner: Box<dyn Listener>,
    env: Arc<dyn Env>,
    config: Arc<ServerConfig>,
    /// Held by every handshake.
    strangers: Arc<()>,
    sender: mpsc::Sender<Accepted>,
    ready: mpsc::Receiver<Accepted>,
}

impl TlsListener {
    pub(super) fn new(inner: Box<dyn Listener>, env: Arc<dyn Env>, config: Arc<ServerConfig>) -> Self {
        let (sender, ready) = mpsc::channel(0);
        Self { inner, env, config, strangers: Arc::new(()), sender, ready }
    }

    fn greet(&self, connection: Box<dyn Connection>, from: String) {
        if Arc::strong_count(&self.strangers) > STRANGERS_LIMIT {
            warn!(from, "a connection is closed: {STRANGERS_LIMIT} others have not shown who they are yet");
            return;
        }
        let (held, mut ready) = (Arc::clone(&self.strangers), self.sender.clone());
        let (env, config) = (Arc::clone(&self.env), Arc::clone(&self.config));
        self.env.spawn(
            "TLS handshake",
            Box::pin(async move {
                match shake(connection, &from, config, &*env).await {
                    Ok(stream) => drop(ready.send((Box::new(stream) as _, from)).await), // the listener may be gone
                    Err(reason) => warn!(from, %reason, "a connection is refused"),
                }
                drop(held);
            }),
        );
    }
}

async fn shake(
    connection: Box<dyn Connection>,
    from: &str,
    config: Arc<ServerConfig>,
    env: &dyn Env,
) -> io::Result<TlsStream> {
    let session = ServerConnection::new(config).map_err(|error| invalid(error.to_string()))?;
    let mut stream = TlsStream::new(connection, Session::Server(session), host_of(from).to_owned());
    match select(pin!(stream.handshake()), env.sleep(HANDSHAKE_LIMIT)).await {
        Either::Left((done, _)) => done?,
        Either::Right(_) => return Err(late()),
    }
    Ok(stream)
}

impl Listener for TlsListener {
    fn address(&self) -> &str {
        self.inner.address()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        // Whoever has shown who it is comes before those who have not.
        loop {
            if let Poll::Ready(Some(accepted)) = self.ready.poll_next_unpin(cx) {
                return Poll::Ready(Ok(accepted));
            }
            match self.inner.poll_accept(cx)? {
                Poll::Ready((connection, from)) => self.greet(connection, from),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
