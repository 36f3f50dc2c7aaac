//! [`ConnectSource`]: lines from a server.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use millstream_core::time::Timestamp;
use millstream_runtime::{
    env::{BoxFuture, Connection, Env},
    failure::Failure,
    metrics::Counter,
    operator::Push,
    source::{Boundedness, Emit, Emitted, Fetched, Source, SourceContext, SplitReader},
    stream::NoTime,
};

use super::{
    OneSocket, check_address,
    lines::{Lines, Read, shown},
};

/// How long the pause before the first attempt to connect again is; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// How long a pause gets at most.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Lines from a server, as a source; [`SocketLines::connect`](super::SocketLines::connect) makes it.
#[derive(Debug, Clone)]
#[must_use = "a source gives nothing until `job.source(..)` takes it"]
pub struct ConnectSource {
    address: String,
    end_at_close: bool,
    attempts: u32,
}

impl ConnectSource {
    pub(super) fn new(address: String) -> Self {
        Self { address, end_at_close: false, attempts: 0 }
    }

    /// The input ends when the server closes the connection behind a line. Without this it is taken for a fault.
    pub fn end_at_close(mut self) -> Self {
        self.end_at_close = true;
        self
    }

    /// Tries so many times in a row to connect again when there is no server, or the connection is lost behind a line: after 100 ms,
    /// then after pauses that double up to 10 s. It counts anew once a line has come. What the server sends meanwhile is lost, unless it
    /// keeps it. A connection that is lost in the middle of a line fails the job all the same.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn reconnect(mut self, attempts: u32) -> Self {
        assert!(attempts > 0, "there is at least one attempt");
        self.attempts = attempts;
        self
    }
}

impl Source for ConnectSource {
    type Out = String;
    type Time = NoTime;
    type Split = ();
    type Enumerator = OneSocket;
    type Reader = ConnectReader;

    fn name(&self) -> String {
        format!("socket({})", self.address)
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

    fn reader(&self, cx: &SourceContext) -> Result<ConnectReader, Failure> {
        Ok(ConnectReader {
            env: Arc::clone(cx.env()),
            source: self.clone(),
            server: format!("the server at {}", self.address),
            state: State::Ended,
            lines: Lines::default(),
            failed: 0,
            reconnects: cx.counter("reconnects"),
        })
    }
}

/// Reads what a server sends.
pub struct ConnectReader {
    env: Arc<dyn Env>,
    source: ConnectSource,
    /// For messages.
    server: String,
    state: State,
    /// Of this connection.
    lines: Lines,
    /// How often there was no connection, or one without a line, in a row.
    failed: u32,
    reconnects: Counter,
}

/// What is under way; kept here so that a fetch may be dropped at any time.
enum State {
    Pausing(BoxFuture<'static, ()>),
    Connecting(BoxFuture<'static, io::Result<Box<dyn Connection>>>),
    Connected(Box<dyn Connection>),
    Ended,
}

impl ConnectReader {
    fn connect(&self) -> State {
        State::Connecting(self.env.network().connect(&self.source.address))
    }

    /// Pauses before another attempt, unless there were enough: then `failure` says why.
    fn again(&mut self, failure: impl FnOnce(&Self) -> Failure) -> Result<State, Failure> {
        if self.failed >= self.source.attempts {
            return Err(failure(self));
        }
        let pause = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(self.failed)).min(PAUSE_MAX);
        self.failed += 1;
        self.reconnects.add(1);
        Ok(State::Pausing(self.env.sleep(pause)))
    }

    fn cannot_connect(&self, error: &io::Error) -> Failure {
        let address = &self.source.address;
        Failure::new(match self.source.attempts {
            0 => format!(
                "cannot connect to {address}: {error}; start the server there first, or add `.reconnect(attempts)` to wait for it"
            ),
            attempts => format!(
                "cannot connect to {address}: {error} (the last of {attempts} attempts to connect again); start the server there, or allow \
                 more by `.reconnect(attempts)`"
            ),
        })
    }

    /// The server has closed the connection, or it broke for a reason.
    fn closed(&mut self, why: Option<String>) -> Result<State, Failure> {
        let partial = self.lines.partial();
        let why_so = why.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        if !partial.is_empty() {
            return Err(Failure::new(format!(
                "{} closed the connection in the middle of line {}{why_so}: {} has no line end; have the server end its last line with a line \
                 feed",
                self.server,
                self.lines.taken() + 1,
                shown(partial)
            )));
        }
        if why.is_none() && self.source.end_at_close {
            return Ok(State::Ended);
        }
        if self.lines.taken() > 0 {
            self.failed = 0;
        }
        self.again(|reader| {
            Failure::new(format!(
                "{} closed the connection after {} lines{why_so}: {}",
                reader.server,
                reader.lines.taken(),
                match (reader.source.attempts, why) {
                    (0, None) => "add `.reconnect(attempts)` if more is to come, or `.end_at_close()` if that is the end of the input",
                    (0, Some(_)) => "add `.reconnect(attempts)` to go on with a new connection",
                    (_, _) => "it has done so each time that it was connected to again; look why, or allow more by `.reconnect(attempts)`",
                }
            ))
        })
    }
}

impl SplitReader for ConnectReader {
    type Out = String;
    type Split = ();

    fn open(&mut self, (): ()) -> Result<(), Failure> {
        self.state = self.connect();
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        loop {
            self.state = match &mut self.state {
                State::Pausing(pause) => {
                    pause.await;
                    self.connect()
                }
                State::Connecting(connecting) => match connecting.await {
                    Ok(connection) => {
                        self.lines = Lines::default();
                        State::Connected(connection)
                    }
                    Err(error) => self.again(|reader| reader.cannot_connect(&error))?,
                },
                State::Connected(connection) => {
                    match poll_fn(|cx| self.lines.poll_read(cx, &mut **connection, &self.server)).await? {
                        Read::Lines => return Ok(Fetched::Data),
                        Read::Closed(why) => self.closed(why)?,
                    }
                }
                State::Ended => return Ok(Fetched::EndOfSplit),
            };
        }
    }

    fn emit<N: Push<String>>(&mut self, out: &mut Emit<'_, String, N>) -> Result<Emitted, Failure> {
        while !out.is_full() {
            let Some((line, bytes)) = self.lines.next(&self.server)? else { return Ok(Emitted::All) };
            out.count_bytes(bytes);
            out.push(line, Timestamp::MIN);
        }
        Ok(if self.lines.has_lines() { Emitted::Some } else { Emitted::All })
    }

    fn position(&self) {}
}
