//! Reads an annotated async function.

use syn::{FnArg, ItemFn, ReturnType, Type};

use super::model::{Function, Input, Kind, Options, Output, Taken};
use crate::{errors::Errors, types};

/// Reads a function. What is wrong with the types of its record and its answer goes to `errors`.
pub(super) fn function(kind: Kind, options: Options, item: ItemFn, errors: &mut Errors) -> Function {
    let types: Vec<_> = item
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(&*input.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let client = match types[..] {
        [Type::Reference(client), second, ..] if !types::is(second, "Timestamp") => {
            Some(types::at_static(&client.elem))
        }
        _ => None,
    };
    let client_mut = match types[..] {
        [first @ Type::Reference(reference), ..] if client.is_some() && reference.mutability.is_some() => {
            Some(first.clone())
        }
        _ => None,
    };
    let own = if client.is_some() { &types[1..] } else { &types[..] };
    let is_batch = options.batch.is_some();
    let input = own.first().and_then(|ty| if is_batch { batch_of(ty, errors) } else { Some(input(ty)) });
    let output = match &item.sig.output {
        ReturnType::Type(_, ty) if is_batch => batch_output(kind, ty, errors),
        ReturnType::Type(_, ty) => output(kind, ty, errors),
        ReturnType::Default if kind == Kind::Sink => Some(Output {
            answer: syn::parse_quote!(()),
            record: None,
            error: None,
            fails_as_a_whole: false,
            fails_one_by_one: false,
        }),
        ReturnType::Default => {
            errors.on(
                &item.sig.ident,
                format!("this function gives nothing: add a return type, as in `{}`", kind.example()),
            );
            None
        }
    };
    Function {
        kind,
        docs: item.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect(),
        timed: own.len() > 1,
        client,
        client_mut,
        input,
        output,
        options,
        item,
    }
}

fn input(ty: &Type) -> Input {
    match ty {
        Type::Reference(reference) if !is_view(&reference.elem) => {
            Input { ty: (*reference.elem).clone(), taken: Taken::Borrowed }
        }
        _ if types::borrows(ty) => Input { ty: ty.clone(), taken: Taken::View },
        _ => Input { ty: ty.clone(), taken: Taken::Owned },
    }
}

/// True if a reference to the type is the view of a record: of a text, or of a list.
fn is_view(ty: &Type) -> bool {
    types::is(ty, "str") || matches!(ty, Type::Slice(_))
}

fn batch_of(ty: &Type, errors: &mut Errors) -> Option<Input> {
    match types::arguments(ty, "Vec").as_deref() {
        Some([record]) if !types::borrows(record) => Some(Input { ty: (*record).clone(), taken: Taken::Owned }),
        _ => {
            errors.on(ty, "with `max_batch` a call is for several records: take them as `Vec<Trade>`");
            None
        }
    }
}

/// What a call for one record gives.
fn output(kind: Kind, ty: &Type, errors: &mut Errors) -> Option<Output> {
    let (answer, error) = result(ty, errors)?;
    let record = record(kind, answer, errors)?;
    Some(Output {
        answer: answer.clone(),
        record,
        error: error.cloned(),
        fails_as_a_whole: false,
        fails_one_by_one: false,
    })
}

/// What a call for a batch gives.
fn batch_output(kind: Kind, ty: &Type, errors: &mut Errors) -> Option<Output> {
    let (answers, whole) = result(ty, errors)?;
    if kind == Kind::Sink && is_unit(answers) {
        let (answer, error) = (answers.clone(), whole.cloned());
        return Some(Output {
            answer,
            record: None,
            error,
            fails_as_a_whole: whole.is_some(),
            fails_one_by_one: false,
        });
    }
    let arguments = types::arguments(answers, "Vec");
    let Some([each]) = arguments.as_deref() else {
        errors.on(
            answers,
            match kind {
                Kind::Sink => "a call that writes a batch returns nothing, `Result<(), E>`, or, for each record in their order, `Vec<Result<(), E>>`",
                _ => "with `max_batch` a call gives something for each record, in their order: return `Vec<T>`, `Result<Vec<T>, E>` or `Vec<Result<T, E>>`",
            },
        );
        return None;
    };
    let (answer, one) = result(each, errors)?;
    if let (Some(_), Some(one)) = (whole, one) {
        errors.on(
            one,
            "either the whole call fails or single records do: return `Result<Vec<T>, E>` or `Vec<Result<T, E>>`",
        );
        return None;
    }
    let record = record(kind, answer, errors)?;
    Some(Output {
        answer: answer.clone(),
        record,
        error: whole.or(one).cloned(),
        fails_as_a_whole: whole.is_some(),
        fails_one_by_one: one.is_some(),
    })
}

/// The two sides of a result, if it is one.
fn result<'t>(ty: &'t Type, errors: &mut Errors) -> Option<(&'t Type, Option<&'t Type>)> {
    match types::arguments(ty, "Result").as_deref() {
        None => Some((ty, None)),
        Some([value, error]) => Some((*value, Some(*error))),
        Some(_) => {
            errors.on(ty, "write both types of the result, as in `Result<Trade, DeskError>`");
            None
        }
    }
}

/// The record that is put out for an answer; none of a filter.
fn record(kind: Kind, answer: &Type, errors: &mut Errors) -> Option<Option<Type>> {
    let owned = |ty: &Type, errors: &mut Errors| {
        if types::borrows(ty) {
            errors.on(
                ty,
                "what an async function gives is put out after the call, when the record is no longer there to borrow from: return an owned record, `Trade` rather than `TradeView<'_>`, `String` rather than `&str`",
            );
        }
        Some(Some(ty.clone()))
    };
    match kind.plain() {
        Kind::Sink if is_unit(answer) => Some(None),
        Kind::Sink => {
            errors.on(answer, "a sink writes, and gives nothing: return nothing or `Result<(), E>`; for a function that gives records there is `#[async_map]`");
            None
        }
        Kind::Map => owned(answer, errors),
        Kind::Filter if types::is(answer, "bool") => Some(None),
        Kind::Filter => {
            errors.on(answer, "a filter says whether the record stays: return `bool` or `Result<bool, E>`");
            None
        }
        _ => {
            let item = match answer {
                Type::Array(array) => Some(&*array.elem),
                _ => ["Vec", "Option"].into_iter().find_map(|name| match types::arguments(answer, name).as_deref() {
                    Some([only]) => Some(*only),
                    _ => None,
                }),
            };
            match item {
                Some(item) => owned(item, errors),
                None => {
                    errors.on(
                        answer,
                        "the records it gives cannot be told from this type: return `Vec<T>`, `Option<T>`, `[T; N]`, or a `Result` of these",
                    );
                    None
                }
            }
        }
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}
