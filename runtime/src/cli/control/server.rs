//! The job's end: answers requests while the job runs.

use std::{convert::Infallible, io, path::Path, pin::pin, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tracing::{debug, warn};

use super::{
    protocol::{self, REQUEST_BYTES_LIMIT, Request},
    socket::{self, Bound},
};
use crate::{control::JobControl, env::Env, task::flag::Flag};

/// So many processes may be connected at a time; others are told so, and sent away.
pub(super) const CONNECTIONS_LIMIT: usize = 16;
/// Whoever has connected must ask within this time, and take an answer within it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the end of the job waits for answers that are under way.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long it is waited after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers requests. It goes on until it is closed.
pub(in crate::cli) struct Server {
    closing: Flag,
    /// Ends when nobody answers any more.
    answering: mpsc::Receiver<Infallible>,
    bound: Bound,
}

impl Server {
    /// Begins to answer at the socket in a directory. `status` says how the job is. Call it inside of the tokio runtime.
    ///
    /// # Errors
    ///
    /// Why nobody can ask.
    pub(in crate::cli) fn start<J: JobControl>(
        dir: &Path,
        job: J,
        status: impl Fn() -> Value + Send + Sync + 'static,
        env: Arc<dyn Env>,
    ) -> Result<Self, String> {
        let bound = socket::bind(dir, env.random());
        let (listener, bound) = bound.map_err(|error| format!("no control socket in `{}`: {error}", dir.display()))?;
        let closing = Flag::default();
        let (alive, answering) = mpsc::channel(0);
        let shared = Shared { job, status, env: Arc::clone(&env), closing: closing.clone(), _alive: alive };
        env.spawn("control", Box::pin(accept(listener, Arc::new(shared))));
        Ok(Self { closing, answering, bound })
    }

    /// Takes no more requests, and waits a moment for the answers to those before.
    pub(in crate::cli) async fn close(mut self, env: &dyn Env) {
        drop(self.bound); // who asks from here on is told that there is nobody
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

/// Takes connections until the server is closed.
async fn accept<J: JobControl, S: Fn() -> Value + Send + Sync + 'static>(
    listener: UnixListener,
    shared: Arc<Shared<J, S>>,
) {
    let slots = Arc::new(());
    loop {
        let accepted = match select(pin!(listener.accept()), pin!(shared.closing.wait())).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => return,
        };
        match accepted {
            Ok((stream, _)) if Arc::strong_count(&slots) <= CONNECTIONS_LIMIT => {
                let (shared, slot) = (Arc::clone(&shared), Arc::clone(&slots));
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
        let closing = pin!(shared.closing.wait());
        let line = match select(pin!(connection.line()), select(closing, shared.env.sleep(PATIENCE))).await {
            Either::Left((line, _)) => line?,
            Either::Right(_) => return Ok(()),
        };
        let (answer, is_last) = match line {
            Line::Whole(line) => (respond(&shared.job, &shared.status, &line).await, false),
            Line::TooLong => {
                (protocol::answer(Err(format!("the request is longer than {REQUEST_BYTES_LIMIT} bytes"))), true)
            }
            Line::End => return Ok(()),
        };
        match select(pin!(connection.write(answer + "\n")), shared.env.sleep(PATIENCE)).await {
            Either::Left((written, _)) => written?,
            Either::Right(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
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
        Ok(Request::Set { key, value }) => match protocol::live_setting(&key, &value) {
            Ok(key) => job.set(key, &value).await.map(|()| json!({ "key": key.name, "value": value })),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    protocol::answer(result)
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
