//! `#[derive(State)]`: a struct as state that is kept for each key.
//!
//! A struct of plain fields is the row of a key, and what functions get derefs to it. If some fields are collections, the plain ones get a struct of their own, and
//! what functions get has the collections as fields beside it.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;
mod ttl;

pub(crate) use check::is_name;
use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

/// The expansion of the derive.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let model = parse::state(input, &mut errors);
    check::state(&model, &mut errors);
    match errors.finish() {
        Ok(()) => expand::state(&model),
        Err(error) => fallback::state(&model, &error),
    }
}

#[cfg(test)]
mod tests;
