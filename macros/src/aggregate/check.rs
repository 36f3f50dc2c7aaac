//! The rules for an aggregate's functions.

use syn::Type;

use super::model::{ADD, Aggregate, FINISH};
use crate::{errors::Errors, types};

/// Checks what is there, and that all that is needed is.
pub(crate) fn aggregate(aggregate: &Aggregate, errors: &mut Errors) {
    let block = &aggregate.block;
    if let Some((_, path, _)) = &block.trait_ {
        errors.on(path, "`#[aggregate]` implements the trait: put it on `impl Spread { .. }` without one");
    }
    let has = |name: &str| {
        block.items.iter().any(|item| matches!(item, syn::ImplItem::Fn(function) if function.sig.ident == name))
    };
    for (name, wanted) in [("add", ADD), ("finish", FINISH)] {
        if !has(name) {
            errors.on(&block.self_ty, format!("an aggregate needs `{name}`: `{wanted}`"));
        }
    }
    let Some(add) = &aggregate.add else { return };
    let others = [
        aggregate.merge.as_ref().map(|merge| &merge.state),
        aggregate.finish.as_ref().map(|finish| &finish.state),
        aggregate.create.as_ref().map(|create| &create.state),
    ];
    for other in others.into_iter().flatten().filter(|other| *other != &add.state) {
        errors.on(other, "`add` has another state type: the functions of an aggregate share one");
    }
    if let Some(finish) = &aggregate.finish
        && types::borrows(&finish.out)
        && !is_static(&finish.out)
    {
        errors.on(&finish.out, "the result of an aggregate is an owned record: return `String` rather than `&str`");
    }
}

/// True for a type whose only lifetimes are `'static`.
fn is_static(ty: &Type) -> bool {
    types::at_static(ty) == *ty
}
