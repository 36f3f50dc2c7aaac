//! The rules for annotated async functions.

use syn::{FnArg, GenericParam};

use super::model::Function;
use crate::{errors::Errors, types};

/// Checks a function's signature; the types of its record and its answer were checked when it was read.
pub(super) fn function(function: &Function, errors: &mut Errors) {
    let (name, signature) = (function.kind.name(), &function.item.sig);
    if let Some(token) = signature.asyncness.filter(|_| function.kind.blocks()) {
        errors.on(
            token,
            format!(
                "`#[{name}]` blocks its thread while it waits: remove `async`, or use `#[async_{}]`",
                function.kind.operator()
            ),
        );
    }
    if let Some(client) = function.client_mut.as_ref().filter(|_| !function.kind.blocks()) {
        errors.on(client, "many calls are in flight at a time, and share this: take it as `&Desk`");
    }
    if signature.asyncness.is_none() && !function.kind.blocks() {
        errors.on(
            signature.fn_token,
            match name.trim_start_matches("async_") {
                "sink" => format!("`#[{name}]` waits for what it writes: add `async`"),
                plain => format!(
                    "`#[{name}]` waits for what it asks: add `async`; for a function that never waits there is `#[{plain}]`, for one that blocks its thread `#[{plain}(blocking)]`"
                ),
            },
        );
    }
    if let Some(token) = &signature.unsafety {
        errors.on(token, format!("`#[{name}]` is called by safe code: remove `unsafe`"));
    }
    for param in &signature.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            errors.on(
                param,
                format!("`#[{name}]` needs one record type: write the function for that type, or implement `AsyncFunction` for a type of yours"),
            );
        }
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        errors.on(
            receiver,
            format!(
                "`#[{name}]` stands on a free function: remove `self`; what all calls share comes first, by reference, as in `{}`",
                function.kind.example()
            ),
        );
        return;
    }
    if signature.inputs.is_empty() {
        errors.on(&signature.ident, format!("the function takes a record, as in `{}`", function.kind.example()));
    }
    let first = usize::from(function.client.is_some());
    for (i, input) in signature.inputs.iter().enumerate().skip(first + 1) {
        let FnArg::Typed(input) = input else { continue };
        if function.options.batch.is_some() || i > first + 1 {
            errors.on(input, "one parameter too many: the function takes what all calls share, by reference, and then the record, or the batch");
        } else if !types::is(&input.ty, "Timestamp") {
            errors.on(
                &input.ty,
                "the parameter behind the record is its time: `at: Timestamp`; what all calls share comes before the record, by reference: `desk: &Desk`",
            );
        }
    }
    let fails = function.output.as_ref().is_some_and(|output| output.error.is_some());
    if let Some(text) = &function.options.retry_text
        && function.output.is_some()
        && !fails
        && function.options.retry_answer_if.is_none()
        && function.options.attempt_timeout.is_none()
    {
        errors.on(
            text,
            "a call of this function never fails, so none is made again: return a `Result`, say which answers are worth a further attempt by `retry_answer_if = my_function`, or how long one may take by `attempt_timeout = \"500ms\"`",
        );
    }
    if let Some(path) = function.options.retry_if.as_ref().filter(|_| function.output.is_some() && !fails) {
        errors.on(path, "a call of this function never fails, so there is no error to look at: return a `Result`, or use `retry_answer_if`");
    }
}
