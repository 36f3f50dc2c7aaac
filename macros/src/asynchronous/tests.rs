//! What the attributes say about functions and options that cannot be.

use quote::quote;

use super::{Kind, attribute};
use crate::errors::messages;

#[track_caller]
fn says(arguments: proc_macro2::TokenStream, function: proc_macro2::TokenStream, wanted: &[&str]) {
    assert_eq!(messages(attribute(Kind::Map, arguments, function)), wanted);
}

#[test]
fn a_signature_that_no_record_fits_is_refused() {
    says(
        quote!(),
        quote!(
            unsafe fn priced<T>() {}
        ),
        &[
            "this function gives nothing: add a return type, as in `#[async_map] async fn priced(desk: &Desk, trade: Trade) -> Result<Trade, DeskError>`",
            "`#[async_map]` waits for what it asks: add `async`; for a function that never waits there is `#[map]`, for one that blocks its thread `#[map(blocking)]`",
            "`#[async_map]` is called by safe code: remove `unsafe`",
            "`#[async_map]` needs one record type: write the function for that type, or implement `AsyncFunction` for a type of yours",
            "the function takes a record, as in `#[async_map] async fn priced(desk: &Desk, trade: Trade) -> Result<Trade, DeskError>`",
        ],
    );
    says(
        quote!(),
        quote!(
            async fn priced(desk: &Desk, trade: Trade, when: u64, more: u8) -> u64 {}
        ),
        &[
            "the parameter behind the record is its time: `at: Timestamp`; what all calls share comes before the record, by reference: `desk: &Desk`",
            "one parameter too many: the function takes what all calls share, by reference, and then the record, or the batch",
        ],
    );
    says(
        quote!(),
        quote!(
            async fn priced(trade: TradeView<'_>) -> TradeView<'_> {}
        ),
        &[
            "what an async function gives is put out after the call, when the record is no longer there to borrow from: return an owned record, `Trade` rather than `TradeView<'_>`, `String` rather than `&str`",
        ],
    );
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let function = quote!(
        async fn priced(trade: Trade) -> Result<Trade, Closed> {}
    );
    let cases = [
        (
            quote!(capacity = 0),
            "a capacity of 0 lets no call begin: say how many calls may be in flight, from 1 to 1048576",
        ),
        (
            quote!(capacity = many),
            "this is a number of calls, as in `capacity = 64`; what is known only when the job is written down goes behind it: `priced(open).capacity(args.capacity)`",
        ),
        (
            quote!(order = "sorted"),
            "there is no such order: answers come in that of their records (`\"ordered\"`), as they are there (`\"unordered\"`), or one after the other for each key (`\"key\"`)",
        ),
        (
            quote!(timeout = "soon"),
            "this is no duration: a duration is a whole number with a unit (ms, s, min, h, d), as in `\"2s\"`",
        ),
        (
            quote!(retry = "often"),
            "this is no way to try again: say how often, and how long to wait, as in `\"fixed(3, 50ms)\"`, `\"exponential(3)\"` or `\"exponential(3, 100ms, 30s)\"`",
        ),
        (
            quote!(retry = "fixed(0, 50ms)"),
            "this is no way to try again: say how often, and how long to wait, as in `\"fixed(3, 50ms)\"`, `\"exponential(3)\"` or `\"exponential(3, 100ms, 30s)\"`",
        ),
        (
            quote!(retry_if = is_closed),
            "this says when a call is made again, and none is: add `retry = \"exponential(3)\"`",
        ),
        (
            quote!(fallback = unpriced),
            "a fallback is for calls that are not answered in time, and they have all the time there is: add `timeout = \"2s\"`",
        ),
        (quote!(cache_ttl = "1h"), "this says how long answers are kept, and none are: add `cache = 10_000`"),
        (
            quote!(cache = 0),
            "a cache of 0 entries keeps nothing: say how many answers are kept, or leave the cache out",
        ),
        (
            quote!(rate = 0),
            "a rate of 0 lets no call begin: say how many calls are made in a second at most, or leave the rate out",
        ),
        (
            quote!(linger = "5ms"),
            "only a batch waits for further records, and there is none: add `max_batch = 100`, or remove `linger`",
        ),
        (quote!(capacity = 1, capacity = 2), "`capacity` is said twice: remove one"),
        (
            quote!(speed = 3),
            "`#[async_map]` has no such option: there are `capacity`, `order`, `timeout`, `attempt_timeout`, `fallback`, `retry`, `retry_if`, `retry_answer_if`, `cache`, `cache_ttl`, `rate`, `max_batch`, `linger` and `crate`",
        ),
    ];
    for (arguments, wanted) in cases {
        says(arguments, function.clone(), &[wanted]);
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    says(
        quote!(retry = "exponential(3)"),
        quote!(
            async fn priced(trade: Trade) -> Trade {}
        ),
        &[
            "a call of this function never fails, so none is made again: return a `Result`, say which answers are worth a further attempt by `retry_answer_if = my_function`, or how long one may take by `attempt_timeout = \"500ms\"`",
        ],
    );
    says(
        quote!(max_batch = 10, order = "key"),
        quote!(
            async fn priced(trades: Vec<Trade>) -> Vec<Trade> {}
        ),
        &[
            "calls for one key are made one after the other, so a call is for one record: remove `max_batch`, or choose another `order`",
        ],
    );
    says(
        quote!(max_batch = 10),
        quote!(
            async fn priced(trade: Trade) -> Trade {}
        ),
        &[
            "with `max_batch` a call is for several records: take them as `Vec<Trade>`",
            "with `max_batch` a call gives something for each record, in their order: return `Vec<T>`, `Result<Vec<T>, E>` or `Vec<Result<T, E>>`",
        ],
    );
}
