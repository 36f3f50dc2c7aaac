//! [`Paths`]: where emitted code finds Millstream, whatever the user has in scope.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
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

    /// `millstream_core`, located at `span`, so that what the compiler has to say about it stands there.
    pub(crate) fn core_at(&self, span: Span) -> TokenStream {
        let root = self.root_at(span);
        quote_spanned!(span=> #root::__private::core)
    }

    fn root_at(&self, span: Span) -> TokenStream {
        let located = |mut token: TokenTree| {
            token.set_span(token.span().located_at(span));
            token
        };
        self.root.to_token_stream().into_iter().map(located).collect()
    }

    /// `millstream_runtime`.
    pub(crate) fn runtime(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private::runtime)
    }

    /// `millstream_runtime`, located at `span`.
    pub(crate) fn runtime_at(&self, span: Span) -> TokenStream {
        let root = self.root_at(span);
        quote_spanned!(span=> #root::__private::runtime)
    }

    /// `millstream_runtime::process`.
    pub(crate) fn process(&self) -> TokenStream {
        let runtime = self.runtime();
        quote!(#runtime::process)
    }

    /// `millstream_runtime::process`, located at `span`.
    pub(crate) fn process_at(&self, span: Span) -> TokenStream {
        let runtime = self.runtime_at(span);
        quote_spanned!(span=> #runtime::process)
    }

    /// The root, for the attributes of other macros: `crate = root`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
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
