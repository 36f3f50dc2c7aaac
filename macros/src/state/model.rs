//! What the derive knows about a struct of state.

use proc_macro2::Ident;
use quote::format_ident;
use syn::{Attribute, Generics, Type, Visibility};

use crate::paths::Paths;

/// The fields that are states of their own, by the names of their types.
pub(crate) const COLLECTIONS: [&str; 5] = ["ValueState", "MapState", "ListState", "AggregatingState", "ReducingState"];

/// A struct that derives `State`.
pub(crate) struct State {
    pub(crate) paths: Paths,
    /// What `#[record(..)]` says on the type.
    pub(crate) record: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// What it was found to be, if it is no struct with named fields.
    pub(crate) no_struct: bool,
    /// Fields that lie together in a row.
    pub(crate) plain: Vec<Plain>,
    /// Fields that are states of their own.
    pub(crate) own: Vec<Own>,
}

/// A field of the row.
pub(crate) struct Plain {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Its documentation, and what `#[record(..)]` says.
    pub(crate) attributes: Vec<Attribute>,
}

/// A field that is a state of its own.
pub(crate) struct Own {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) docs: Vec<Attribute>,
    /// The state's name.
    pub(crate) name: String,
}

impl State {
    /// The struct of the plain fields: the user's own, if it has no others.
    pub(crate) fn row(&self) -> Option<Ident> {
        if self.plain.is_empty() {
            return None;
        }
        Some(match self.own.as_slice() {
            [] => self.ident.clone(),
            _ => format_ident!("{}Fields", self.ident, span = self.ident.span()),
        })
    }

    /// What functions get, where it is a struct.
    pub(crate) fn handle(&self) -> Ident {
        format_ident!("{}Handle", self.ident, span = self.ident.span())
    }
}
