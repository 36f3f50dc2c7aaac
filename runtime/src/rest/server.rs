//! [`serve`]: takes connections, as many as are good for it, and answers their requests until it is to end.

use std::{convert::Infallible, future::poll_fn, pin::pin, sync::Arc, time::Duration};

use futures::{
    AsyncWriteExt, FutureExt, StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use hyper::{Request, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use tracing::{debug, warn};

use super::{dispatcher::Dispatcher, io::Io, problem::Problem, service::Service, timer::EnvTimer, token::Token};
use crate::{
    env::{BoxFuture, Connection, Env, Listener},
    task::flag::Flag,
};

/// So many connections are served at a time, unless one says otherwise; others are told so, and closed.
pub(crate) const CONNECTIONS_LIMIT: usize = 256;
/// The largest head of a request, in bytes.
pub(crate) const HEAD_BYTES_LIMIT: usize = 16 << 10;
/// The most headers of a request.
const HEADERS_LIMIT: usize = 64;
/// The head of the next request is there within this time, or the connection is closed.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// How long the end waits for answers that are under way.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long it is waited after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a server is to be.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// What requests have to bear, if anything; all but `/healthz`.
    pub(crate) token: Option<Token>,
    /// How many connections are served at a time.
    pub(crate) connections_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: None, connections_limit: CONNECTIONS_LIMIT }
    }
}

/// Answers requests from a listener by asking the leader, until the flag is set. Then it takes no more, and is done when the answers to those before are
/// sent, or when that takes too long.
///
/// # Cancel safety
///
/// Dropped, it takes no more connections; those that there are go on until the flag is set.
pub(crate) fn serve(
    listener: Box<dyn Listener>,
    dispatcher: Arc<dyn Dispatcher>,
    options: Options,
    env: Arc<dyn Env>,
    closing: Flag,
) -> BoxFuture<'static, ()> {
    let Options { token, connections_limit } = options;
    let service = Service { dispatcher, token, env: Arc::clone(&env) };
    Box::pin(accept(listener, Arc::new(service), connections_limit, env, closing))
}

async fn accept(
    mut listener: Box<dyn Listener>,
    service: Arc<Service>,
    connections_limit: usize,
    env: Arc<dyn Env>,
    closing: Flag,
) {
    // Nothing is sent: it ends when the last connection has dropped its sender.
    let (alive, mut served) = mpsc::channel::<Infallible>(0);
    let slots = Arc::new(());
    loop {
        let next = poll_fn(|cx| listener.poll_accept(cx));
        let accepted = match select(pin!(closing.wait()), pin!(next)).await {
            Either::Left(_) => break,
            Either::Right((accepted, _)) => accepted,
        };
        match accepted {
            Ok((connection, from)) if Arc::strong_count(&slots) <= connections_limit => {
                let held = (alive.clone(), Arc::clone(&slots));
                let attended = attend(connection, Arc::clone(&service), Arc::clone(&env), closing.clone());
                let attended = async move {
                    match attended.await {
                        Err(error) if error.is_parse() => warn!(%from, %error, "what was sent is no HTTP request"),
                        Err(error) => debug!(%from, %error, "a connection was lost"),
                        Ok(()) => {}
                    }
                    drop(held);
                };
                env.spawn("rest connection", Box::pin(attended));
            }
            Ok((connection, from)) => {
                warn!(%from, "a connection was refused: {connections_limit} are open already");
                refuse(connection);
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                env.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, alive));
    served.next().await;
}

/// Answers the requests of one connection, one after the other.
async fn attend(
    connection: Box<dyn Connection>,
    service: Arc<Service>,
    env: Arc<dyn Env>,
    closing: Flag,
) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(EnvTimer::new(Arc::clone(&env)))
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES_LIMIT)
        .max_headers(HEADERS_LIMIT)
        .auto_date_header(false)
        .serve_connection(Io::server(connection, Arc::clone(&env)), answer);
    let mut connection = pin!(connection);
    match select(connection.as_mut(), pin!(closing.wait())).await {
        Either::Left((ended, _)) => return ended,
        Either::Right(_) => connection.as_mut().graceful_shutdown(),
    }
    match select(connection, env.sleep(LAST_ANSWERS)).await {
        Either::Left((ended, _)) => ended,
        Either::Right(_) => Ok(()),
    }
}

/// Says that there is no room, if that can be said at once: nobody waits for it.
fn refuse(mut connection: Box<dyn Connection>) {
    let body = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections are open").json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {}\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n",
        Problem::MEDIA_TYPE,
        body.len()
    );
    let _ = connection.write_all(&[head.as_bytes(), &body].concat()).now_or_never(); // it is a courtesy
}
