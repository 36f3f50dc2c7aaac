//! Golden jobs: each runs on tokio and in the simulation, at parallelism 1 to 3, from many seeds, without checkpoints and with them, through crashes and
//! faults, and must always give what `reference.py` computes. `MILLSTREAM_TEST_BUDGET=full` tries more seeds.
#![allow(missing_docs, reason = "the fields of these records are what the jobs beside them are about")]

mod async_io;
mod broadcast;
mod by_key;
mod filter_map;
mod joins;
mod keyed;
mod overlapping;
mod panes;
mod process;
mod sessions;
mod split_union;
mod trade;
mod trickle;
mod tumbling;
mod word_count;

use millstream_testkit::golden::{Golden, JobFn};

/// Ranges so small that every input has several.
const SPLIT_BYTES: u64 = 5000;
/// Parts so small that some appear while the job runs, where it makes checkpoints.
const PART_BYTES: u64 = 1000;

fn golden(name: &str, job: JobFn) -> Golden {
    Golden::new(path(name), job)
}

fn path(name: &str) -> String {
    format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}
