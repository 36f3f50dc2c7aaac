//! `#[async_map]`, `#[async_filter]` and `#[async_flat_map]`: async functions as operators.
//!
//! As of other annotated functions there come to be a type of the function's name, which has the impl and, as `call`, the function's body; and a function that makes what
//! `.then_async(..)` takes.

mod check;
mod expand;
mod fallback;
mod model;
mod options;
mod parse;

use proc_macro2::TokenStream;

pub(crate) use model::Kind;

use crate::errors::Errors;

/// The expansion of the attribute `kind` on `item`.
pub(crate) fn attribute(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = options::parse(kind, arguments, &mut errors);
    let function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            errors.on(&item, format!("`#[{}]` stands on a free function", kind.name()));
            let messages = errors.finish().err().map(|error| error.to_compile_error());
            return quote::quote!(#messages #item);
        }
    };
    let model = parse::function(kind, options, function, &mut errors);
    check::function(&model, &mut errors);
    match errors.finish() {
        Ok(()) => expand::function(&model),
        Err(error) => fallback::function(&model, &error),
    }
}

#[cfg(test)]
mod tests;
