//! [`Hello`]: the first bytes on a connection, in both directions. They say who is there, and nothing else is read before both ends know each other.
//!
//! ```text
//! hello: [ magic 8 bytes ][ version u16 ][ purpose u8 ][ 0 u8 ][ process u128 ][ build u64 ][ nonce 32 bytes ][ checksum u32 ]
//! proof: [ HMAC-SHA-256 32 bytes ] by the secret, of the end (1 connects, 2 accepts), its hello, and that of the other end
//! ```
//!
//! Both say hello at once. Then the end that has connected proves that it knows the secret, and only then does the one that has accepted it: who
//! connects to a port learns nothing there. The secret itself does not go over the connection.

use std::{fmt, future::poll_fn, io, pin::Pin};

use futures::io::{AsyncRead, AsyncWrite};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::frame;

const MAGIC: [u8; 8] = *b"MILLNET\n";
/// How long it is, in bytes.
pub const HELLO_BYTES: usize = 72;
const CHECKED_BYTES: usize = HELLO_BYTES - 4;
/// How long a proof is, in bytes.
pub const PROOF_BYTES: usize = 32;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Channels between subtasks.
    Data = 1,
    /// Messages between a JobManager and a TaskManager.
    Control = 2,
}

/// Which end of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// It has connected.
    Connects = 1,
    /// It was connected to.
    Accepts = 2,
}

impl End {
    fn other(self) -> Self {
        match self {
            Self::Connects => Self::Accepts,
            Self::Accepts => Self::Connects,
        }
    }
}

/// What the processes of a cluster share, so that no other is taken for one of them. It is proved, and never sent; what else goes over a connection is
/// neither hidden nor protected by it.
#[derive(Clone, Copy)]
pub struct Secret(pub [u8; 32]);

impl Secret {
    /// The shortest text that is taken for a secret, in characters.
    pub const TEXT_MIN_CHARS: usize = 16;

    /// The secret that a text stands for, without blanks around it: 64 hexadecimal digits are the secret itself, every other text is hashed. `None` if it
    /// is so short that it can be guessed.
    pub fn of_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.chars().count() < Self::TEXT_MIN_CHARS {
            return None;
        }
        Some(Self(digits(text).unwrap_or_else(|| Sha256::digest(text).into())))
    }

    fn mac(&self, end: End, hello: &[u8], to: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may be of any length");
        mac.chain_update([end as u8]).chain_update(hello).chain_update(to)
    }
}

/// 32 bytes that are written as hexadecimal digits.
fn digits(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
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
    /// Drawn at random for this connection alone, so that no proof is good for another.
    pub nonce: [u8; 32],
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
    #[error("the other end does not know the secret of this cluster: give all processes the same")]
    Secret,
    /// The other end has closed the connection when it was to prove, or to be shown, that the secret is known.
    #[error("the other end has closed the connection: perhaps it has another secret; its log says why")]
    Refused,
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
        bytes[36..CHECKED_BYTES].copy_from_slice(&self.nonce);
        let checksum = crc32fast::hash(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads what the other end says of itself. Its secret is not known then, and nothing of it is believed.
    ///
    /// # Errors
    ///
    /// It is no hello, or that of another version.
    pub fn read(&self, bytes: &[u8; HELLO_BYTES]) -> Result<Self, HelloError> {
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
        let Some((nonce, _)) = rest.split_first_chunk() else { return Err(HelloError::Stranger) };
        Ok(Self {
            purpose,
            process: u128::from_le_bytes(*process),
            build: u64::from_le_bytes(*build),
            nonce: *nonce,
            secret: self.secret,
        })
    }

    /// What proves to the other end, which has said this hello, that this one knows the secret.
    pub fn proof(&self, end: End, there: &[u8; HELLO_BYTES]) -> [u8; PROOF_BYTES] {
        self.secret.mac(end, &self.encode(), there).finalize().into_bytes().into()
    }

    /// Looks whether the other end is one to talk to. Whether it knows the secret is looked at first, and nothing is said of the rest then.
    ///
    /// # Errors
    ///
    /// Says why not.
    pub fn check(&self, end: End, there: &[u8; HELLO_BYTES], proof: &[u8; PROOF_BYTES]) -> Result<Self, HelloError> {
        let known = self.read(there)?;
        // Compared without telling by its time how much is alike.
        let verified = self.secret.mac(end.other(), there, &self.encode()).verify_slice(proof);
        verified.map_err(|_| HelloError::Secret)?;
        if known.purpose != self.purpose {
            return Err(HelloError::Purpose { found: known.purpose, wanted: self.purpose });
        }
        if known.build != self.build {
            return Err(HelloError::Build { found: known.build, wanted: self.build });
        }
        Ok(known)
    }

    /// Says hello, and waits until the other end has, and each has proved that it knows the secret. Bound the wait: whoever connects may be silent. Not
    /// cancel safe: if it is dropped, the connection has to be closed.
    ///
    /// # Errors
    ///
    /// Says why the two ends do not talk to each other. The one that finds out closes the connection.
    pub async fn exchange(
        &self,
        end: End,
        reading: &mut (impl AsyncRead + Unpin),
        writing: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Self, HelloError> {
        write(writing, &self.encode()).await?;
        let mut there = [0; HELLO_BYTES];
        // A stranger may never say so much.
        read(reading, &mut there, |known| MAGIC.starts_with(&known[..known.len().min(MAGIC.len())])).await?;
        self.read(&there)?;
        let mut proof = [0; PROOF_BYTES];
        let own = self.proof(end, &there);
        if end == End::Connects {
            write(writing, &own).await.map_err(refused)?;
        }
        read(reading, &mut proof, |_| true).await.map_err(|error| match error {
            HelloError::Io(error) => refused(error),
            other => other,
        })?;
        let known = self.check(end, &there, &proof);
        // Who knows the secret is told that this end does, too, even if they will not talk: then both can say why.
        if end == End::Accepts && !matches!(known, Err(HelloError::Secret)) {
            write(writing, &own).await.map_err(refused)?;
        }
        known
    }
}

fn refused(error: io::Error) -> HelloError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => HelloError::Refused,
        _ => HelloError::Io(error),
    }
}

