//! The words for a file that cannot be read.

use std::{io, path::Path};

use millstream_runtime::failure::Failure;

/// Says that a file cannot be read.
pub fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(format!("there is no file or directory {}", path.display())),
        _ => Failure::new(format!("cannot read {}: {error}", path.display())),
    }
}
