//! A server that misbehaves as a test tells it to.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    header::CONTENT_LENGTH,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// How many connections wait to be accepted.
const BACKLOG: u32 = 128;
/// More than a request of these tests has before its body.
const REQUEST_BYTES: usize = 4 << 10;

/// What becomes of a request.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// It is answered.
    Well,
    /// It is answered after so long.
    After(Duration),
    /// It is never answered.
    Never,
    /// It is answered by a server that has gone away and come back, and not before.
    OnceBack,
    /// The connection is closed in place of an answer.
    HangUp,
    /// The connection is closed in the middle of the answer.
    CutOff,
}

/// What becomes of a request for a number that was asked for so many times before.
type RequestScript = fn(number: u64, before: u32) -> Manner;

/// What a server saw.
#[derive(Default)]
struct Seen {
    /// By number, how many requests there were for it.
    requests: HashMap<u64, u32>,
    connections: u64,
    garbled: u64,
}

struct Service {
    script: RequestScript,
    /// Of how many connections one is answered with what is not HTTP.
    garbles: Option<u64>,
    seen: Mutex<Seen>,
    has_gone_away: AtomicBool,
    /// How many requests have been answered well.
    answered: watch::Sender<u64>,
}

/// A server on the loopback interface, as long as it is not dropped.
pub(crate) struct Server {
    address: SocketAddr,
    service: Arc<Service>,
    /// The listener and its connections.
    tasks: JoinSet<()>,
}

impl Server {
    /// A server that treats requests so.
    pub(crate) fn with(script: RequestScript) -> Self {
        Self::start(script, None)
    }

    /// A server that answers every `one_of`th connection with what is not HTTP.
    pub(crate) fn garbling(one_of: u64) -> Self {
        Self::start(|_, _| Manner::Well, Some(one_of))
    }

    fn start(script: RequestScript, garbles: Option<u64>) -> Self {
        let socket = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = socket.local_addr().expect("it is bound");
        let service = Service {
            script,
            garbles,
            seen: Mutex::default(),
            has_gone_away: AtomicBool::new(false),
            answered: watch::Sender::new(0),
        };
        let mut server = Self { address, service: Arc::new(service), tasks: JoinSet::new() };
        server.listen(socket);
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests there were for each number.
    pub(crate) fn requests(&self) -> HashMap<u64, u32> {
        self.service.seen().requests.clone()
    }

    /// How many connections were answered with what is not HTTP.
    pub(crate) fn garbled(&self) -> u64 {
        self.service.seen().garbled
    }

    /// Waits until so many requests have been answered well.
    pub(crate) async fn has_answered(&self, requests: u64) {
        let mut answered = self.service.answered.subscribe();
        answered.wait_for(|answered| *answered >= requests).await.expect("the server is there");
    }

    /// Closes the listener and all connections. What is given keeps the port from others, and refuses whoever connects.
    pub(crate) async fn vanish(&mut self) -> TcpSocket {
        self.tasks.shutdown().await;
        self.service.has_gone_away.store(true, Ordering::Relaxed);
        bound(self.address)
    }

    /// Listens at the port that was kept.
    pub(crate) fn listen(&mut self, socket: TcpSocket) {
        let listener = socket.listen(BACKLOG).expect("the port is kept");
        self.tasks.spawn(serve(listener, Arc::clone(&self.service)));
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.set_reuseaddr(true).expect("connections that were closed do not count");
    socket.bind(address).expect("the port is free");
    socket
}

/// Connections end with this task.
async fn serve(listener: TcpListener, service: Arc<Service>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue }; // the client has gone
        while connections.try_join_next().is_some() {}
        if service.garbles_next() {
            connections.spawn(garble(stream));
        } else {
            connections.spawn(converse(stream, Arc::clone(&service)));
        }
    }
}

/// Reads a request, and says what is not HTTP.
async fn garble(mut stream: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_BYTES {
        if stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
            continue;
        }
        return; // the client has gone
    }
    let _ = stream.write_all(b"good morning, what may it be?\r\n\r\n").await; // the client may have gone
}

/// Answers requests until the client or the script closes the connection.
async fn converse(stream: TcpStream, service: Arc<Service>) {
    let answer = service_fn(|request| service.answer(request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await; // as the script says
}

impl Service {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection, and says if it is one of those that are garbled: the first is.
    fn garbles_next(&self) -> bool {
        let mut seen = self.seen();
        let garbles = self.garbles.is_some_and(|one_of| seen.connections.is_multiple_of(one_of));
        seen.connections += 1;
        seen.garbled += u64::from(garbles);
        garbles
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
        let number: u64 = request.uri().path()[1..].parse().expect("the client asks for numbers");
        let before = {
            let mut seen = self.seen();
            let requests = seen.requests.entry(number).or_default();
            *requests += 1;
            *requests - 1
        };
        let closed = || io::Error::from(io::ErrorKind::ConnectionAborted);
        match (self.script)(number, before) {
            Manner::Well => {}
            Manner::After(delay) => tokio::time::sleep(delay).await,
            Manner::Never => pending().await,
            Manner::OnceBack if !self.has_gone_away.load(Ordering::Relaxed) => pending().await,
            Manner::OnceBack => {}
            Manner::HangUp => return Err(closed()),
            Manner::CutOff => {
                let begin = stream::once(async { Ok(Frame::data(Bytes::from_static(b"12"))) });
                let end = stream::once(async move {
                    tokio::task::yield_now().await; // meanwhile the beginning is sent
                    Err(closed())
                });
                let body = StreamBody::new(begin.chain(end));
                let response = Response::builder().header(CONTENT_LENGTH, 1_000).body(BodyExt::boxed(body));
                return Ok(response.expect("the header is well formed"));
            }
        }
        self.answered.send_modify(|answered| *answered += 1);
        // With garbled connections among the others each request has one of its own.
        let text = Full::new(Bytes::from(crate::tenfold(number).to_string()));
        let mut response = Response::new(text.map_err(|never: Infallible| match never {}).boxed());
        if self.garbles.is_some() {
            response.headers_mut().insert("connection", "close".try_into().expect("it is well formed"));
        }
        Ok(response)
    }
}
