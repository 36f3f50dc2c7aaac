//! What all sources of files share: finding files, reading them ahead in ranges, unpacking them, watching for new ones, and telling bad records
//! with their place. A format says only what a record looks like ([`ReadFormat`], [`Parser`]).
//!
//! Files whose names end in `.gz` or `.zst` are unpacked as they are read, each by one subtask; positions in them count unpacked bytes.

mod chunk;
mod compression;
mod error;
mod find;
mod format;
mod lines;
mod load;
mod reader;
mod source;
#[cfg(test)]
mod tests;

pub use chunk::ROW_BYTES_LIMIT;
#[cfg(test)]
pub(crate) use chunk::Sizes;
pub use error::cannot_read;
pub use find::FILES_LIMIT;
pub(crate) use format::BYTE_ORDER_MARK;
pub use format::{Parsed, Parser, ReadFormat, skip_byte_order_mark};
pub use load::LOAD_BYTES;
#[cfg(test)]
pub(crate) use reader::Stop;
pub use reader::{BAD_TEXT_BYTES, FileReader};
pub use source::{FileEnumerator, FileSource, FileSplit, SPLIT_BYTES};
