//! What the derive says about structs that cannot be state.

use proc_macro2::TokenStream;
use quote::quote;

use super::derive;
use crate::errors::messages;

#[track_caller]
fn says(input: TokenStream, wanted: &[&str]) {
    assert_eq!(messages(derive(&syn::parse2(input).expect("a type"))), wanted);
}

#[test]
fn only_a_struct_with_named_fields_is_state() {
    let message = "state is a struct with named fields: `struct Session { count: u64, pages: MapState<String, u64> }`";
    for input in [
        quote!(
            struct Session(u64);
        ),
        quote!(
            struct Session;
        ),
        quote!(
            enum Session {
                On { count: u64 },
            }
        ),
    ] {
        says(input, &[message]);
    }
    says(
        quote!(
            struct Session {}
        ),
        &["this state has no fields, so there is nothing to keep: leave the parameter for it out"],
    );
    says(
        quote!(
            struct Session<T> {
                last: Option<T>,
            }
        ),
        &[
            "state is found again by its schema, so its types are known: remove the parameter, and write a struct for each type",
        ],
    );
}

#[test]
fn every_state_has_a_name_of_its_own() {
    says(
        quote!(
            struct Session {
                pages: MapState<String, u64>,
                #[state(name = "pages")]
                log: state::ListState<String>,
                #[state(name = "plain-fields")]
                best: ValueState<u64>,
                #[state(name = "number")]
                count: u64,
            }
        ),
        &[
            "plain fields are one state together, and only a state has a name: rename the field by `#[record(rename = \"..\")]`, or make it a `ValueState` of its own",
            "two states have the name `pages`, this one and that of `pages`: give one another, as `#[state(name = \"log\")]`",
            "`plain-fields` cannot be the name of a state: use letters, digits and `_`",
        ],
    );
}

#[test]
fn attributes_are_known_ones() {
    says(
        quote!(
            #[state(key)]
            struct Session {
                #[state(list)]
                #[record(rename = "n")]
                pages: ListState<String>,
            }
        ),
        &[
            "there is no `#[state(key)]` here; on a struct of state these are known: `crate = path`, `ttl = \"..\"`, `update = \"..\"`, `visibility = \"..\"`",
            "there is no `#[state(list)]` here; on a field of state these are known: `name = \"..\"`, `ttl = \"..\"`, `update = \"..\"`, `visibility = \"..\"`",
            "`#[record(..)]` is for plain fields, and this one is a state of its own",
        ],
    );
}

#[test]
fn what_is_kept_is_a_record() {
    says(
        quote!(
            struct Session {
                last: &'static str,
                count: usize,
                #[record(skip)]
                seen: u64,
                #[record(rename = "count")]
                twice: u64,
            }
        ),
        &[
            "two fields are called `count` in the schema: rename one",
            "a record owns its data: use `String` instead of `&str`",
            "the width of `usize` differs between machines: use `u64`",
            "a field that is not stored would be lost when the job goes on from a checkpoint: keep it in the function, outside of the state",
        ],
    );
}

#[test]
fn a_time_to_live_is_a_duration_with_words_that_are_known() {
    says(
        quote!(
            #[state(ttl = "soon", update = "always", visibility = "never")]
            struct Session {
                count: u64,
                #[state(ttl = "1h")]
                best: u64,
                pages: ListState<String>,
                #[state(ttl = "none")]
                log: ListState<String>,
                #[state(ttl = "none", ttl = "1h")]
                last: ValueState<u64>,
                #[state(update = "read")]
                first: ValueState<u64>,
            }
        ),
        &[
            "a time to live is a whole number with a unit (ms, s, min, h, d), from `1ms` to `36500d`; or `none`",
            "what is used lives on: `update = \"write\"` (making and writing, the default) or `update = \"read\"` (reading, too)",
            "what is read: `visibility = \"live\"` (never what has expired, the default) or `visibility = \"expired\"` (that, too, until it is removed)",
            "plain fields are one state together, and live as long as that: put `#[state(ttl = \"..\")]` on the struct, or make this a `ValueState` of its own",
            "`ttl` is said twice: remove one",
            "this says how a time to live is gone about, and there is none: add `ttl = \"1h\"`",
            "the elements of a list have no time to live: keep them in a `MapState` by a number of their own, or take `pages` out by `#[state(ttl = \"none\")]`",
        ],
    );
}

#[test]
fn a_correct_struct_has_nothing_to_say() {
    says(
        quote!(
            struct Session {
                count: u64,
                #[state(name = "visits")]
                pages: MapState<String, u64>,
            }
        ),
        &[],
    );
}
