//! Files as a sink, whatever their format: [`FileSink`] writes parts, in directories by a function of the record if it is told so, compresses
//! them, and lets them appear as a whole or not at all. A format says how a record becomes text: [`WriteFormat`].
//!
//! ```text
//! out/                                    the directory of the sink
//!   .staging-9f0c.../                     parts that are not committed yet; 9f0c... is the number of the run
//!   part-9f0c...-00001-000000.csv.gz      subtask 1, its part 0
//!   north/part-9f0c...-00000-000003.csv   a part of the partition `north`
//!   _SUCCESS                              the job has ended well: the output is complete
//! ```

mod commit;
mod compress;
pub(crate) mod fault;
mod partition;
mod parts;
mod place;
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
