//! What is checked of versions at compile time.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;

use super::super::model::Record;
use crate::lock;

/// Constants whose evaluation fails if something is wrong. A type with parameters has none: its schema is known only where it is used, in a type without.
pub(super) fn checks(record: &Record) -> TokenStream {
    if !record.generics.params.is_empty() {
        return TokenStream::new();
    }
    let checks = [before(record), locked(record)];
    checks.into_iter().flatten().collect()
}

/// That the type is as it was when it was locked.
fn locked(record: &Record) -> Option<TokenStream> {
    let (name, version) = (&record.name, record.version.as_ref().map_or(1, |version| version.number));
    let locked = lock::look_up(record.ident.span(), name, version)?;
    let (core, ident, hashes) = (record.paths.core(), &record.ident, &locked.hashes);
    // Cargo builds the crate anew when the file changes.
    let path = locked.path.to_str()?;
    let next = version.checked_add(1)?;
    let before = format!("{name}V{version}");
    let of_before = if version > 1 { format!(", version = {version}, from = ..") } else { String::new() };
    let message = format!(
        "version {version} of `{name}`, or of a type inside of it, has another layout in `millstream.lock`, so state that is stored could not be read\n\
         - give it a new version: keep the old fields as `struct {before}` with `#[derive(Record)]` and `#[record(rename = \"{name}\"{of_before})]`, put \
         `#[record(version = {next}, from = {before})]` on this one, write how it is made from `{before}` by `From`, and run `cargo run -- schema lock`\n\
         - if it is a type inside of it that has changed, only that one needs a new version\n\
         - if nothing is stored of `{name}`, remove its lines from `millstream.lock`\n\
         - if it only shares the name with a type of state, give it another by `#[record(rename = \"..\")]`"
    );
    Some(quote_spanned! {ident.span()=>
        const _: () = {
            const _: &[u8] = ::core::include_bytes!(#path);
            let __hash = <#ident as #core::record::Record>::SCHEMA.lock_hash();
            ::core::assert!(#(__hash == #hashes)||*, #message);
        };
    })
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
        const _: () = {
            ::core::assert!(#before::SCHEMA.is_named(#name), #other_name);
            ::core::assert!(#before::SCHEMA.version() < #version, #not_lower);
        };
    })
}
