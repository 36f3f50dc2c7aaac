//! What is checked of versions at compile time.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;

use super::super::model::Record;

/// Constants whose evaluation fails if something is wrong. A type with parameters has none: its schema is known only where it is used, in a type without.
pub(super) fn checks(record: &Record) -> TokenStream {
    if record.generics.params.is_empty() { before(record).unwrap_or_default() } else { TokenStream::new() }
}

/// That the type which `from` names is an earlier version of this one.
fn before(record: &Record) -> Option<TokenStream> {
    let (version, from) = record.before()?;
    let (before, name) = (record.as_before(from), &record.name);
    let from_text = from.to_token_stream();
    let other_name = format!(
        "`{from_text}` is stored under another name, and all versions of a type have one: put `#[record(rename = \"{name}\")]` on it"
    );
    let not_lower = format!(
        "version {version} of `{name}` is made from a lower version, and `{from_text}` has none: give this type the version after that of `{from_text}`"
    );
    Some(quote_spanned! {from.span()=>
        const _: () = #before::SCHEMA.assert_before(#name, #version, #other_name, #not_lower);
    })
}
