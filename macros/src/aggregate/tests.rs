//! What `#[aggregate]` says about blocks that are no aggregates.

use proc_macro2::TokenStream;
use quote::quote;

use super::attribute;
use crate::errors::messages;

#[track_caller]
fn says(block: TokenStream, wanted: &[&str]) {
    assert_eq!(messages(attribute(quote!(), block)), wanted);
}

#[test]
fn what_is_missing_is_named_with_its_signature() {
    says(
        quote!(
            impl Spread {}
        ),
        &[
            "an aggregate needs `add`: `fn add(acc: &mut State, record: TradeView<'_>)`",
            "an aggregate needs `finish`: `fn finish(acc: &State) -> Out`",
        ],
    );
    says(
        quote!(
            struct Spread;
        ),
        &["`#[aggregate]` stands on an `impl` block: `#[aggregate] impl Spread { fn add(..) .. }`"],
    );
}

#[test]
fn a_wrong_signature_is_answered_with_the_right_one() {
    says(
        quote!(
            impl Aggregate for Spread {
                fn add(acc: &Range, trade: TradeView<'_>) {}
                fn merge(&mut self, acc: &mut Range, other: RangeView<'_>) {}
                fn finish(acc: &Range) {}
                fn create(seed: u64) -> Range {}
                async fn helper() {}
            }
        ),
        &[
            "`add` has another signature: `fn add(acc: &mut State, record: TradeView<'_>)`, with `&self` before it if you need it",
            "an aggregate is shared by all keys and keeps nothing itself: take `&self`",
            "`finish` has another signature: `fn finish(acc: &State) -> Out`, with `&self` before it if you need it",
            "`create` has another signature: `fn create() -> State`, with `&self` before it if you need it",
            "`#[aggregate]` implements the trait: put it on `impl Spread { .. }` without one",
        ],
    );
}

#[test]
fn the_functions_share_one_state() {
    says(
        quote!(
            impl Spread {
                fn add(acc: &mut Range, trade: TradeView<'_>, at: u64) {}
                fn merge(acc: &mut Other, other: OtherView<'_>) {}
                async fn finish(acc: &Range) -> &str {}
            }
        ),
        &[
            "the last parameter is the record's time: `at: Timestamp`",
            "an aggregate never waits: remove `async`",
            "`add` has another state type: the functions of an aggregate share one",
            "the result of an aggregate is an owned record: return `String` rather than `&str`",
        ],
    );
}

#[test]
fn a_correct_block_has_nothing_to_say() {
    says(
        quote!(
            impl<T: Record> Spread<T> {
                fn add(&self, acc: &mut Range, trade: TradeView<'_>, at: Timestamp) {}
                fn finish(acc: &Range) -> f64 {}
                fn create(&self) -> Range {}
            }
        ),
        &[],
    );
}
