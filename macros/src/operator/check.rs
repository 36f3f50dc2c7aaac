//! The rules for annotated functions.

use syn::{FnArg, GenericParam};

use super::model::{Kind, Operator};
use crate::{errors::Errors, types};

/// Checks a function's signature; its return type was checked when it was read.
pub(crate) fn operator(operator: &Operator, errors: &mut Errors) {
    let (kind, signature) = (operator.kind, &operator.function.sig);
    let name = kind.name();
    if let Some(token) = &signature.asyncness {
        errors.on(token, format!("`#[{name}]` never waits: remove `async`"));
    }
    if let Some(token) = &signature.unsafety {
        errors.on(token, format!("`#[{name}]` is called by safe code: remove `unsafe`"));
    }
    for param in &signature.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            errors.on(
                param,
                format!("`#[{name}]` needs one record type: write the function for that type, or implement {} for a type of yours", instead(kind)),
            );
        }
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        errors.on(
            receiver,
            format!(
                "`#[{name}]` stands on a free function: remove `self`, or implement {} for the type",
                instead(kind)
            ),
        );
        return;
    }
    let times = if kind == Kind::Key { "" } else { " and, if it wants it, the record's time (`at: Timestamp`)" };
    let first = usize::from(operator.resource.is_some());
    let most = first + if kind == Kind::Key { 1 } else { 2 };
    if signature.inputs.is_empty() {
        errors.on(
            &signature.ident,
            format!("the function takes the view of a record{times}, as in `{}`", kind.example()),
        );
    }
    for (i, input) in signature.inputs.iter().enumerate() {
        let FnArg::Typed(input) = input else { continue };
        if i >= most {
            errors.on(input, format!("one parameter too many: the function takes the view of a record{times}"));
        } else if i == first + 1 && !types::is(&input.ty, "Timestamp") {
            let opened = if operator.resource.is_some() {
                ""
            } else {
                "; what is opened once and borrowed by every call comes before the record, by reference: `weather: &Weather`"
            };
            errors.on(&input.ty, format!("the parameter behind the record is its time: `at: Timestamp`{opened}"));
        }
    }
}

/// What does the same without the attribute.
fn instead(kind: Kind) -> &'static str {
    if kind == Kind::Key { "`KeyFn`" } else { "`Operator`" }
}
