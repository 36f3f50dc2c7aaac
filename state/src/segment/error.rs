//! [`SegmentError`]: why the bytes of a segment cannot be read.

use millstream_core::buffer::Invalid;

use super::VERSION;
use crate::schema::{SchemaName, Unfit};

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
    /// Its rows have other keys, whose places would be others too.
    #[error(
        "its rows have keys of {found}, but the state's keys are of {wanted} now, and keys do not change: keep the type of the key as it was, or give the state another name to \
         begin it anew"
    )]
    Key {
        /// The type of the keys in it.
        found: SchemaName,
        /// The type that its reader has.
        wanted: SchemaName,
    },
    /// It holds values of another type, which those of the state are not made from.
    #[error("its values are not those of the state: {0}")]
    Schema(Unfit),
    /// It was written before segments said what their types are made of.
    #[error(
        "it does not say what {schema} is made of, as it was written by an earlier version of Millstream: let the job make another checkpoint"
    )]
    Undescribed {
        /// The type.
        schema: SchemaName,
    },
    /// A row cannot be made one of the version that the state has.
    #[error("a row of its block {block} cannot be made one of the new version of its type: {what}")]
    Migration {
        /// The block's number.
        block: usize,
        /// What does not work.
        what: String,
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
