//! [`Errors`]: everything that is wrong with one expansion, reported together.

use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;

/// Collects what is wrong, so that one build shows all of it.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Says what is wrong with `tokens`.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Says what is wrong at `span`.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds an error of syn's own parsers.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Fails if anything was wrong.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// The messages in emitted code, in order, for tests.
#[cfg(test)]
pub(crate) fn messages(emitted: proc_macro2::TokenStream) -> Vec<String> {
    let file: syn::File = syn::parse2(emitted).expect("what is emitted can be parsed");
    let messages = file.items.iter().filter_map(|item| match item {
        syn::Item::Macro(item) if item.mac.path.segments.last()?.ident == "compile_error" => {
            Some(item.mac.parse_body::<syn::LitStr>().expect("a message").value())
        }
        _ => None,
    });
    messages.collect()
}
