//! Where things are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The workspace root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a directory of the workspace")
}

/// A directory for what the steps write, inside of cargo's target directory.
pub(crate) fn scratch(name: &str) -> PathBuf {
    target().join("xtask").join(name)
}

/// Where cargo puts what it builds without optimising it.
pub(crate) fn built(kind: &str) -> PathBuf {
    target().join("debug").join(kind)
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}
