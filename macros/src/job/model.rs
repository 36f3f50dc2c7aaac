//! What `#[job]` knows about a function.

use syn::ItemFn;

use crate::paths::Paths;

/// An annotated function.
pub(crate) struct Job {
    pub(crate) paths: Paths,
    pub(crate) function: ItemFn,
    /// Its doc comment, which is the help text of its subcommand.
    pub(crate) doc: String,
    /// True if it takes arguments of its own.
    pub(crate) takes_arguments: bool,
}
