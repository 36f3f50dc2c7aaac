//! The job's end: answers requests while the job runs.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use millstream_state::location::LocationError;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tracing::{debug, warn};

use super::{
    job::JobControl,
    protocol::{self, REQUEST_BYTES_LIMIT, Request},
    socket::{self, Unbound},
};
use crate::{env::Env, rest::submission::AfterSavepoint, task::flag::Flag};

/// So many processes may be connected at a time; others are told so, and sent away.
pub(super) const CONNECTIONS_LIMIT: usize = 16;
/// Whoever has connected must ask within this time, and take an answer within it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the end of the job waits for answers that are under way.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long it is waited until the job has made its directory.
const BIND_PAUSE: Duration = Duration::from_millis(50);
/// How long it is waited after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers requests. It goes on until it is closed.
pub(in crate::cli) struct Server {
    closing: Flag,
    /// Ends when nobody answers any more.
    answering: mpsc::Receiver<Infallible>,
}

impl Server {
    /// Begins to answer at the socket in a directory, once the job has made that. `status` says how the job is. A job runs without it, too: what is wrong
    /// with the socket is logged.
    pub(in crate::cli) fn start<J: JobControl>(
        dir: &Path,
        job: J,
        status: impl Fn() -> Value + Send + Sync + 'static,
        env: Arc<dyn Env>,
    ) -> Self {
        let closing = Flag::default();
        let (alive, answering) = mpsc::channel(0);
        let shared = Shared { job, status, env: Arc::clone(&env), closing: closing.clone(), _alive: alive };
        env.spawn("control", Box::pin(serve(dir.to_owned(), Arc::new(shared))));
        Self { closing, answering }
    }

    /// Takes no more requests, and waits a moment for the answers to those before.
    pub(in crate::cli) async fn close(mut self, env: &dyn Env) {
        self.closing.set();
        select(self.answering.next(), env.sleep(LAST_ANSWERS)).await;
    }
}

/// What all connections share.
struct Shared<J, S> {
    job: J,
    status: S,
    env: Arc<dyn Env>,
    closing: Flag,
    /// Dropped when nobody answers any more.
    _alive: mpsc::Sender<Infallible>,
}

impl<J, S> Shared<J, S> {
    /// What a future gives, unless the server is closed before.
    async fn unless_closed<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), pin!(self.closing.wait())).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    /// What a future gives, unless it takes too long.
    async fn in_time<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), self.env.sleep(PATIENCE)).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }
}

async fn serve<J: JobControl, S: Fn() -> Value + Send + Sync + 'static>(dir: PathBuf, shared: Arc<Shared<J, S>>) {
    let bound = loop {
        match socket::bind(&dir, shared.env.random()).await {
            Ok(bound) => break bound,
            // The job makes its directory, or fails soon since the one who answers there has its checkpoints.
            Err(Unbound::NoDirectory | Unbound::Taken) => {}
            Err(Unbound::Failed(error)) => {
                warn!(dir = %dir.display(), %error, "other processes cannot ask this job: there is no control socket");
                return;
            }
        }
        let pause = shared.env.sleep(BIND_PAUSE);
        if shared.unless_closed(pause).await.is_none() {
            return;
        }
    };
    let (listener, _bound) = bound; // its file is removed before `shared` is dropped, which somebody waits for
    accept(listener, &shared).await;
}

/// Takes connections until the server is closed.
async fn accept<J: JobControl, S: Fn() -> Value + Send + Sync + 'static>(
    listener: UnixListener,
    shared: &Arc<Shared<J, S>>,
) {
    let slots = Arc::new(());
    while let Some(accepted) = shared.unless_closed(listener.accept()).await {
        match accepted {
            Ok((stream, _)) if Arc::strong_count(&slots) <= CONNECTIONS_LIMIT => {
                let (shared, slot) = (Arc::clone(shared), Arc::clone(&slots));
                let env = Arc::clone(&shared.env);
                let attended = async move {
                    if let Err(error) = attend(Connection { stream, read: Vec::new() }, &shared).await {
                        debug!(%error, "a control connection was lost");
                    }
                    drop(slot);
                };
                env.spawn("control connection", Box::pin(attended));
            }
            Ok((stream, _)) => {
                let refusal = format!("{CONNECTIONS_LIMIT} others are connected already: ask again later");
                let _ = stream.try_write(format!("{}\n", protocol::answer(Err(refusal))).as_bytes()); // it is a courtesy
            }
            Err(error) => {
                warn!(%error, "a control connection could not be accepted");
                shared.env.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, one after the other.
async fn attend<J: JobControl, S: Fn() -> Value + Send + Sync>(
    mut connection: Connection,
    shared: &Shared<J, S>,
) -> io::Result<()> {
    loop {
        let line = match shared.unless_closed(shared.in_time(connection.line())).await {
            Some(Some(line)) => line?,
            Some(None) | None => return Ok(()),
        };
        let (answer, is_last) = match line {
            Line::Whole(line) => (respond(&shared.job, &shared.status, &line).await, false),
            Line::TooLong => {
                (protocol::answer(Err(format!("the request is longer than {REQUEST_BYTES_LIMIT} bytes"))), true)
            }
            Line::End => return Ok(()),
        };
        let written = shared.in_time(connection.write(answer + "\n")).await;
        written.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
        if is_last {
            return Ok(());
        }
    }
}

/// What a line is answered with.
async fn respond<J: JobControl>(job: &J, status: &(impl Fn() -> Value + Sync), line: &str) -> String {
    let result = match Request::parse(line) {
        Ok(Request::Status) => Ok(status()),
        Ok(Request::Checkpoint) => job.checkpoint().await.map(|checkpoint| json!({ "checkpoint": checkpoint })),
        Ok(Request::Stop) => job.stop().await.map(|checkpoint| json!({ "checkpoint": checkpoint })),
        Ok(Request::Savepoint { to, then }) => savepoint(job, to, then).await,
        Ok(Request::Set { key, value }) => job.set(&key, &value).await.map(|()| json!({ "key": key, "value": value })),
        Err(error) => Err(error),
    };
    protocol::answer(result)
}

async fn savepoint<J: JobControl>(job: &J, to: Option<String>, then: AfterSavepoint) -> Result<Value, String> {
    let to = to.map(|to| to.parse()).transpose().map_err(|error: LocationError| format!("`to`: {error}"))?;
    let made = job.savepoint(to, then).await?;
    Ok(json!({ "checkpoint": made.checkpoint, "savepoint": made.place.to_string() }))
}

struct Connection {
    stream: UnixStream,
    /// What was read beyond the last line.
    read: Vec<u8>,
}

/// What came over a connection.
enum Line {
    Whole(String),
    TooLong,
    End,
}

impl Connection {
    async fn line(&mut self) -> io::Result<Line> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.read[..end]).into_owned();
                self.read.drain(..=end);
                return Ok(Line::Whole(line));
            }
            if self.read.len() > REQUEST_BYTES_LIMIT {
                return Ok(Line::TooLong);
            }
            self.stream.readable().await?;
            let mut chunk = [0; 1 << 10];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return Ok(Line::End),
                Ok(n) => self.read.extend(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn write(&mut self, text: String) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
