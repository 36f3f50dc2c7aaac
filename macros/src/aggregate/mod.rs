//! `#[aggregate]`: an impl block with `add`, `finish` and perhaps `merge` and `create` as an aggregate.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;

use proc_macro2::TokenStream;

use crate::{errors::Errors, options};

/// The expansion of `#[aggregate]` on `item`.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let paths = options::paths("aggregate", arguments, &mut errors);
    let block = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(_) => {
            errors.on(&item, "`#[aggregate]` stands on an `impl` block: `#[aggregate] impl Spread { fn add(..) .. }`");
            let messages = errors.finish().err().map(|error| error.to_compile_error());
            return quote::quote!(#messages #item);
        }
    };
    let model = parse::aggregate(paths, block, &mut errors);
    check::aggregate(&model, &mut errors);
    match errors.finish() {
        Ok(()) => expand::aggregate(&model),
        Err(error) => fallback::aggregate(&model, &error),
    }
}

#[cfg(test)]
mod tests;
