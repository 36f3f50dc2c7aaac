//! What is different in a block with broadcast state: which parameter it is, and who may write it.

use syn::{ImplItem, ItemImpl, Type, TypeReference};

use super::model::{Kind, ON_LEFT_OF_BROADCAST, ON_RIGHT_OF_BROADCAST, ON_TIMER_OF_BROADCAST};
use crate::{errors::Errors, types};

/// What a reference refers to; any other type itself.
fn referent(ty: &Type) -> &Type {
    match ty {
        Type::Reference(TypeReference { elem, .. }) => elem,
        ty => ty,
    }
}

fn is_shared(ty: &Type) -> bool {
    matches!(ty, Type::Reference(TypeReference { mutability: None, .. }))
}

/// The types of the parameters of a function besides `self`, by the function's name.
fn parameters(block: &ItemImpl, kind: Kind) -> Vec<&Type> {
    let functions = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == kind.name() => Some(function),
        _ => None,
    });
    let inputs = functions.take(1).flat_map(|function| &function.sig.inputs);
    let types = inputs.filter_map(|input| match input {
        syn::FnArg::Typed(input) => Some(&*input.ty),
        syn::FnArg::Receiver(_) => None,
    });
    types.collect()
}

/// True if a block is meant to have broadcast state: its `on_left` works for a key, and its `on_right` does not; or `on_left` asks for a state that it cannot write.
pub(crate) fn is_meant(block: &ItemImpl) -> bool {
    let [left, right] = [Kind::OnLeft, Kind::OnRight].map(|kind| parameters(block, kind));
    let is = |of: &[&Type], name: &str| of.last().is_some_and(|cx| types::is(referent(cx), name));
    let reads = left.len() == 4 || (left.len() == 3 && is_shared(left[1]));
    is(&left, "KeyedContext") && (is(&right, "Context") || (reads && is(&right, "KeyedContext")))
}

/// A signature to copy from.
pub(crate) fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::OnLeft => ON_LEFT_OF_BROADCAST,
        Kind::OnRight => ON_RIGHT_OF_BROADCAST,
        Kind::OnTimer => ON_TIMER_OF_BROADCAST,
        kind => kind.example(),
    }
}

/// Which parameter is the broadcast state, if one is. What works for a key may have state of that in front of it.
pub(crate) fn parameter(kind: Kind, inputs: &[&mut Type]) -> Option<usize> {
    match (kind, inputs) {
        (Kind::OnLeft | Kind::OnTimer, [_, state, _]) if !types::is(referent(state), "StateOf") => Some(1),
        (Kind::OnLeft | Kind::OnTimer, [_, _, _, _]) => Some(2),
        (Kind::OnRight, [_, _, _]) => Some(1),
        (Kind::Open, [_, _]) => Some(0),
        _ => None,
    }
}

/// Reads the type of the broadcast state.
pub(crate) fn state(kind: Kind, ty: &Type, errors: &mut Errors) -> Option<Type> {
    let by_key = matches!(kind, Kind::OnLeft | Kind::OnTimer);
    let (name, example) = (kind.name(), example(kind));
    let message = match ty {
        ty if types::is(referent(ty), "StateOf") && by_key => {
            format!("the state of the key comes first, and then the broadcast state: `{example}`")
        }
        ty if types::is(referent(ty), "StateOf") => format!(
            "`{name}` works for no key, so there is no state of one; it writes what all subtasks remember: `rules: &mut Rules`"
        ),
        Type::Reference(TypeReference { mutability: Some(_), elem, .. }) if by_key => {
            let rules = quote::ToTokens::to_token_stream(elem);
            format!(
                "`{name}` reads the broadcast state, and only `on_right` writes it, as only what every subtask gets may change what all have: take `&{rules}`"
            )
        }
        Type::Reference(TypeReference { elem, .. }) => return Some((**elem).clone()),
        _ if by_key => "broadcast state comes by reference: `rules: &Rules`".to_owned(),
        _ => "broadcast state comes by reference: `rules: &mut Rules`".to_owned(),
    };
    errors.on(ty, message);
    None
}

/// Checks which context a function has.
pub(crate) fn is_context_of(kind: Kind, cx: &Type, errors: &mut Errors) -> bool {
    match kind {
        Kind::OnRight if types::is(referent(cx), "KeyedContext") => {
            errors.on(
                cx,
                "`on_right` takes what every subtask gets, which belongs to no key: take `cx: &mut Context<'_, Out>`",
            );
            false
        }
        Kind::OnTimer if types::is(referent(cx), "Context") => {
            errors.on(cx, "timers belong to a key: take `cx: &mut KeyedContext<'_, Key, Out>`");
            false
        }
        _ => true,
    }
}
