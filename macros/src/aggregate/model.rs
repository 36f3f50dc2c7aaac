//! What `#[aggregate]` knows about an impl block.

use syn::{ItemImpl, Type};

use crate::paths::Paths;

/// The signatures that an aggregate may have, for messages.
pub(crate) const ADD: &str = "fn add(acc: &mut State, record: TradeView<'_>)";
pub(crate) const MERGE: &str = "fn merge(acc: &mut State, other: StateView<'_>)";
pub(crate) const FINISH: &str = "fn finish(acc: &State) -> Out";
pub(crate) const CREATE: &str = "fn create() -> State";

/// An annotated impl block. A function that is missing, or whose signature is not understood, is `None`.
pub(crate) struct Aggregate {
    pub(crate) paths: Paths,
    pub(crate) block: ItemImpl,
    pub(crate) add: Option<Add>,
    pub(crate) merge: Option<Merge>,
    pub(crate) finish: Option<Finish>,
    pub(crate) create: Option<Create>,
}

/// `fn add([&self,] acc: &mut State, record: View<'_> [, at: Timestamp])`
pub(crate) struct Add {
    pub(crate) on_self: bool,
    pub(crate) state: Type,
    pub(crate) record: Type,
    pub(crate) timed: bool,
}

/// `fn merge([&self,] acc: &mut State, other: StateView<'_>)`
pub(crate) struct Merge {
    pub(crate) on_self: bool,
    pub(crate) state: Type,
}

/// `fn finish([&self,] acc: &State) -> Out`
pub(crate) struct Finish {
    pub(crate) on_self: bool,
    pub(crate) state: Type,
    pub(crate) out: Type,
}

/// `fn create([&self]) -> State`
pub(crate) struct Create {
    pub(crate) on_self: bool,
    pub(crate) state: Type,
}
