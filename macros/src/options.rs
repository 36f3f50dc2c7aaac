//! What stands in the parentheses of an attribute macro: `#[map(crate = path)]`.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Path, meta, parse::Parser as _};

use crate::{errors::Errors, paths::Paths};

/// Reads the arguments of the attribute `#[name(..)]`.
pub(crate) fn paths(name: &str, arguments: TokenStream, errors: &mut Errors) -> Paths {
    let mut paths = Paths::default();
    let parser = meta::parser(|meta| {
        if meta.path.is_ident("crate") {
            paths = Paths::new(meta.value()?.call(Path::parse_mod_style)?);
            Ok(())
        } else {
            Err(meta.error(format!("`#[{name}]` has one option: `#[{name}(crate = path)]`")))
        }
    });
    if let Err(error) = parser.parse2(arguments) {
        errors.push(error);
    }
    paths
}

/// Keeps what is said once.
pub(crate) fn once<T>(meta: &syn::meta::ParseNestedMeta<'_>, place: &mut Option<T>, value: T) -> syn::Result<()> {
    if place.is_some() {
        let name = meta.path.to_token_stream();
        return Err(meta.error(format!("`{name}` is said twice: remove one")));
    }
    *place = Some(value);
    Ok(())
}
