//! [`SegmentError`]: why the bytes of a segment cannot be read.

use millstream_core::buffer::Invalid;

use super::VERSION;

/// Why the bytes of a segment cannot be read. Whoever reads them adds the segment's name.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The end is not that of a segment.
    #[error("it does not end as a segment does: it is cut off, or it is another kind of file")]
    NotASegment,
    /// A later version of Millstream wrote it.
    #[error(
        "it has format version {found}, and this program reads versions up to {VERSION}: run it with the version of Millstream that wrote it"
    )]
    Version {
        /// The version that it says.
        found: u32,
    },
    /// The footer is not what its checksum or its lengths say.
    #[error("its footer is damaged: {0}")]
    Footer(&'static str),
    /// It holds rows of other types.
    #[error(
        "it holds rows of {found}, but the state is of {wanted} now: give the state another name to begin it anew, or run the version of the job that \
         wrote it"
    )]
    Schema {
        /// The types of keys and values in it.
        found: String,
        /// The types that its reader has.
        wanted: String,
    },
    /// A block is not what its checksum or the index says.
    #[error("its block {block} is damaged: {what}")]
    Block {
        /// The block's number.
        block: usize,
        /// What does not fit.
        what: &'static str,
    },
    /// The records of a block are no archives of their type.
    #[error("its block {block} is damaged: {invalid}")]
    Records {
        /// The block's number.
        block: usize,
        /// What does not fit.
        invalid: Invalid,
    },
}
