//! What is said when something cannot be written.

use std::{io, path::Path};

use millstream_runtime::failure::Failure;

/// What Unix systems say when a process has too many files open; the standard library has no name for it.
const TOO_MANY_OPEN_FILES: i32 = 24;

/// Says that something cannot be written, and what helps.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let repair = match error.kind() {
        io::ErrorKind::StorageFull => "; free some space on that disk, or write to another one",
        io::ErrorKind::QuotaExceeded => "; free some of the user's space on that disk, or write to another one",
        io::ErrorKind::FileTooLarge => {
            "; raise the limit on the size of files (`ulimit -f`), or close files earlier by `.part_bytes(bytes)`"
        }
        io::ErrorKind::PermissionDenied => {
            "; give the user who runs the job the right to write there, or write elsewhere"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; write to a disk that is not read-only",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; a file is where a directory should be: remove it, or write elsewhere"
        }
        _ if cfg!(unix) && error.raw_os_error() == Some(TOO_MANY_OPEN_FILES) => {
            "; raise the limit on open files (`ulimit -n`), or lower the parallelism"
        }
        _ => "",
    };
    Failure::new(format!("cannot write {}: {error}{repair}", path.display()))
}
