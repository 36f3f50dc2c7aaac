//! The other end: asks the process that runs a job.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use super::{
    protocol::{ANSWER_BYTES_LIMIT, Request, read_answer},
    socket::{NAME, reach},
};

/// An answer that does not depend on a checkpoint comes within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the job whose checkpoints are in a directory. A checkpoint is waited for as long as the job takes for it.
///
/// # Errors
///
/// What the job answered, or why it does not.
pub(in crate::cli) fn ask(dir: &Path, request: &Request) -> Result<Value, String> {
    let shown = dir.display();
    let stream =
        reach(dir, NAME).and_then(|reach| UnixStream::connect(reach.path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!(
                "no job answers in `{shown}`: there is no `{NAME}`. Is that the `--checkpoint-dir` of a job that runs?"
            ),
            io::ErrorKind::ConnectionRefused => {
                format!("no job answers in `{shown}`: the process that listened at `{NAME}` is gone")
            }
            io::ErrorKind::PermissionDenied => {
                format!("`{NAME}` in `{shown}` is not for this user: ask as the one who runs the job")
            }
            _ => format!("cannot connect to `{NAME}` in `{shown}`: {error}"),
        })?;
    let answer = exchange(&stream, request).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the job in `{shown}` has not answered within {} s", PATIENCE.as_secs())
        }
        _ => format!("the connection to the job in `{shown}` was lost: {error}"),
    })?;
    match answer.strip_suffix('\n') {
        Some(line) => read_answer(line),
        None if answer.len() as u64 >= ANSWER_BYTES_LIMIT as u64 => {
            Err(format!("the answer is longer than {ANSWER_BYTES_LIMIT} bytes"))
        }
        None => Err(format!("the job in `{shown}` ended before it answered")),
    }
}

fn exchange(mut stream: &UnixStream, request: &Request) -> io::Result<String> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(match request {
        Request::Status | Request::Set { .. } => Some(PATIENCE),
        Request::Checkpoint | Request::Stop | Request::Savepoint { .. } => None,
    })?;
    // Whoever sends it away at once has answered already.
    let sent = stream.write_all(format!("{}\n", request.line()).as_bytes());
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_LIMIT as u64 + 1)).read_line(&mut answer)?;
    if answer.is_empty() { sent.map(|()| answer) } else { Ok(answer) }
}
