//! What the attributes say about functions that cannot be operators.

use quote::quote;

use super::{Kind, attribute};
use crate::errors::messages;

#[track_caller]
fn says(kind: Kind, function: proc_macro2::TokenStream, wanted: &[&str]) {
    assert_eq!(messages(attribute(kind, quote!(), function)), wanted);
}

#[test]
fn a_signature_that_no_record_fits_is_refused() {
    says(
        Kind::Map,
        quote!(
            async unsafe fn clean<T>() {}
        ),
        &[
            "this function gives nothing: add a return type, as in `#[map] fn clean(trade: TradeView<'_>) -> TradeView<'_>`",
            "`#[map]` never waits: remove `async`",
            "`#[map]` is called by safe code: remove `unsafe`",
            "`#[map]` needs one record type: write the function for that type, or implement `Operator` for a type of yours",
            "the function takes the view of a record and, if it wants it, the record's time (`at: Timestamp`), as in `#[map] fn clean(trade: TradeView<'_>) -> TradeView<'_>`",
        ],
    );
    says(
        Kind::Filter,
        quote!(
            fn traded(trade: TradeView<'_>, when: u64, more: u8) -> bool {}
        ),
        &[
            "the parameter behind the record is its time: `at: Timestamp`; what is opened once and borrowed by every call comes before the record, by reference: `weather: &Weather`",
            "one parameter too many: the function takes the view of a record and, if it wants it, the record's time (`at: Timestamp`)",
        ],
    );
    says(
        Kind::Map,
        quote!(
            fn enriched(weather: &Weather, flight: FlightView<'_>, when: u64) -> u64 {}
        ),
        &["the parameter behind the record is its time: `at: Timestamp`"],
    );
    says(
        Kind::Key,
        quote!(
            fn symbol(trade: TradeView<'_>, at: Timestamp) -> u64 {}
        ),
        &["one parameter too many: the function takes the view of a record"],
    );
    says(
        Kind::Key,
        quote!(
            fn symbol(&self) -> u64 {}
        ),
        &["`#[key]` stands on a free function: remove `self`, or implement `KeyFn` for the type"],
    );
    says(
        Kind::Map,
        quote!(
            struct Clean;
        ),
        &["`#[map]` stands on a free function"],
    );
}

#[test]
fn each_attribute_has_its_return_types() {
    says(
        Kind::Filter,
        quote!(
            fn f(x: u64) -> u64 {}
        ),
        &["a filter says whether the record stays: return `bool` or `Result<bool, E>`"],
    );
    says(
        Kind::FilterMap,
        quote!(
            fn f(x: u64) -> Result<u64, E> {}
        ),
        &["a filter map gives a record or nothing: return `Option<T>` or `Result<Option<T>, E>`"],
    );
    says(
        Kind::FlatMap,
        quote!(
            fn f(x: u64) -> Words {}
        ),
        &[
            "the records it gives cannot be told from this type: return `impl Iterator<Item = T>`, `Vec<T>`, `Option<T>`, `[T; N]`, or a `Result` of these",
        ],
    );
    says(
        Kind::Key,
        quote!(
            fn f(x: u64) -> f64 {}
        ),
        &["`f64` cannot be a key, since NaN is not equal to itself: round it to an integer, or return its `to_bits()`"],
    );
    says(
        Kind::Key,
        quote!(
            fn f(x: u64) -> Result<u64, E> {}
        ),
        &["a key function cannot fail: reject the record before it, with `#[filter_map]` or `#[filter]`"],
    );
    says(
        Kind::Map,
        quote!(
            fn f(x: u64) -> io::Result<u64> {}
        ),
        &["write both types of the result, as in `Result<Trade, ParseError>`"],
    );
}

#[test]
fn unknown_options_are_refused() {
    let emitted = attribute(
        Kind::Map,
        quote!(name = "x"),
        quote!(
            fn f(x: u64) -> u64 {
                x
            }
        ),
    );
    assert_eq!(messages(emitted), ["`#[map]` has one option: `#[map(crate = path)]`"]);
}

#[test]
fn a_correct_function_has_nothing_to_say() {
    for (kind, function) in [
        (
            Kind::Map,
            quote!(
                fn f<'a>(x: View<'a>) -> Result<&'a str, E> {}
            ),
        ),
        (
            Kind::Filter,
            quote!(
                fn f(x: u64, at: time::Timestamp) -> Result<bool, E> {}
            ),
        ),
        (
            Kind::FlatMap,
            quote!(
                fn f(x: &str) -> Box<dyn Iterator<Item = &str> + '_> {}
            ),
        ),
        (
            Kind::FlatMap,
            quote!(
                fn f(x: &str) -> Result<[&str; 2], E> {}
            ),
        ),
        (
            Kind::FilterMap,
            quote!(
                fn f(x: &str) -> Option<&str> {}
            ),
        ),
        (
            Kind::Key,
            quote!(
                fn f(x: &str) -> (u64, &str) {}
            ),
        ),
    ] {
        says(kind, function, &[]);
    }
}
