//! Files as a sink, whatever their format: [`FileSink`] writes parts, in directories by a function of the record if it is told so, compresses
//! them, and lets them appear as a whole or not at all. A format says how a record becomes text: [`WriteFormat`].
//!
//! ```text
//! out/                                    the directory of the sink
//!   .staging-9f0c.../                     of the run 9f0c..., until it has ended
//!     00001-000000.csv.gz                 a part that is not committed yet
//!     made-2                              the run has made two directories to get here
//!     cleared                             it has removed the output of other runs
//!   part-9f0c...-00001-000000.csv.gz      subtask 1, its part 0
//!   north/part-9f0c...-00000-000003.csv   a part of the partition `north`
//!   _SUCCESS                              the job has ended well: the output is complete
//! ```
//!
//! In a job with checkpoints, where a run may have many attempts, parts are staged by writer instead of subtask, `1b2c...-000003.csv`, and committed with the
//! number of the checkpoint, `part-9f0c...-00000007-1b2c...-000003.csv`. A commit is renames, each of which may be repeated: what is staged
//! gets its name, what has it is done. A part is synced, and its name in the staging directory, before it is handed over; the way to its final
//! directory before it is renamed; that directory before the commit is over. So at any time a part that a complete checkpoint knows of is in one of the
//! two places.

mod commit;
mod compress;
pub(crate) mod fault;
mod partition;
mod parts;
pub(crate) mod place;
mod sink;
#[cfg(test)]
mod tests;
mod under_way;
mod writer;

use millstream_core::record::Record;
use millstream_runtime::failure::Failure;

pub use commit::FileCommitter;
pub use partition::{DirectoryName, PARTITION_DEPTH_LIMIT, PartitionBy, PartitionWith, Partitioning, Unpartitioned};
pub use place::{FilePart, OpenPart};
pub use sink::{FileSink, PART_BYTES};
pub use writer::{FileWriter, OPEN_PARTS_LIMIT};

/// How records become the bytes of a file. Each subtask works on a clone of its own, which may keep buffers.
///
/// ```
/// use millstream_connectors::part_files::{FileSink, WriteFormat};
/// use millstream_runtime::failure::Failure;
///
/// /// Numbers of eight bytes, one behind the other.
/// #[derive(Clone)]
/// struct Raw;
///
/// impl WriteFormat for Raw {
///     type In = u64;
///     fn name(&self) -> &'static str {
///         "raw"
///     }
///     fn extension(&self) -> &'static str {
///         "bin"
///     }
///     fn row(&mut self, number: u64, out: &mut Vec<u8>) -> Result<(), Failure> {
///         out.extend_from_slice(&number.to_le_bytes());
///         Ok(())
///     }
/// }
///
/// let sink = FileSink::new("numbers", Raw).partition_by(|number| number % 10);
/// # let _ = sink;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no format that files are written by",
    label = "not a format",
    note = "use `CsvFiles`, `JsonLines` or `TextFiles`, or implement `WriteFormat`"
)]
pub trait WriteFormat: Clone + Send + Sync + 'static {
    /// What is written.
    type In: Record;

    /// What messages and plans call it: `csv`.
    fn name(&self) -> &'static str;

    /// How the names of files end, without a dot: `csv`.
    fn extension(&self) -> &'static str;

    /// Appends what every file begins with: nothing, unless the format says otherwise.
    fn header(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Appends a record. Called for every record of a job: it should not allocate.
    ///
    /// # Errors
    ///
    /// A record that the format cannot hold fails the job. What was appended of it is not written.
    fn row(&mut self, record: <Self::In as Record>::View<'_>, out: &mut Vec<u8>) -> Result<(), Failure>;
}
