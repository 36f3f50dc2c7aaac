//! What the derive knows about a struct of operator state.

use proc_macro2::Ident;
use syn::{Generics, Type};

use crate::paths::Paths;

/// A struct that derives `OperatorState`.
pub(crate) struct OperatorState {
    pub(crate) paths: Paths,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) fields: Vec<Field>,
}

/// A field, which is a state.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) spread: Spread,
    /// The state's name.
    pub(crate) name: String,
    /// What it is stored as: the elements of a list, or the whole of what is broadcast.
    pub(crate) record: Type,
}

/// Who gets it at a restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spread {
    List,
    Union,
    Broadcast,
}

impl Spread {
    pub(crate) const ALL: [Self; 3] = [Self::List, Self::Union, Self::Broadcast];

    /// As attributes have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Union => "union",
            Self::Broadcast => "broadcast",
        }
    }

    /// The variant of the manifest's type.
    pub(crate) fn variant(self) -> &'static str {
        match self {
            Self::List => "List",
            Self::Union => "Union",
            Self::Broadcast => "Broadcast",
        }
    }
}
