//! The README promises one command that runs all tests. CI runs that command, and this check holds the two together.

use std::fs;

use crate::{paths, step::Failed};

/// The arguments of cargo in the README's test command.
pub(crate) const TEST_ARGUMENTS: &str = "test --workspace --locked";

/// Checks that README.md has the test command on a line of its own.
pub(crate) fn check() -> Result<(), Failed> {
    let text = fs::read_to_string(paths::root().join("README.md"))
        .map_err(|error| Failed::new(format!("README.md cannot be read: {error}")))?;
    let command = format!("cargo {TEST_ARGUMENTS}");
    if text.lines().any(|line| line.trim().trim_start_matches("$ ") == command) {
        return Ok(());
    }
    Err(Failed::new(format!(
        "README.md has no line `{command}`, which is the test command that CI runs: change the README, or `TEST_ARGUMENTS` in xtask/src/readme.rs"
    )))
}
