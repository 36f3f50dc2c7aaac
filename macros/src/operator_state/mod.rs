//! `#[derive(OperatorState)]`: a struct as state that each subtask keeps for itself, each field a state with a rule who gets it.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

/// The expansion of the derive.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let model = parse::state(input, &mut errors);
    match errors.finish() {
        Ok(()) => expand::state(&model),
        Err(error) => expand::fallback(&model, &error),
    }
}

#[cfg(test)]
mod tests;
