//! [`ListenSource`]: lines from clients that connect.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll},
};

use millstream_core::time::Timestamp;
use millstream_runtime::{
    env::{BoxFuture, Connection, Env, Listener},
    failure::Failure,
    metrics::{Counter, Gauge},
    operator::Push,
    source::{Boundedness, Emit, Emitted, Fetched, Source, SourceContext, SplitReader},
    stream::NoTime,
};

use super::{
    OneSocket, check_address,
    lines::{Lines, Read},
};

/// How many clients may be connected at a time.
pub const CLIENTS_LIMIT: usize = 64;

/// Lines from clients, as a source; [`SocketLines::listen`](super::SocketLines::listen) makes it.
#[derive(Debug, Clone)]
#[must_use = "a source gives nothing until `job.source(..)` takes it"]
pub struct ListenSource {
    address: String,
}

impl ListenSource {
    pub(super) fn new(address: String) -> Self {
        Self { address }
    }
}

impl Source for ListenSource {
    type Out = String;
    type Time = NoTime;
    type Split = ();
    type Enumerator = OneSocket;
    type Reader = ListenReader;

    fn name(&self) -> String {
        format!("listen({})", self.address)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn check(&self, _: &SourceContext) -> Result<(), Failure> {
        check_address(&self.address)
    }

    fn enumerator(&self, _: &SourceContext) -> Result<OneSocket, Failure> {
        Ok(OneSocket)
    }

    fn reader(&self, cx: &SourceContext) -> Result<ListenReader, Failure> {
        Ok(ListenReader {
            env: Arc::clone(cx.env()),
            address: self.address.clone(),
            state: State::Closed,
            clients: Vec::new(),
            connected: cx.gauge("clients"),
            dropped: cx.counter("partial_lines_dropped"),
        })
    }
}

/// Reads what clients send.
pub struct ListenReader {
    env: Arc<dyn Env>,
    address: String,
    state: State,
    clients: Vec<Client>,
    connected: Gauge,
    dropped: Counter,
}

/// What is under way; kept here so that a fetch may be dropped at any time.
enum State {
    Closed,
    Binding(BoxFuture<'static, io::Result<Box<dyn Listener>>>),
    Listening(Box<dyn Listener>),
}

struct Client {
    connection: Box<dyn Connection>,
    lines: Lines,
    /// For messages.
    name: String,
}

impl ListenReader {
    /// Accepts who waits, and reads until someone has sent whole lines.
    fn poll_clients(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            self.accept(cx)?;
            let was_full = self.clients.len() >= CLIENTS_LIMIT;
            if self.read(cx)? {
                return Poll::Ready(Ok(()));
            }
            // Only one that was asked and had nobody wakes this task.
            if !was_full || self.clients.len() >= CLIENTS_LIMIT {
                return Poll::Pending;
            }
        }
    }

    fn accept(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let State::Listening(listener) = &mut self.state else { return Ok(()) };
        while self.clients.len() < CLIENTS_LIMIT {
            match listener.poll_accept(cx) {
                Poll::Ready(Ok((connection, from))) => {
                    let name = format!("the client at {from}");
                    self.clients.push(Client { connection, lines: Lines::default(), name });
                }
                // Somebody who went away again before being accepted.
                Poll::Ready(Err(error))
                    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
                Poll::Ready(Err(error)) => {
                    return Err(Failure::new(format!("cannot accept connections at {}: {error}", self.address)));
                }
                Poll::Pending => break,
            }
        }
        self.connected.set(self.clients.len() as i64);
        Ok(())
    }

    /// Reads from everyone; true if there are whole lines.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let mut some = false;
        for index in (0..self.clients.len()).rev() {
            let Client { connection, lines, name } = &mut self.clients[index];
            match lines.poll_read(cx, &mut **connection, name)? {
                Poll::Ready(Read::Lines) => some = true,
                Poll::Ready(Read::Closed(_)) => {
                    if !lines.partial().is_empty() {
                        self.dropped.add(1);
                    }
                    self.clients.swap_remove(index);
                }
                Poll::Pending => {}
            }
        }
        self.connected.set(self.clients.len() as i64);
        Ok(some)
    }

    fn cannot_listen(&self, error: &io::Error) -> Failure {
        let repair = match error.kind() {
            io::ErrorKind::AddrInUse => "; end the program that has it, or name another port",
            io::ErrorKind::AddrNotAvailable => {
                "; name an address of this machine, as 127.0.0.1, or 0.0.0.0 for all of them"
            }
            io::ErrorKind::PermissionDenied => {
                "; name a port above 1023, or run the job with the right to take this one"
            }
            _ => "",
        };
        Failure::new(format!("cannot listen at {}: {error}{repair}", self.address))
    }
}

impl SplitReader for ListenReader {
    type Out = String;
    type Split = ();

    fn open(&mut self, (): ()) -> Result<(), Failure> {
        self.state = State::Binding(self.env.network().listen(&self.address));
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        if let State::Binding(binding) = &mut self.state {
            let bound = binding.await;
            self.state = State::Listening(bound.map_err(|error| self.cannot_listen(&error))?);
        }
        poll_fn(|cx| self.poll_clients(cx)).await?;
        Ok(Fetched::Data)
    }

    fn emit<N: Push<String>>(&mut self, out: &mut Emit<'_, String, N>) -> Result<Emitted, Failure> {
        for Client { lines, name, .. } in &mut self.clients {
            while lines.has_lines() {
                if out.is_full() {
                    return Ok(Emitted::Some);
                }
                if let Some((line, bytes)) = lines.next(name)? {
                    out.count_bytes(bytes);
                    out.push(line, Timestamp::MIN);
                }
            }
        }
        Ok(Emitted::All)
    }

    fn position(&self) {}
}
