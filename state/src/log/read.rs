//! Lists and reads the log.

use futures::TryStreamExt;
use object_store::{ObjectStoreExt, path::Path};

use super::{Entry, EntryError, LIMIT_ENTRY_BYTES, LOG};
use crate::store::{CheckpointStore, StoreError};

/// How many digits the name of an entry has.
const DIGITS: usize = 20;

/// Which entries there are, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// All numbers, ascending.
    numbers: Vec<u64>,
    /// Where those that count begin in there.
    run: usize,
}

impl Listing {
    fn new(mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        let run = (1..numbers.len()).rev().find(|&i| numbers[i - 1] + 1 != numbers[i]).unwrap_or(0);
        Self { numbers, run }
    }

    /// The highest number.
    pub fn highest(&self) -> Option<u64> {
        self.numbers.last().copied()
    }

    /// The entries that count, ascending: those without a gap up to the highest. What lies before a gap is left over from before older entries were
    /// deleted, or was created there by someone who had not noticed.
    pub fn run(&self) -> &[u64] {
        &self.numbers[self.run..]
    }

    /// Every entry below a number, ascending, whether it counts or not.
    pub fn below(&self, number: u64) -> &[u64] {
        &self.numbers[..self.numbers.partition_point(|n| *n < number)]
    }
}

pub(crate) fn path(number: u64) -> Path {
    Path::from_iter([LOG, &format!("{number:0DIGITS$}")])
}

/// The number of an entry; none for other objects.
fn number(path: &Path) -> Option<u64> {
    let name = path.filename()?;
    (name.len() == DIGITS && name.bytes().all(|b| b.is_ascii_digit())).then(|| name.parse().ok())?
}

impl CheckpointStore {
    /// Lists the log.
    ///
    /// # Errors
    ///
    /// Fails if the store does.
    pub async fn list_log(&self) -> Result<Listing, StoreError> {
        let objects = self.objects().list(Some(&Path::from(LOG)));
        let numbers = objects.try_filter_map(|object| futures::future::ok(number(&object.location)));
        let numbers: Vec<u64> = numbers
            .try_collect()
            .await
            .map_err(|source| StoreError::objects("list the log of the checkpoints", source))?;
        Ok(Listing::new(numbers))
    }

    /// Reads an entry of the log.
    ///
    /// # Errors
    ///
    /// Fails if it is missing, damaged, or of a later version, or if the store fails.
    pub async fn entry(&self, number: u64) -> Result<Entry, StoreError> {
        let failed = |source| match source {
            object_store::Error::NotFound { .. } => StoreError::NoEntry { number },
            source => StoreError::objects(format!("read entry {number} of the log"), source),
        };
        let damaged = |source| StoreError::Entry { number, source };
        let object = self.objects().get(&path(number)).await.map_err(failed)?;
        if object.meta.size > LIMIT_ENTRY_BYTES as u64 {
            return Err(damaged(EntryError::Damaged("it is larger than any entry")));
        }
        let bytes = object.bytes().await.map_err(failed)?;
        self.blocking(move || Entry::decode(&bytes)).await.map_err(damaged)
    }
}
