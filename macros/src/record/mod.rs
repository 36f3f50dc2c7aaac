//! `#[derive(Record)]`.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) use model::{Field, Record};

/// The expansion of the derive.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let model = read(input, &mut errors);
    match errors.finish() {
        Ok(()) => expand::record(&model),
        Err(error) => fallback::record(model, &error),
    }
}

/// Reads a type and checks it.
pub(crate) fn read(input: &DeriveInput, errors: &mut Errors) -> Record {
    let model = parse::record(input, errors);
    check::record(&model, errors);
    model
}

/// The view of a type, and that it is a record: for what is only stored.
pub(crate) fn stored(record: &Record) -> TokenStream {
    expand::stored(record)
}

#[cfg(test)]
mod tests;
