//! What the derive says about structs that cannot be operator state.

use proc_macro2::TokenStream;
use quote::quote;

use super::derive;
use crate::errors::messages;

#[track_caller]
fn says(input: TokenStream, wanted: &[&str]) {
    assert_eq!(messages(derive(&syn::parse2(input).expect("a type"))), wanted);
}

#[test]
fn every_field_says_who_gets_it() {
    const SAY: &str = "say of each state who gets it when a job goes on: `#[state(list)]` (each element goes to one subtask), `#[state(union)]` (all go to every subtask) or `#[state(broadcast)]` (every subtask has the same)";
    says(
        quote!(
            struct Batch {
                waiting: Vec<Trade>,
                #[state(list, union)]
                both: Vec<Trade>,
                #[state(lists)]
                misspelt: Vec<Trade>,
                #[state(union)]
                last: Option<Trade>,
                #[state(broadcast)]
                rules: BTreeMap<String, f64>,
            }
        ),
        &[
            SAY,
            SAY,
            "there is no `#[state(lists)]` here; on a field these are known: `list`, `union`, `broadcast`, `name = \"..\"`",
            "a state that is a `union` is a `Vec<T>`, whose elements are shared out",
        ],
    );
}

#[test]
fn it_is_a_struct_with_named_fields_and_names() {
    const STRUCT: &str =
        "operator state is a struct with named fields: `struct Batch { #[state(list)] waiting: Vec<Trade> }`";
    for input in [
        quote!(
            struct Batch(Vec<u64>);
        ),
        quote!(
            enum Batch {
                On,
            }
        ),
        quote!(
            struct Batch;
        ),
    ] {
        says(input, &[STRUCT]);
    }
    says(
        quote!(
            #[state(name = "x")]
            struct Batch<T> {
                #[state(list)]
                waiting: Vec<T>,
                #[state(list, name = "waiting")]
                more: Vec<u64>,
                #[state(list, name = "a-b")]
                odd: Vec<u64>,
            }
        ),
        &[
            "there is no `#[state(name)]` here; on a struct of operator state this is known: `crate = path`",
            "state is found again by its schema, so its types are known: remove the parameter, and write a struct for each type",
            "two states have the name `waiting`, this one and that of `waiting`",
            "`a-b` cannot be the name of a state: use letters, digits and `_`",
        ],
    );
    says(
        quote!(
            struct Batch {}
        ),
        &["this state has no fields, so there is nothing to keep: leave the parameter for it out"],
    );
}

#[test]
fn a_correct_struct_has_nothing_to_say() {
    says(
        quote!(
            struct Batch {
                #[state(list)]
                waiting: Vec<Trade>,
                #[state(union, name = "offsets")]
                read: std::vec::Vec<(u32, u64)>,
                #[state(broadcast)]
                rules: Rules,
            }
        ),
        &[],
    );
}
