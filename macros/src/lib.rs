//! The macros of Millstream, re-exported by the `millstream` crate. This file is the shell that rustc calls; each macro
//! is a module with up to four stages: *parse* (syntax to a model that keeps spans), *check* (rules across the model),
//! *expand*, and *fallback* (after an error: a stub, so that one mistake is reported once).

mod errors;
mod paths;
mod record;

use proc_macro::TokenStream;

/// Makes a struct or an enum a record: data that can flow through a job.
///
/// For `struct Trade` it also defines `TradeView<'a>`, which has the fields of `Trade` as their views (`&'a str` for a
/// `String`) and is what operators see and build.
///
/// On the type:
///
/// | attribute | meaning |
/// |---|---|
/// | `#[record(key)]` | the type may key a stream |
/// | `#[record(rename = "..")]` | its name in schemas |
/// | `#[record(crate = path)]` | where the `millstream` crate is |
///
/// On a field:
///
/// | attribute | meaning |
/// |---|---|
/// | `#[record(event_time)]` | the field, a `Timestamp`, says when the record happened |
/// | `#[record(rename = "..")]` | its name in schemas and the header of its column |
/// | `#[record(default)]`, `#[record(default = view)]` | the column may be missing: zero, empty, `None`, or the given view |
/// | `#[record(skip)]` | no part of the record's bytes: `Default::default()` when it is read back |
/// | `#[record(with = Adapter)]` | a type of another crate, by way of an `Adapter` |
///
/// A variant of an enum may be renamed too.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    record::derive(&syn::parse_macro_input!(input as syn::DeriveInput)).into()
}
