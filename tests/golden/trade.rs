//! The trades that several golden jobs read: with prices that are missing, and out of order by up to 30 seconds.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::{CsvFiles, CsvSource};

#[derive(Record, Clone, Debug)]
pub(crate) struct Trade {
    pub(crate) symbol: String,
    pub(crate) price: Option<f64>,
    pub(crate) shares: u32,
    #[record(event_time)]
    pub(crate) at: Timestamp,
}

/// All trades, in several splits.
pub(crate) fn trades(input: &Path) -> CsvSource<Trade> {
    CsvFiles::<Trade>::read(input).split_bytes(crate::SPLIT_BYTES)
}
