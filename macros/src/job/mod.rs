//! `#[job]`: a function that builds a graph, known to the binary by name.

mod check;
mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{errors::Errors, options};

/// The expansion of `#[job]` on `item`. The function stays as it is, so after an error it is the only thing besides the messages.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let paths = options::paths("job", arguments, &mut errors);
    let model = match syn::parse2(item.clone()) {
        Ok(function) => Some(parse::job(paths, function)),
        Err(_) => {
            errors.on(&item, format!("`#[job]` stands on a free function: {}", check::SIGNATURES));
            None
        }
    };
    if let Some(model) = &model {
        check::job(model, &mut errors);
    }
    let messages = errors.finish().err().map(|error| error.to_compile_error());
    match model.filter(|_| messages.is_none()) {
        Some(model) => expand::job(&model),
        None => quote!(#messages #item),
    }
}

#[cfg(test)]
mod tests;
