//! Control messages on a connection: typed, versioned, checked and bounded.
//!
//! ```text
//! [ version u8 ][ 0 0 0 ][ length u32 ][ checksum u32 ][ body: postcard ]
//! ```
//!
//! All numbers are little endian; the checksum is the CRC-32 (IEEE) of the body. Behind the hello nothing else goes over a control connection.

use std::{future::poll_fn, io, pin::Pin};

use futures::io::{AsyncRead, AsyncWrite};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    control::{
        AttemptId, Epoch, JobId,
        message::{ToJobManager, ToTaskManager},
    },
    metrics::{MetricId, MetricValue},
};

/// The version of all control messages. Both ends are of one build anyhow (the hello says so); this tells damage from a stranger.
pub(crate) const VERSION: u8 = 1;
/// The longest message, in bytes. The largest are acknowledgements, with all small state of a subtask.
pub(crate) const MESSAGE_BYTES_LIMIT: usize = 64 << 20;
/// How much is read at a time: what a length promises takes no memory before it comes.
const CHUNK_BYTES: usize = 64 << 10;
const HEADER_BYTES: usize = 12;

/// What goes to a TaskManager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Downward {
    /// The first message of a leader.
    Leads { epoch: Epoch },
    /// The first and only message of a JobManager that does not lead; it knows where the leader is, or not.
    StandsBy { leader: Option<String> },
    /// From the JobMaster of a job, or the ResourceManager.
    Control(ToTaskManager),
    /// The answer to [`Upward::Aligned`]: how far all other members of the group have come.
    Aligned { job: JobId, attempt: AttemptId, group: String, at: Option<i64> },
}

/// What comes from a TaskManager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Upward {
    /// For the JobManager's control logic.
    Control(ToJobManager),
    /// How far the members of an alignment group have come that are in this process: so many members, and the watermark of the one that is furthest behind,
    /// in milliseconds; none if nobody has to wait for one of them.
    Aligned { job: JobId, attempt: AttemptId, group: String, members: u32, at: Option<i64> },
    /// What the tasks of a job measure at a TaskManager. Each message takes the place of the one before.
    Metrics { job: JobId, values: Vec<(MetricId, MetricValue)> },
}

/// Why a control connection has ended.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    #[error("the other end has closed the connection")]
    Ended,
    #[error("the connection is broken: {0}")]
    Io(#[from] io::Error),
    #[error("what came is no control message: {0}")]
    Damaged(&'static str),
    #[error("a message of version {0} came, and this process speaks version {VERSION}")]
    Version(u8),
    #[error("a message of {0} bytes came, more than {MESSAGE_BYTES_LIMIT}")]
    TooLong(usize),
}

/// A message as it goes over the connection.
///
/// # Errors
///
/// Says how long it is, in bytes, if it is too long.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, usize> {
    let header = vec![0; HEADER_BYTES];
    let mut bytes = postcard::to_extend(message, header).expect("messages are plain data: all of it can be written");
    let body_bytes = bytes.len() - HEADER_BYTES;
    if body_bytes > MESSAGE_BYTES_LIMIT {
        return Err(body_bytes);
    }
    let checksum = crc32fast::hash(&bytes[HEADER_BYTES..]);
    bytes[0] = VERSION;
    bytes[4..8].copy_from_slice(&(body_bytes as u32).to_le_bytes());
    bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Reads the messages of a connection.
pub(crate) struct Messages<R> {
    from: R,
    body: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, body: Vec::new() }
    }

    /// The next message. Not cancel safe: if it is dropped, the connection has to be closed.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<T, WireError> {
        let mut header = [0; HEADER_BYTES];
        let began = read_exact(&mut self.from, &mut header).await;
        match began {
            Err(Short { read: 0, error: None }) => return Err(WireError::Ended),
            Err(Short { error: Some(error), .. }) => return Err(error.into()),
            Err(_) => return Err(WireError::Damaged("it ends in the middle of a message")),
            Ok(()) => {}
        }
        let [version, z0, z1, z2, l0, l1, l2, l3, checksum @ ..] = header;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        if [z0, z1, z2] != [0; 3] {
            return Err(WireError::Damaged("its header is none"));
        }
        let body_bytes = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if body_bytes > MESSAGE_BYTES_LIMIT {
            return Err(WireError::TooLong(body_bytes));
        }
        self.body.clear();
        while self.body.len() < body_bytes {
            let read = self.body.len();
            self.body.resize(body_bytes.min(read + CHUNK_BYTES), 0);
            read_exact(&mut self.from, &mut self.body[read..]).await.map_err(|short| match short.error {
                Some(error) => WireError::Io(error),
                None => WireError::Damaged("it ends in the middle of a message"),
            })?;
        }
        if crc32fast::hash(&self.body).to_le_bytes() != checksum {
            return Err(WireError::Damaged("its checksum is wrong"));
        }
        let message = match postcard::take_from_bytes(&self.body) {
            Ok((message, [])) => message,
            Ok(_) => return Err(WireError::Damaged("something stands behind the message")),
            Err(_) => return Err(WireError::Damaged("its body is none")),
        };
        self.body.shrink_to(CHUNK_BYTES);
        Ok(message)
    }
}

/// The connection ended, or broke, behind so many bytes.
struct Short {
    read: usize,
    error: Option<io::Error>,
}

async fn read_exact(from: &mut (impl AsyncRead + Unpin), to: &mut [u8]) -> Result<(), Short> {
    let mut read = 0;
    while read < to.len() {
        match poll_fn(|cx| Pin::new(&mut *from).poll_read(cx, &mut to[read..])).await {
            Ok(0) => return Err(Short { read, error: None }),
            Ok(more) => read += more,
            Err(error) => return Err(Short { read, error: Some(error) }),
        }
    }
    Ok(())
}

/// Writes a message that [`encode`] has encoded.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| Pin::new(&mut *to).poll_write(cx, bytes)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    poll_fn(|cx| Pin::new(&mut *to).poll_flush(cx)).await
}

#[cfg(test)]
mod tests;
