//! `#[derive(Record)]`.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

/// The expansion of the derive.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let model = parse::record(input, &mut errors);
    check::record(&model, &mut errors);
    match errors.finish() {
        Ok(()) => expand::record(&model),
        Err(error) => fallback::record(model, &error),
    }
}

#[cfg(test)]
mod tests;
