//! `#[map]`, `#[filter]`, `#[flat_map]`, `#[filter_map]` and `#[key]`: functions as operators.
//!
//! A function becomes two items of its name. The *type*, which has the impl and, as `call`, the function's body; and a
//! *function* without arguments that gives its value, which is what `.then(clean)` names. A unit struct would be both in
//! one, but then no variable in its scope could have that name: `let industry = ..` would be an error beside
//! `#[key] fn industry`.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;

use proc_macro2::{TokenStream, TokenTree};

pub(crate) use model::Kind;

use crate::{asynchronous, errors::Errors, options};

/// The expansion of the attribute `kind` on `item`.
pub(crate) fn attribute(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    if let Some(kind) = blocking(kind, &arguments) {
        return asynchronous::attribute(kind, arguments, item);
    }
    let mut errors = Errors::default();
    let paths = options::paths(kind.name(), arguments, &mut errors);
    let function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            errors.on(&item, format!("`#[{}]` stands on a free function", kind.name()));
            let messages = errors.finish().err().map(|error| error.to_compile_error());
            return quote::quote!(#messages #item);
        }
    };
    let model = parse::operator(kind, paths, function, &mut errors);
    check::operator(&model, &mut errors);
    match errors.finish() {
        Ok(()) => expand::operator(&model),
        Err(error) => fallback::operator(&model, &error),
    }
}

/// The attribute that `#[map(blocking, ..)]` stands for, if it says so.
fn blocking(kind: Kind, arguments: &TokenStream) -> Option<asynchronous::Kind> {
    let blocks =
        arguments.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "blocking"));
    match kind {
        Kind::Map if blocks => Some(asynchronous::Kind::BlockingMap),
        Kind::Filter if blocks => Some(asynchronous::Kind::BlockingFilter),
        Kind::FlatMap if blocks => Some(asynchronous::Kind::BlockingFlatMap),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
