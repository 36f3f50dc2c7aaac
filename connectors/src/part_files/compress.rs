//! Compression of parts, as they are written.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use millstream_runtime::env::WriteFile;

/// How far back zstd looks for repetitions, as a power of two of bytes: it bounds the memory of each open part.
const ZSTD_WINDOW_LOG: u32 = 19;

/// How the bytes of a part are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What is added to the names of files.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Compresses what is written to a file from here on.
    pub(super) fn begin(self, file: Box<dyn WriteFile>) -> io::Result<Encoder> {
        Ok(match self {
            Self::None => Encoder::None(file),
            Self::Gzip => Encoder::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
        })
    }
}

/// A file behind its compression.
pub(super) enum Encoder {
    None(Box<dyn WriteFile>),
    Gzip(GzEncoder<Box<dyn WriteFile>>),
    Zstd(zstd::Encoder<'static, Box<dyn WriteFile>>),
}

impl Encoder {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::None(file) => file.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Makes what was written survive a crash of the machine, as far as compression has let it out.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let file = match self {
            Self::None(file) => file,
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        };
        file.flush()?;
        file.sync()
    }

    /// Writes what compression held back, and makes the file survive a crash of the machine.
    pub(super) fn finish(self) -> io::Result<()> {
        let mut file = match self {
            Self::None(file) => file,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        file.flush()?;
        file.sync()
    }
}
