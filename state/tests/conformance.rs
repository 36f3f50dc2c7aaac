//! The backends that there are do what a backend must.

use millstream_state::{backend::Memory, conformance};

/// How many seeds are tried, unless many are asked for.
const SEEDS: u64 = 6;
const SEEDS_FULL: u64 = 200;

#[test]
fn memory_conforms() {
    let full = std::env::var_os("MILLSTREAM_TEST_BUDGET").is_some_and(|budget| budget == "full");
    conformance::check(&Memory, if full { SEEDS_FULL } else { SEEDS });
}
