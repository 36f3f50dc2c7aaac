//! [`Hello`]: the first bytes on a connection, in both directions. They say who is there, and nothing else is read before both ends know each other.
//!
//! ```text
//! [ magic 8 bytes ][ version u16 ][ purpose u8 ][ 0 u8 ][ process u128 ][ build u64 ][ secret 32 bytes ][ checksum u32 ]
//! ```

use std::{fmt, future::poll_fn, io, pin::Pin};

use futures::io::{AsyncRead, AsyncWrite};
use thiserror::Error;

use crate::frame;

const MAGIC: [u8; 8] = *b"MILLNET\n";
/// How long it is, in bytes.
pub const HELLO_BYTES: usize = 72;
const CHECKED_BYTES: usize = HELLO_BYTES - 4;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Channels between subtasks.
    Data = 1,
    /// Messages between a JobManager and a TaskManager.
    Control = 2,
}

/// What the processes of a cluster share, so that no other is taken for one of them. It goes over the connection as it is: what leaves the machine goes through TLS.
#[derive(Clone, Copy)]
pub struct Secret(pub [u8; 32]);

impl Secret {
    /// Compares without telling by its time how much is alike.
    fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differs, (here, there)| differs | (here ^ there)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Who is at an end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Hello {
    /// What for.
    pub purpose: Purpose,
    /// The process: a number that it has drawn at random when it began.
    pub process: u128,
    /// What the program is made of: processes that run one job are of one build, or they would take each other's records for others.
    pub build: u64,
    /// What all of them know.
    pub secret: Secret,
}

/// Why the two ends do not talk to each other.
#[derive(Debug, Error)]
pub enum HelloError {
    /// The connection ends before.
    #[error("the connection ended before the other end had said who it is: {0}")]
    Io(#[from] io::Error),
    /// The other end is something else.
    #[error("what is at the other end is no Millstream process")]
    Stranger,
    /// The other end is of another release.
    #[error(
        "the other end speaks version {found} of the protocol, this process {}: update the older one",
        frame::VERSION
    )]
    Version {
        /// What it says.
        found: u16,
    },
    /// Another purpose was meant, as when an address is that of another port.
    #[error("the other end wants a connection for {found:?}, this address is for {wanted:?}")]
    Purpose {
        /// What it says.
        found: Purpose,
        /// What this end is for.
        wanted: Purpose,
    },
    /// The other end is of another build.
    #[error(
        "the other end runs another build of the program ({found:016x}, this one is {wanted:016x}): start the same one everywhere"
    )]
    Build {
        /// What it says.
        found: u64,
        /// What this one is.
        wanted: u64,
    },
    /// It does not know the secret.
    #[error("the other end does not know the secret of this cluster")]
    Secret,
}

impl Hello {
    /// The hello as bytes.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&u16::from(frame::VERSION).to_le_bytes());
        bytes[10] = self.purpose as u8;
        bytes[12..28].copy_from_slice(&self.process.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.build.to_le_bytes());
        bytes[36..CHECKED_BYTES].copy_from_slice(&self.secret.0);
        let checksum = crc32fast::hash(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads what the other end says, and looks whether it is one to talk to. What it may not know is looked at first, and nothing is said of the rest then.
    ///
    /// # Errors
    ///
    /// Says why not.
    pub fn check(&self, bytes: &[u8; HELLO_BYTES]) -> Result<Self, HelloError> {
        let Some(rest) = bytes.strip_prefix(&MAGIC) else { return Err(HelloError::Stranger) };
        let Some((&[v0, v1, purpose, _], rest)) = rest.split_first_chunk() else { return Err(HelloError::Stranger) };
        let found = u16::from_le_bytes([v0, v1]);
        if found != u16::from(frame::VERSION) {
            return Err(HelloError::Version { found });
        }
        let (checked, checksum) = bytes.split_at(CHECKED_BYTES);
        if crc32fast::hash(checked).to_le_bytes() != checksum {
            return Err(HelloError::Stranger);
        }
        let purpose = match purpose {
            1 => Purpose::Data,
            2 => Purpose::Control,
            _ => return Err(HelloError::Stranger),
        };
        let Some((process, rest)) = rest.split_first_chunk() else { return Err(HelloError::Stranger) };
        let Some((build, rest)) = rest.split_first_chunk() else { return Err(HelloError::Stranger) };
        let Some((secret, _)) = rest.split_first_chunk() else { return Err(HelloError::Stranger) };
        let there = Self {
            purpose,
            process: u128::from_le_bytes(*process),
            build: u64::from_le_bytes(*build),
            secret: Secret(*secret),
        };
        if !self.secret.is(&there.secret) {
            return Err(HelloError::Secret);
        }
        if there.purpose != self.purpose {
            return Err(HelloError::Purpose { found: there.purpose, wanted: self.purpose });
        }
        if there.build != self.build {
            return Err(HelloError::Build { found: there.build, wanted: self.build });
        }
        Ok(there)
    }

    /// Says hello, and waits until the other end has. Bound the wait: whoever connects may be silent. Not cancel safe: if it is dropped, the
    /// connection has to be closed.
    ///
    /// # Errors
    ///
    /// Says why the two ends do not talk to each other. The one that finds out closes the connection.
    pub async fn exchange(
        &self,
        reading: &mut (impl AsyncRead + Unpin),
        writing: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Self, HelloError> {
        let hello = self.encode();
        let mut left = &hello[..];
        while !left.is_empty() {
            let written = poll_fn(|cx| Pin::new(&mut *writing).poll_write(cx, left)).await?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            left = &left[written..];
        }
        poll_fn(|cx| Pin::new(&mut *writing).poll_flush(cx)).await?;
        let mut there = [0; HELLO_BYTES];
        let mut filled = 0;
        while filled < HELLO_BYTES {
            let read = poll_fn(|cx| Pin::new(&mut *reading).poll_read(cx, &mut there[filled..])).await?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            filled += read;
            // A stranger may never say so much.
            let known = filled.min(MAGIC.len());
            if there[..known] != MAGIC[..known] {
                return Err(HelloError::Stranger);
            }
        }
        self.check(&there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Hello =
        Hello { purpose: Purpose::Data, process: 1 << 100 | 5, build: 0xb111d, secret: Secret([9; 32]) };

    #[track_caller]
    fn refused(there: Hello, wanted: &str) {
        let error = HERE.check(&there.encode()).expect_err("it is not to be talked to");
        assert_eq!(error.to_string(), wanted);
    }

    #[test]
    fn processes_of_one_cluster_know_each_other() {
        let there = HERE.check(&Hello { process: 7, ..HERE }.encode()).expect("they are alike");
        assert_eq!((there.process, there.build, there.purpose), (7, 0xb111d, Purpose::Data));
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        refused(
            Hello { secret: Secret([8; 32]), build: 1, ..HERE },
            "the other end does not know the secret of this cluster",
        );
        refused(
            Hello { purpose: Purpose::Control, ..HERE },
            "the other end wants a connection for Control, this address is for Data",
        );
        refused(
            Hello { build: 0xc0de, ..HERE },
            "the other end runs another build of the program (000000000000c0de, this one is 00000000000b111d): start the same one everywhere",
        );
        let mut bytes = HERE.encode();
        bytes[8] = 2;
        let error = HERE.check(&bytes).expect_err("it is of another version").to_string();
        assert_eq!(error, "the other end speaks version 2 of the protocol, this process 1: update the older one");
    }

    #[test]
    fn no_bit_may_differ() {
        for bit in 0..HELLO_BYTES * 8 {
            let mut bytes = HERE.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(HERE.check(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", HERE.secret), "Secret");
    }
}
