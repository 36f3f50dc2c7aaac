//! What the attributes know about a function.

use syn::{Attribute, ItemFn, Type};

use crate::{paths::Paths, types::Given};

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Map,
    Filter,
    FlatMap,
    FilterMap,
    Key,
}

impl Kind {
    /// The attribute's name, which is also the operator's kind.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Filter => "filter",
            Self::FlatMap => "flat_map",
            Self::FilterMap => "filter_map",
            Self::Key => "key",
        }
    }

    /// A signature to copy from.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Map => "#[map] fn clean(trade: TradeView<'_>) -> TradeView<'_>",
            Self::Filter => "#[filter] fn traded(trade: TradeView<'_>) -> bool",
            Self::FlatMap => "#[flat_map] fn words(line: &str) -> impl Iterator<Item = &str>",
            Self::FilterMap => "#[filter_map] fn parsed(line: &str) -> Option<Trade>",
            Self::Key => "#[key] fn symbol(trade: TradeView<'_>) -> &str",
        }
    }
}

/// An annotated function.
pub(crate) struct Operator {
    pub(crate) kind: Kind,
    pub(crate) paths: Paths,
    pub(crate) function: ItemFn,
    pub(crate) docs: Vec<Attribute>,
    /// What is opened once per subtask and borrowed by every call, if its first parameter is that.
    pub(crate) resource: Option<Resource>,
    /// The type of the parameter for the record, if it has one.
    pub(crate) input: Option<Type>,
    /// True if it wants the record's time.
    pub(crate) timed: bool,
    /// What it gives for a record, if that can be told from its return type.
    pub(crate) output: Option<Given>,
    /// Its error type, if it can fail.
    pub(crate) error: Option<Type>,
}

/// What a function borrows besides the record: `weather: &Weather`, or `&mut Weather`.
pub(crate) struct Resource {
    /// `Weather`.
    pub(crate) ty: Type,
}
