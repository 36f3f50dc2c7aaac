//! `#[process]`: an impl block with `on_record`, or `on_left` and `on_right`, and perhaps `on_timer` and hooks, as a process function.
//!
//! The block stays, but for the types of its state and context, which are completed: lifetimes, the key, and the parameter for what takes the records that are put out.
//! Beside it stands an impl of `KeyedProcessFunction` or `ProcessFunction` that calls into it; `on_left` and `on_right` are `on_record` of `Either`. A block whose `on_left`
//! works for a key and whose `on_right` does not is a `KeyedBroadcastProcessFunction` (`broadcast.rs`).

mod broadcast;
mod check;
mod expand;
mod fallback;
mod model;
mod parse;

use proc_macro2::TokenStream;

use crate::{errors::Errors, options};

/// The expansion of `#[process]` on `item`.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let paths = options::paths("process", arguments, &mut errors);
    let block = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(_) => {
            errors.on(
                &item,
                "`#[process]` stands on an `impl` block: `#[process] impl Alerts { fn on_record(..) { .. } }`",
            );
            let messages = errors.finish().err().map(|error| error.to_compile_error());
            return quote::quote!(#messages #item);
        }
    };
    let model = parse::process(paths, block, &mut errors);
    check::process(&model, &mut errors);
    match errors.finish() {
        Ok(()) => expand::process(&model),
        Err(error) => fallback::process(&model, &error),
    }
}

#[cfg(test)]
mod tests;
