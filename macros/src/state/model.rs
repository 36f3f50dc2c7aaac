//! What the derive knows about a struct of state.

use proc_macro2::Ident;
use quote::format_ident;
use syn::{Attribute, Generics, Type, Visibility};

use super::ttl::Ttl;
use crate::{paths::Paths, record::Record};

/// The fields that are states of their own, by the names of their types.
pub(crate) const COLLECTIONS: [&str; 5] = ["ValueState", "MapState", "ListState", "AggregatingState", "ReducingState"];

/// A struct that derives `State`.
pub(crate) struct State {
    pub(crate) paths: Paths,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// True if it is no struct with named fields.
    pub(crate) no_struct: bool,
    /// The plain fields as a record, if there are any: they lie together in a row.
    pub(crate) row: Option<Record>,
    /// How long those live.
    pub(crate) ttl: Option<Ttl>,
    /// Fields that are states of their own.
    pub(crate) own: Vec<Own>,
}

/// A field that is a state of its own.
pub(crate) struct Own {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) docs: Vec<Attribute>,
    /// The state's name.
    pub(crate) name: String,
    /// How long it lives.
    pub(crate) ttl: Option<Ttl>,
}

impl State {
    /// The name of the struct of the plain fields. Where there are no others it is not to be seen, since the user's struct stands for it.
    pub(crate) fn fields(ident: &Ident) -> Ident {
        format_ident!("{ident}Fields", span = ident.span())
    }

    /// The name of what functions get, where it is a struct.
    pub(crate) fn handle(&self) -> Ident {
        format_ident!("{}Handle", self.ident, span = self.ident.span())
    }
}
