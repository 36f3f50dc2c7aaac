//! The bytes of an entry of the log: a text in JSON, and behind it the records of small state.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::manifest::{Manifest, ValuePart};

/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// How every entry begins.
pub const MAGIC: [u8; 8] = *b"MILLSLOG";
/// No entry is larger than this, in bytes.
pub const LIMIT_ENTRY_BYTES: usize = 512 << 20;

/// The magic, the version, the length of the text, the length of the values, the checksum.
const HEADER_BYTES: usize = 8 + 4 + 4 + 4 + 4;

/// Who wrote an entry: a random number that a process draws anew for each claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(pub u128);

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// As text: JSON has no numbers of 128 bits.
impl Serialize for OwnerId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OwnerId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        u128::from_str_radix(&text, 16).map(Self).map_err(de::Error::custom)
    }
}

/// What tells an entry from all others, so that its writer knows it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryId {
    /// Who wrote it.
    pub owner: OwnerId,
    /// How many the owner had made before.
    pub sequence: u64,
}

/// An entry that is there, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEntry {
    /// Its number in the log.
    pub number: u64,
    /// What it must be.
    pub id: EntryId,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What tells it from all others.
    pub id: EntryId,
    /// What it says.
    pub body: Body,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// From here on, the owner writes this log.
    Claim {
        /// The job's name.
        job: String,
        /// When, in milliseconds since 1970.
        at: i64,
        /// The number of the job's run, which it keeps through all restarts.
        run: u64,
    },
    /// A checkpoint is complete.
    Checkpoint {
        /// The number of the owner's claim.
        claim: u64,
        /// The older checkpoints that were kept when it was written, in ascending order.
        live: Vec<LiveEntry>,
        /// What it consists of.
        manifest: Manifest,
    },
}

impl Body {
    /// The job's name.
    pub fn job(&self) -> &str {
        match self {
            Self::Claim { job, .. } | Self::Checkpoint { manifest: Manifest { job, .. }, .. } => job,
        }
    }

    /// The number of the job's run.
    pub fn run(&self) -> u64 {
        match self {
            Self::Claim { run, .. } | Self::Checkpoint { manifest: Manifest { run, .. }, .. } => *run,
        }
    }
}

/// Why the bytes of an entry cannot be read, or not be written.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It does not begin as an entry does.
    #[error("it does not begin as an entry does: it is cut off, or it is another kind of file")]
    NotAnEntry,
    /// A later version of Millstream wrote it.
    #[error(
        "it has format version {found}, and this program reads versions up to {VERSION}: run the job with the version of Millstream that wrote it"
    )]
    Version {
        /// The version that it says.
        found: u32,
    },
    /// It is not what its checksum or its lengths say.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// Its text is not what it should be.
    #[error("its text is damaged: {0}")]
    Text(serde_json::Error),
    /// The values of the checkpoint are too many.
    #[error(
        "the values in this checkpoint (positions of sources, state that is not keyed) are {bytes} bytes, more than the {LIMIT_ENTRY_BYTES} that an \
         entry may have: keep less in them, or keep it by key"
    )]
    TooLarge {
        /// How large the entry would be.
        bytes: usize,
    },
}

/// The text of an entry, as it is read.
#[derive(Deserialize)]
struct Text {
    id: EntryId,
    #[serde(flatten)]
    body: Body,
    values: Vec<u32>,
}

/// The same, as it is written.
#[derive(Serialize)]
struct TextOf<'e> {
    id: EntryId,
    #[serde(flatten)]
    body: &'e Body,
    /// The lengths of the values behind the text, in the order of the manifest.
    values: Vec<u32>,
}

impl Entry {
    /// The bytes of the entry.
    ///
    /// # Errors
    ///
    /// Fails if it would be larger than [`LIMIT_ENTRY_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let parts = || match &self.body {
            Body::Checkpoint { manifest, .. } => Some(manifest.operators.iter().flat_map(|operator| &operator.values)),
            Body::Claim { .. } => None,
        };
        let value_bytes: usize = parts().into_iter().flatten().map(|part: &ValuePart| part.bytes.len()).sum();
        if value_bytes > LIMIT_ENTRY_BYTES {
            return Err(EntryError::TooLarge { bytes: value_bytes });
        }
        let values = parts().into_iter().flatten().map(|part| part.bytes.len() as u32).collect();
        let text = serde_json::to_vec(&TextOf { id: self.id, body: &self.body, values }).map_err(EntryError::Text)?;
        let bytes = HEADER_BYTES + text.len() + value_bytes;
        if bytes > LIMIT_ENTRY_BYTES {
            return Err(EntryError::TooLarge { bytes });
        }
        let mut out = Vec::with_capacity(bytes);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((text.len() as u32).to_le_bytes());
        out.extend((value_bytes as u32).to_le_bytes());
        out.extend([0; 4]);
        out.extend(text);
        parts().into_iter().flatten().for_each(|part| out.extend(&part.bytes));
        let crc = checksum(&out);
        out[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        Ok(out)
    }

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are damaged, or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Err(EntryError::NotAnEntry) };
        if !header.starts_with(&MAGIC) {
            return Err(EntryError::NotAnEntry);
        }
        let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (version, text_bytes, value_bytes, crc) = (number(8), number(12), number(16), number(20));
        if version != VERSION {
            return Err(EntryError::Version { found: version });
        }
        let length = HEADER_BYTES as u64 + u64::from(text_bytes) + u64::from(value_bytes);
        if bytes.len() as u64 != length {
            return Err(EntryError::Damaged("its length is another one"));
        }
        if checksum(bytes) != crc {
            return Err(EntryError::Damaged("its checksum is another one"));
        }
        let (text, mut rest) = bytes[HEADER_BYTES..].split_at(text_bytes as usize);
        let Text { id, mut body, values } = serde_json::from_slice(text).map_err(EntryError::Text)?;
        let mut lengths = values.into_iter();
        if let Body::Checkpoint { manifest, .. } = &mut body {
            for part in manifest.operators.iter_mut().flat_map(|operator| &mut operator.values) {
                let split = lengths.next().and_then(|length| rest.split_at_checked(length as usize));
                let (value, behind) = split.ok_or(EntryError::Damaged("it has too few values"))?;
                (part.bytes, rest) = (value.to_vec(), behind);
            }
        }
        if lengths.next().is_some() || !rest.is_empty() {
            return Err(EntryError::Damaged("it has too many values"));
        }
        Ok(Self { id, body })
    }
}

/// The checksum of all bytes but its own.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..HEADER_BYTES - 4]);
    crc.update(&bytes[HEADER_BYTES..]);
    crc.finalize()
}