async fn write(writing: &mut (impl AsyncWrite + Unpin), mut left: &[u8]) -> io::Result<()> {
    while !left.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *writing).poll_write(cx, left)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        left = &left[written..];
    }
    poll_fn(|cx| Pin::new(&mut *writing).poll_flush(cx)).await
}

/// Fills a buffer, as long as what is in it may be right.
async fn read(
    reading: &mut (impl AsyncRead + Unpin),
    to: &mut [u8],
    may_be: impl Fn(&[u8]) -> bool,
) -> Result<(), HelloError> {
    let mut filled = 0;
    while filled < to.len() {
        let read = poll_fn(|cx| Pin::new(&mut *reading).poll_read(cx, &mut to[filled..])).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        filled += read;
        if !may_be(&to[..filled]) {
            return Err(HelloError::Stranger);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Hello = Hello {
        purpose: Purpose::Data,
        process: 1 << 100 | 5,
        build: 0xb111d,
        nonce: [1; 32],
        secret: Secret([9; 32]),
    };

    /// Lets two meet: what the one that accepts makes of the one that connects.
    fn meet(there: Hello) -> Result<Hello, HelloError> {
        let (here, hello) = (HERE.encode(), there.encode());
        HERE.check(End::Accepts, &hello, &there.proof(End::Connects, &here))
    }

    #[track_caller]
    fn refused(there: Hello, wanted: &str) {
        let error = meet(there).expect_err("it is not to be talked to");
        assert_eq!(error.to_string(), wanted);
    }

    #[test]
    fn processes_of_one_cluster_know_each_other() {
        let there = meet(Hello { process: 7, nonce: [2; 32], ..HERE }).expect("they are alike");
        assert_eq!((there.process, there.build, there.purpose), (7, 0xb111d, Purpose::Data));
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        refused(
            Hello { secret: Secret([8; 32]), build: 1, ..HERE },
            "the other end does not know the secret of this cluster: give all processes the same",
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
        let error = HERE.read(&bytes).expect_err("it is of another version").to_string();
        assert_eq!(error, "the other end speaks version 2 of the protocol, this process 1: update the older one");
    }

    #[test]
    fn no_bit_may_differ() {
        let there = Hello { process: 7, nonce: [2; 32], ..HERE };
        let proof = there.proof(End::Connects, &HERE.encode());
        for bit in 0..HELLO_BYTES * 8 {
            let mut bytes = there.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(HERE.check(End::Accepts, &bytes, &proof).is_err(), "bit {bit}");
        }
        for bit in 0..PROOF_BYTES * 8 {
            let mut proof = proof;
            proof[bit / 8] ^= 1 << (bit % 8);
            assert!(HERE.check(End::Accepts, &there.encode(), &proof).is_err(), "bit {bit} of the proof");
        }
    }

    #[test]
    fn a_proof_is_good_for_one_connection_and_one_direction() {
        let there = Hello { process: 7, nonce: [2; 32], ..HERE };
        let (here, hello) = (HERE.encode(), there.encode());
        let proof = there.proof(End::Connects, &here);
        assert!(HERE.check(End::Accepts, &hello, &proof).is_ok());
        let later = Hello { nonce: [3; 32], ..HERE };
        assert!(matches!(later.check(End::Accepts, &hello, &proof), Err(HelloError::Secret)), "it is old");
        // Who knows nothing says back what it hears.
        let echo = HERE.proof(End::Accepts, &here);
        assert!(matches!(HERE.check(End::Accepts, &here, &echo), Err(HelloError::Secret)), "it is an echo");
    }

    #[test]
    fn nothing_that_is_sent_has_the_secret_in_it() {
        let secret: [u8; 32] = std::array::from_fn(|i| 100 + i as u8);
        let here = Hello { secret: Secret(secret), ..HERE };
        let sent = [&here.encode()[..], &here.proof(End::Accepts, &HERE.encode())].concat();
        assert!(!sent.windows(4).any(|part| secret.windows(4).any(|of| of == part)));
    }

    #[test]
    fn secrets_are_digits_or_texts() {
        let of = |text: &str| Secret::of_text(text).map(|secret| secret.0);
        assert_eq!(of(&format!(" {}\n", "0aFF".repeat(16))), Some(std::array::from_fn(|i| [0x0a, 0xff][i % 2])));
        let text = of("correct horse battery");
        assert!(text.is_some() && text == of("correct horse battery\n") && text != of("correct horse batterz"));
        assert_eq!((of(""), of("fifteen letters"), of("                          ")), (None, None, None));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", HERE.secret), "Secret");
    }
}
