//! Reads an annotated function.

use syn::{
    AngleBracketedGenericArguments, FnArg, GenericArgument, ItemFn, PathArguments, ReturnType, Type, TypeParamBound,
};

use super::model::{Kind, Operator, Resource};
use crate::{
    errors::Errors,
    paths::Paths,
    types::{self, Given},
};

/// Reads a function. What is wrong with its return type goes to `errors`.
pub(crate) fn operator(kind: Kind, paths: Paths, function: ItemFn, errors: &mut Errors) -> Operator {
    let types: Vec<_> = function
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(&*input.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let resource = resource(kind, &types);
    let own = if resource.is_some() { &types[1..] } else { &types[..] };
    let (output, error) = match &function.sig.output {
        ReturnType::Type(_, ty) => output(kind, ty, errors),
        ReturnType::Default => {
            let what = if kind == Kind::Filter { "`-> bool`" } else { "a return type" };
            errors.on(
                &function.sig.ident,
                format!("this function gives nothing: add {what}, as in `{}`", kind.example()),
            );
            (None, None)
        }
    };
    Operator {
        kind,
        paths,
        docs: function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect(),
        input: own.first().map(|ty| (*ty).clone()),
        timed: own.len() > 1,
        resource,
        output,
        error,
        function,
    }
}

/// What the first parameter stands for if it is not the record: a reference with another parameter behind it that is not the record's time.
fn resource(kind: Kind, types: &[&Type]) -> Option<Resource> {
    let [Type::Reference(reference), second, ..] = types else { return None };
    (kind != Kind::Key && !types::is(second, "Timestamp")).then(|| Resource { ty: types::at_static(&reference.elem) })
}

/// What the function gives for a record, and its error type.
fn output(kind: Kind, ty: &Type, errors: &mut Errors) -> (Option<Given>, Option<Type>) {
    let (value, error) = match types::arguments(ty, "Result").as_deref() {
        None => (ty, None),
        Some(_) if kind == Kind::Key => {
            errors
                .on(ty, "a key function cannot fail: reject the record before it, with `#[filter_map]` or `#[filter]`");
            return (None, None);
        }
        Some([value, error]) => (*value, Some((*error).clone())),
        Some(_) => {
            errors.on(ty, "write both types of the result, as in `Result<Trade, ParseError>`");
            return (None, None);
        }
    };
    let output = match kind {
        Kind::Map => Some(Given::new(value)),
        Kind::Filter if types::is(value, "bool") => Some(Given::new(value)),
        Kind::Filter => {
            errors.on(value, "a filter says whether the record stays: return `bool` or `Result<bool, E>`");
            None
        }
        Kind::FilterMap => match types::arguments(value, "Option").as_deref() {
            Some([item]) => Some(Given::new(item)),
            _ => {
                errors.on(value, "a filter map gives a record or nothing: return `Option<T>` or `Result<Option<T>, E>`");
                None
            }
        },
        Kind::FlatMap => item(value).map(Given::new).or_else(|| {
            errors.on(
                value,
                "the records it gives cannot be told from this type: return `impl Iterator<Item = T>`, `Vec<T>`, `Option<T>`, `[T; N]`, or a `Result` of these",
            );
            None
        }),
        Kind::Key => {
            if let Some(float) = ["f32", "f64"].into_iter().find(|float| types::is(value, float)) {
                errors.on(
                    value,
                    format!("`{float}` cannot be a key, since NaN is not equal to itself: round it to an integer, or return its `to_bits()`"),
                );
                return (None, None);
            }
            Some(Given::new(value))
        }
    };
    (output, error)
}

/// The type of the records of a collection or an iterator.
fn item(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Array(array) => Some(&array.elem),
        Type::ImplTrait(iterator) => iterator.bounds.iter().find_map(item_of_bound),
        Type::TraitObject(iterator) => iterator.bounds.iter().find_map(item_of_bound),
        Type::Paren(inner) => item(&inner.elem),
        Type::Group(inner) => item(&inner.elem),
        _ => {
            let only = |name| match types::arguments(ty, name).as_deref() {
                Some([only]) => Some(*only),
                _ => None,
            };
            only("Vec").or_else(|| only("Option")).or_else(|| only("Box").and_then(item))
        }
    }
}

fn item_of_bound(bound: &TypeParamBound) -> Option<&Type> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let PathArguments::AngleBracketed(AngleBracketedGenericArguments { args, .. }) =
        &bound.path.segments.last()?.arguments
    else {
        return None;
    };
    args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Item" => Some(&assoc.ty),
        _ => None,
    })
}
