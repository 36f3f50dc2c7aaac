//! What the derive says about types that cannot be records.

use proc_macro2::TokenStream;
use quote::quote;

use super::derive;
use crate::errors::messages;

#[track_caller]
fn says(item: TokenStream, wanted: &[&str]) {
    let input = syn::parse2(item).expect("a type");
    assert_eq!(messages(derive(&input)), wanted);
}

#[test]
fn a_record_owns_its_data() {
    says(
        quote!(
            struct Trade<'a> {
                symbol: &'a str,
                sizes: Vec<&[u8]>,
                venue: Cow<'a, str>,
                #[record(skip)]
                source: &'static str,
            }
        ),
        &[
            "a record owns its data and has no lifetimes: use `String` rather than `&str`, `Vec<T>` rather than `&[T]`",
            "a record owns its data: use `String` instead of `&str`",
            "a record owns its data: use `Vec<T>` instead of `&[T]`",
            "a record owns its data and has no lifetimes: use an owned type",
        ],
    );
}

#[test]
fn widths_are_the_same_on_every_machine() {
    says(
        quote!(
            struct Sizes(usize, Vec<Option<isize>>);
        ),
        &[
            "the width of `usize` differs between machines: use `u64`",
            "the width of `isize` differs between machines: use `i64`",
        ],
    );
}

#[test]
fn some_types_are_no_records_at_all() {
    says(
        quote!(
            union Bits {
                a: u64,
            }
        ),
        &["a union cannot be a record, since nothing says which of its fields holds: use an enum"],
    );
    says(
        quote!(
            enum Never {}
        ),
        &["an enum without variants has no values, so it cannot be a record: add a variant"],
    );
    let variants = (0..257).map(|i| quote::format_ident!("V{i}"));
    says(quote!(enum Many { #(#variants),* }), &["a record has at most 256 variants: group them into nested enums"]);
}

#[test]
fn type_parameters_are_records_that_fields_have() {
    says(
        quote!(
            struct Tagged<T = u64, U> {
                tag: T,
                #[record(skip)]
                cache: Vec<U>,
            }
        ),
        &[
            "a record's type parameters have no defaults: remove it, and use a `type` alias",
            "no field of the record's bytes has this type parameter: remove it, or use it in a field that is not skipped",
        ],
    );
}

#[test]
fn unknown_attributes_are_answered_with_the_known_ones() {
    says(
        quote!(
            #[record(keyed, rename = "t", rename = "u")]
            struct Trade {
                #[record(event_tme, skip = 3)]
                at: u64,
                #[record(column(name = "x"), default)]
                x: u64,
            }
        ),
        &[
            "there is no `#[record(keyed)]` here; on a type these are known: `key`, `rename = \"..\"`, `version = N`, `from = Type`, `crate = path`",
            "`rename` is said twice: remove one",
            "there is no `#[record(event_tme)]` here; on a field these are known: `event_time`, `rename = \"..\"`, `default`, `default = view`, `skip`, `with = Adapter`",
            "expected `,`",
            "there is no `#[record(column)]` here; on a field these are known: `event_time`, `rename = \"..\"`, `default`, `default = view`, `skip`, `with = Adapter`",
        ],
    );
    says(
        quote!(
            enum Side {
                #[record(key)]
                Buy,
            }
        ),
        &["there is no `#[record(key)]` here; on a variant this is known: `rename = \"..\"`"],
    );
}

#[test]
fn attributes_of_a_field_must_make_sense_together() {
    says(
        quote!(
            struct Trade {
                #[record(event_time)]
                at: Timestamp,
                #[record(event_time)]
                seen: Timestamp,
                #[record(skip, with = A, default)]
                x: u64,
                #[record(skip, event_time)]
                y: u64,
            }
        ),
        &[
            "a record happens once: mark one field with `event_time`",
            "a record happens once: mark one field with `event_time`",
            "`skip` and `with` do not go together: it is not written, so there is nothing to adapt",
            "`skip` and `default` do not go together: it is no column, and is `Default::default()` when read back",
            "`skip` and `event_time` do not go together: an event time must be part of the record",
        ],
    );
    says(
        quote!(
            struct Trade(#[record(default)] u64);
        ),
        &["`default` is for a column that may be missing, and only named fields are columns"],
    );
    says(
        quote!(
            enum Event {
                Opened {
                    #[record(event_time, default)]
                    at: Timestamp,
                },
            }
        ),
        &[
            "every variant would need an event time: put the time into a struct around the enum, or use `.event_time_by(|record| .., ..)`",
            "`default` is for a column that may be missing, and an enum has no columns",
        ],
    );
}

#[test]
fn names_in_the_schema_are_unique() {
    says(
        quote!(
            struct Trade {
                price: f64,
                #[record(rename = "price")]
                paid: f64,
            }
        ),
        &["two fields are called `price` in the schema: rename one"],
    );
    says(
        quote!(
            enum Side {
                Buy,
                #[record(rename = "Buy")]
                Sell,
            }
        ),
        &["two variants are called `Buy` in the schema: rename one"],
    );
}

#[test]
fn floats_are_no_part_of_a_key() {
    says(
        quote!(
            #[record(key)]
            struct Cell {
                x: f64,
                #[record(with = Bits)]
                y: f64,
                #[record(skip)]
                z: f32,
            }
        ),
        &[
            "`f64` cannot be part of a key, since NaN is not equal to itself: round it to an integer, or keep its `to_bits()`",
        ],
    );
}

#[test]
fn after_an_error_the_stub_stands_in_for_everything_the_record_would_have() {
    let input = syn::parse2(quote!(
        #[record(key)]
        struct Trade<'a> {
            symbol: &'a str,
            #[record(event_time)]
            at: Timestamp,
        }
    ));
    let emitted = derive(&input.expect("a type")).to_string();
    for part in [
        "struct TradeView < 'a >",
        "record :: Record for Trade < 'static >",
        ":: Key for",
        ":: EventTime for",
        ":: Row < 't > for",
        ":: Document < 't > for",
    ] {
        assert!(emitted.contains(part), "{part} in {emitted}");
    }
    assert!(emitted.contains("symbol : & 'a str"), "the view has the type that a `String` would have there");
}

#[test]
fn versions_count_from_one_and_are_made_of_those_before() {
    let says = |item: TokenStream, wanted: &str| {
        let input = syn::parse2(item).expect("a type");
        let messages = messages(derive(&input));
        assert!(messages.len() == 1 && messages[0].contains(wanted), "{messages:?}");
    };
    says(
        quote!(
            #[record(version = 0)]
            struct Cart {
                id: u64,
            }
        ),
        "versions count from 1",
    );
    says(
        quote!(
            #[record(version = 1, from = CartV0)]
            struct Cart {
                id: u64,
            }
        ),
        "no version before the first",
    );
    says(
        quote!(
            #[record(from = CartV0)]
            struct Cart {
                id: u64,
            }
        ),
        "no version before the first",
    );
    says(
        quote!(
            #[record(version = 2)]
            struct Cart {
                id: u64,
            }
        ),
        "version 2 of a type is made from the one before",
    );
    says(
        quote!(
            #[record(version = "2")]
            struct Cart {
                id: u64,
            }
        ),
        "expected integer literal",
    );
}
