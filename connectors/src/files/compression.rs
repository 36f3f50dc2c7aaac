//! Opens a file at a place, and unpacks it on the way if its name says that it is packed.

use std::{
    io::{self, BufRead, BufReader, Read, SeekFrom},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use millstream_runtime::env::{Files, ReadFile};

/// How much of a packed file is read at once, in bytes.
const PACKED_BYTES: usize = 64 * 1024;
/// How far a zstd file may refer back, as a power of two in bytes: what unpacking it takes in memory. 27 is also what the `zstd` program allows by
/// default.
const ZSTD_WINDOW_LOG_LIMIT: u32 = 27;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// What the name of a file says.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Opens a file so that reading begins at a place in its unpacked text. Blocks.
pub(crate) fn open(files: &dyn Files, path: &Path, at: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut file = files.open(path)?;
    let Some(compression) = Compression::of(path) else {
        if at > 0 {
            file.seek(SeekFrom::Start(at))?;
        }
        return Ok(Box::new(file));
    };
    let mut text = Box::new(Unpacked::new(file, compression)?);
    if io::copy(&mut (&mut text).take(at), &mut io::sink())? < at {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "its text has become shorter since a part of it was read; leave files as they are until they are read to their end",
        ));
    }
    Ok(text)
}

type Packed = BufReader<Box<dyn ReadFile>>;

/// The text of a packed file.
struct Unpacked {
    compression: Compression,
    decoder: Decoder,
}

enum Decoder {
    Gzip(MultiGzDecoder<Packed>),
    Zstd(zstd::Decoder<'static, Packed>),
}

impl Unpacked {
    fn new(file: Box<dyn ReadFile>, compression: Compression) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(PACKED_BYTES, file);
        // A decoder may take nothing at all for an empty text, but no archive is that short.
        if file.fill_buf()?.is_empty() {
            return Err(damaged(compression, &io::ErrorKind::UnexpectedEof.into()));
        }
        let decoder = match compression {
            Compression::Gzip => Decoder::Gzip(MultiGzDecoder::new(file)),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(file)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_LIMIT)?;
                Decoder::Zstd(decoder)
            }
        };
        Ok(Self { compression, decoder })
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        };
        // What the system says of the file is said as it is; everything else comes from the decoder.
        read.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ if error.raw_os_error().is_some() => error,
            _ => damaged(self.compression, &error),
        })
    }
}

fn damaged(compression: Compression, error: &io::Error) -> io::Error {
    let name = compression.name();
    io::Error::new(
        io::ErrorKind::InvalidData,
        if error.kind() == io::ErrorKind::UnexpectedEof {
            format!(
                "its {name} data ends too early; copy the file again, and if it is still being written, rename it into place when it is complete"
            )
        } else {
            format!("its {name} data is damaged ({error}); copy the file again, or pack it anew")
        },
    )
}
