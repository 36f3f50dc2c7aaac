//! [`Paths`]: where emitted code finds Millstream, whatever the user has in scope.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Path, parse_quote};

/// The path of the `millstream` crate, as `crate = path` says.
#[derive(Clone)]
pub(crate) struct Paths {
    root: Path,
}

impl Default for Paths {
    fn default() -> Self {
        Self { root: parse_quote!(::millstream) }
    }
}

impl Paths {
    /// A root other than `::millstream`.
    pub(crate) fn new(root: Path) -> Self {
        Self { root }
    }

    /// `millstream_core`.
    pub(crate) fn core(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private::core)
    }

    /// `millstream_runtime`.
    pub(crate) fn runtime(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private::runtime)
    }

    /// `inventory`.
    pub(crate) fn inventory(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private::inventory)
    }

    /// `rkyv`.
    pub(crate) fn rkyv(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private::rkyv)
    }
}
