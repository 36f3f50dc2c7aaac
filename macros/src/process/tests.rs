//! What `#[process]` says about blocks that are no process functions.

use proc_macro2::TokenStream;
use quote::quote;

use super::attribute;
use crate::errors::messages;

#[track_caller]
fn says(block: TokenStream, wanted: &[&str]) {
    assert_eq!(messages(attribute(quote!(), block)), wanted);
}

const ON_RECORD: &str =
    "fn on_record(&mut self, trade: TradeView<'_>, state: &mut StateOf<Session>, cx: &mut KeyedContext<'_, Key, Out>)";

#[test]
fn what_is_missing_is_named_with_its_signature() {
    says(
        quote!(
            impl Alerts {}
        ),
        &[&format!("a process function needs `on_record`: `{ON_RECORD}`")],
    );
    says(
        quote!(
            struct Alerts;
        ),
        &["`#[process]` stands on an `impl` block: `#[process] impl Alerts { fn on_record(..) { .. } }`"],
    );
}

#[test]
fn a_wrong_signature_is_answered_with_the_right_one() {
    says(
        quote!(
            impl ProcessFunction for Alerts {
                fn on_record(self) {}
                fn on_timer<T>(&mut self, timer: Timer, cx: &mut KeyedContext<'_, String, Alert>) {}
                async fn close(&mut self) {}
                fn on_event(&mut self) {}
            }
        ),
        &[
            "a process function is called again and again: take `&mut self`",
            &format!("`on_record` has another signature: `{ON_RECORD}`"),
            "`#[process]` adds the parameter for what takes the records that are put out; others belong to the `impl` block",
            "a process function never waits: remove `async`",
            "a process function has no `on_event`: it has `on_record`, `on_left`, `on_right`, `on_timer`, `on_end`, `open`, `close`, `on_snapshot`, `on_complete`, `on_abort`; put others into an `impl` block of their own",
            "`#[process]` implements the trait: put it on `impl Alerts { .. }` without one",
        ],
    );
}

#[test]
fn contexts_and_states_have_their_types() {
    const WANTED: &str = "the last parameter is `cx: &mut KeyedContext<'_, Key, Out>`, or without timers and state per key `cx: &mut Context<'_, Out>`";
    for (types, message) in [
        (quote!(cx: KeyedContext<'_, String, Alert>), WANTED),
        (quote!(cx: &mut Session), WANTED),
        (
            quote!(cx: &mut KeyedContext<'_, String, Alert, Late, Early>),
            "write the stream's key and what is put out: `&mut KeyedContext<'_, Key, Out>`",
        ),
        (quote!(cx: &mut Context<'_, Alert, LateTag<'_>>), "a side output is named by its type, which borrows nothing"),
        (
            quote!(cx: &mut KeyedContext<'_, Alert>),
            "write the stream's key and what is put out: `&mut KeyedContext<'_, Key, Out>`",
        ),
        (
            quote!(cx: &mut Context<'_, String, Alert, Late>),
            "write what is put out: `&mut Context<'_, Out>`; with a key it is `&mut KeyedContext<'_, Key, Out>`",
        ),
        (quote!(cx: &mut KeyedContext<'_, &str, Alert>), "the type of a key is owned: `String` rather than `&str`"),
        (
            quote!(cx: &mut Context<'_, AlertView<'_>>),
            "what is put out is named by its record, `Alert` rather than `AlertView<'_>`",
        ),
        (
            quote!(state: &mut Session, cx: &mut KeyedContext<'_, String, Alert>),
            "the state of a key comes as `&mut StateOf<Session>`",
        ),
        (
            quote!(state: &mut StateOf, cx: &mut KeyedContext<'_, String, Alert>),
            "write the struct that derives `State`: `&mut StateOf<Session>`",
        ),
        (
            quote!(state: StateOf<Session>, cx: &mut KeyedContext<'_, String, Alert>),
            "state comes by reference: `state: &mut StateOf<Session>`",
        ),
        (
            quote!(state: &mut StateOf<Session>, cx: &mut Context<'_, Alert>),
            "state for each key needs a key: take `cx: &mut KeyedContext<'_, Key, Out>`; the state of a subtask comes as it is, `state: &mut Batch`",
        ),
    ] {
        says(quote!(impl Alerts { fn on_record(&mut self, trade: TradeView<'_>, #types) {} }), &[message]);
    }
}

#[test]
fn the_functions_share_context_and_state() {
    says(
        quote!(
            impl Alerts {
                fn on_record(
                    &mut self,
                    trade: TradeView<'_>,
                    state: &mut StateOf<Session>,
                    cx: &mut KeyedContext<'_, String, Alert>,
                ) -> Option<Alert> {
                }
                fn on_timer(&mut self, at: u64, state: &mut StateOf<Other>, cx: &mut KeyedContext<'_, u64, Alert>) {}
                fn on_end(&mut self, cx: &mut KeyedContext<'_, String, Alert>) {}
                fn open(&mut self, state: &mut Session, cx: &OpenContext<'_>) {}
            }
        ),
        &[
            "`on_record` puts records out by `cx.emit(..)`: it returns nothing, or `Result<(), E>`",
            "the first parameter of `on_timer` is the timer that has fired: `timer: Timer`",
            "the functions of a block share one context, and another has a different one",
            "the functions of a block share one state, and another has a different one",
            "`on_end` is for functions without key: at the end of the input all timers of event time fire, each for its key",
            "`open` is not called for a key, so there is no state: `fn open(&mut self, cx: &OpenContext<'_>)`",
        ],
    );
    says(
        quote!(
            impl Alerts {
                fn on_record(&mut self, trade: TradeView<'_>, cx: &mut Context<'_, Alert>) {}
                fn on_timer(&mut self, timer: Timer, cx: &mut Context<'_, Alert>) {}
            }
        ),
        &["timers belong to a key: take `cx: &mut KeyedContext<'_, Key, Out>`"],
    );
}

#[test]
fn a_correct_block_has_nothing_to_say() {
    says(
        quote!(
            impl<T: Record> Alerts<T> {
                const MANY: u64 = 3;
                fn open(&mut self, cx: &OpenContext<'_>) -> io::Result<()> {}
                fn on_record(
                    &mut self,
                    trade: TradeView<'_>,
                    state: &mut process::StateOf<'_, Session>,
                    cx: &mut process::KeyedContext<'_, String, Alert>,
                ) -> Result<(), E> {
                }
                fn on_timer(timer: Timer, cx: &mut KeyedContext<String, Alert>) {}
                fn on_snapshot(&self, checkpoint: u64) {}
                fn close(&mut self) {}
            }
        ),
        &[],
    );
    says(
        quote!(
            impl Batches {
                fn open(&mut self, state: &mut Batch, cx: &OpenContext<'_>) {}
                fn on_record(&self, trade: TradeView<'_>, state: &mut Batch, cx: &mut Context<'_, Trade>) {}
                fn on_end(&mut self, state: &mut Batch, cx: &mut Context<'_, Trade>) {}
                fn on_snapshot(&mut self, state: &mut Batch, checkpoint: u64) {}
            }
        ),
        &[],
    );
}

#[test]
fn a_function_on_two_streams_has_two_functions_that_take_records() {
    let right = "fn on_right(&mut self, payment: PaymentView<'_>, state: &mut StateOf<Open>, cx: &mut KeyedContext<'_, Key, Out>)";
    says(
        quote!(
            impl Pay {
                fn on_left(&mut self, order: OrderView<'_>, cx: &mut KeyedContext<'_, u64, Paid>) {}
            }
        ),
        &[&format!("a function on two streams needs `on_right`, too: `{right}`")],
    );
    says(
        quote!(
            impl Pay {
                fn on_left(&mut self, order: OrderView<'_>, cx: &mut KeyedContext<'_, u64, Paid>) {}
                fn on_right(&mut self, payment: PaymentView<'_>, cx: &mut KeyedContext<'_, u64, Paid>) {}
                fn on_record(&mut self, payment: PaymentView<'_>, cx: &mut KeyedContext<'_, u64, Paid>) {}
            }
        ),
        &["a function on one stream has `on_record`, one on two streams `on_left` and `on_right`"],
    );
    says(
        quote!(
            impl Pay {
                fn on_left(&mut self, order: OrderView<'_>, cx: &mut Context<'_, Paid>) -> Result<(), Early> {}
                fn on_right(&mut self, payment: PaymentView<'_>, cx: &mut Context<'_, Paid>) -> Result<(), Late> {}
            }
        ),
        &["`on_left` and `on_right` reject records for one type of reasons, and the other has a different one"],
    );
    says(
        quote!(
            impl Pay {
                fn open(&mut self, paid: &mut Batch, cx: &OpenContext<'_>) {}
                fn on_left(&mut self, order: OrderView<'_>, paid: &mut Batch, cx: &mut Context<'_, Paid>) {}
                fn on_right(&mut self, payment: PaymentView<'_>, cx: &mut Context<'_, Paid>) {}
                fn on_end(&mut self, paid: &mut Batch, cx: &mut Context<'_, Paid>) {}
            }
        ),
        &[],
    );
}

#[test]
fn broadcast_state_is_written_on_the_right_and_read_elsewhere() {
    let block = |left: TokenStream, right: TokenStream| {
        quote!(
            impl Judge {
                fn on_left(&mut self, payment: PaymentView<'_>, #left) {}
                fn on_right(&mut self, rule: RuleView<'_>, #right) {}
            }
        )
    };
    let (left, right) = (quote!(cx: &mut KeyedContext<'_, u64, Fraud>), quote!(cx: &mut Context<'_, Fraud>));
    const ON_LEFT: &str = "fn on_left(&mut self, payment: PaymentView<'_>, state: &mut StateOf<Card>, rules: &Rules, cx: &mut KeyedContext<'_, Key, Out>)";
    const READS: &str = "`on_left` reads the broadcast state, and only `on_right` writes it, as only what every subtask gets may change what all have: take `&Rules`";
    says(block(quote!(rules: &mut Rules, #left), quote!(rules: &mut Rules, #right)), &[READS]);
    says(block(quote!(card: &mut StateOf<Card>, rules: &mut Rules, #left), right.clone()), &[READS]);
    says(block(quote!(rules: Rules, #left), right.clone()), &["broadcast state comes by reference: `rules: &Rules`"]);
    says(
        block(left.clone(), quote!(rules: Rules, #right)),
        &["broadcast state comes by reference: `rules: &mut Rules`"],
    );
    says(
        block(quote!(rules: &Rules, card: &mut StateOf<Card>, #left), right.clone()),
        &[&format!("the state of the key comes first, and then the broadcast state: `{ON_LEFT}`")],
    );
    says(
        block(left.clone(), quote!(card: &mut StateOf<Card>, #right)),
        &[
            "`on_right` works for no key, so there is no state of one; it writes what all subtasks remember: `rules: &mut Rules`",
        ],
    );
    says(
        block(quote!(a: &Rules, b: &Rules, c: &Rules, #left), right.clone()),
        &[&format!("`on_left` has another signature: `{ON_LEFT}`")],
    );
    const NO_KEY: &str =
        "`on_right` takes what every subtask gets, which belongs to no key: take `cx: &mut Context<'_, Out>`";
    for reads in [quote!(rules: &Rules, #left), quote!(card: &mut StateOf<Card>, rules: &Rules, #left)] {
        says(block(reads, quote!(rules: &mut Rules, #left)), &[NO_KEY]);
    }
}

#[test]
fn the_functions_with_broadcast_state_share_it_and_what_they_put_out() {
    says(
        quote!(
            impl Judge {
                fn open(&mut self, rules: &mut Others, cx: &OpenContext<'_>) {}
                fn on_left(&mut self, payment: PaymentView<'_>, rules: &Rules, cx: &mut KeyedContext<'_, u64, Fraud, Late>) {}
                fn on_right(&mut self, rule: RuleView<'_>, rules: &mut Rules, cx: &mut Context<'_, Fraud>) {}
                fn on_timer(&mut self, timer: Timer, cx: &mut Context<'_, Fraud>) {}
                fn on_snapshot(&mut self, rules: &mut Rules, checkpoint: u64) {}
            }
        ),
        &["timers belong to a key: take `cx: &mut KeyedContext<'_, Key, Out>`"],
    );
    says(
        quote!(
            impl Judge {
                fn open(&mut self, rules: &mut Others, cx: &OpenContext<'_>) {}
                fn on_right(&mut self, rule: RuleView<'_>, rules: &mut Rules, cx: &mut Context<'_, Fraud>) {}
                fn on_left(&mut self, payment: PaymentView<'_>, rules: &Rules, cx: &mut KeyedContext<'_, u64, Fraud, Late>) {}
                fn on_snapshot(&mut self, rules: &mut Rules, checkpoint: u64) {}
            }
        ),
        &[
            "the functions of a block share one broadcast state, and another has a different one",
            "`on_left` and `on_right` put out the same: `cx: &mut KeyedContext<'_, Key, Out>` and `cx: &mut Context<'_, Out>`, with the same side outputs",
            "`on_snapshot` is not called for a key, so there is no state: `fn on_snapshot(&mut self, checkpoint: u64)`",
        ],
    );
    says(
        quote!(
            impl Judge {
                fn on_left(&mut self, rule: RuleView<'_>, rules: &mut Rules, cx: &mut Context<'_, Fraud>) {}
                fn on_right(&mut self, payment: PaymentView<'_>, cx: &mut KeyedContext<'_, u64, Fraud>) {}
            }
        ),
        &[
            "the functions of a block share one context; where only one of two streams has a key, that is the left one: exchange `on_left` and `on_right`, and connect `keyed.connect(rules.broadcast())`",
        ],
    );
    says(
        quote!(
            impl Judge {
                fn open(&mut self, rules: &mut Rules, cx: &OpenContext<'_>) {}
                fn on_left(&mut self, payment: PaymentView<'_>, card: &mut StateOf<Card>, rules: &Rules, cx: &mut KeyedContext<'_, u64, Fraud>) -> Result<(), E> {}
                fn on_right(&mut self, rule: RuleView<'_>, rules: &mut Rules, cx: &mut Context<'_, Fraud>) {}
                fn on_timer(&mut self, timer: Timer, rules: &Rules, cx: &mut KeyedContext<'_, u64, Fraud>) {}
                fn on_snapshot(&mut self, checkpoint: u64) {}
                fn close(&mut self) {}
            }
        ),
        &[],
    );
}
