//! The rules for the functions of a block.

use super::{
    broadcast,
    model::{Context, Kind, Process, Takers},
};
use crate::{errors::Errors, types};

/// What to say of a block that does not take records, or takes them twice.
fn missing(process: &Process) -> String {
    let has = |kind| process.function(kind).is_some();
    let example = |kind: Kind| if process.broadcasts { broadcast::example(kind) } else { kind.example() };
    let also = |kind: Kind| format!("a function on two streams needs `{}`, too: `{}`", kind.name(), example(kind));
    match (has(Kind::OnRecord), has(Kind::OnLeft), has(Kind::OnRight)) {
        (true, ..) => {
            "a function on one stream has `on_record`, one on two streams `on_left` and `on_right`".to_owned()
        }
        (_, true, _) => also(Kind::OnRight),
        (_, _, true) => also(Kind::OnLeft),
        _ => format!("a process function needs `on_record`: `{}`", Kind::OnRecord.example()),
    }
}

/// What to say where the contexts of two functions differ.
fn different(process: &Process) -> &'static str {
    let left = process.function(Kind::OnLeft).and_then(|function| function.context.as_ref());
    let right = process.function(Kind::OnRight).and_then(|function| function.context.as_ref());
    match (left, right) {
        (Some(Context { key: None, .. }), Some(Context { key: Some(_), .. })) => {
            "the functions of a block share one context; where only one of two streams has a key, that is the left one: exchange `on_left` and `on_right`, and connect `keyed.connect(rules.broadcast())`"
        }
        _ if process.broadcasts => {
            "`on_left` and `on_right` put out the same: `cx: &mut KeyedContext<'_, Key, Out>` and `cx: &mut Context<'_, Out>`, with the same side outputs"
        }
        _ => "the functions of a block share one context, and another has a different one",
    }
}

/// Checks what is there, and that all that is needed is.
pub(crate) fn process(process: &Process, errors: &mut Errors) {
    let block = &process.block;
    if let Some((_, path, _)) = &block.trait_ {
        errors.on(path, "`#[process]` implements the trait: put it on `impl Alerts { .. }` without one");
    }
    if process.takers().is_none() && !process.mistaken {
        errors.on(&block.self_ty, missing(process));
    }
    let Some(context) = process.context().filter(|_| !process.mistaken) else { return };
    let (owned, instead) = ("is owned: `String` rather than `&str`", "`Alert` rather than `AlertView<'_>`");
    if let Some(key) = context.key.as_ref().filter(|key| types::borrows(key)) {
        errors.on(key, format!("the type of a key {owned}"));
    }
    if types::borrows(&context.out) {
        errors.on(&context.out, format!("what is put out is named by its record, {instead}"));
    }
    for side in context.sides.iter().filter(|side| types::borrows(side)) {
        errors.on(side, "a side output is named by its type, which borrows nothing");
    }
    let state = process.state();
    for function in &process.functions {
        let is_alike = |other: &Context| match function.kind {
            Kind::OnRight if process.broadcasts => (&other.out, &other.sides) == (&context.out, &context.sides),
            _ => other == context,
        };
        if let Some(other) = function.context.as_ref().filter(|other| !is_alike(other)) {
            errors.on(&other.out, different(process));
        }
        if let Some(other) = function.broadcast.as_ref().filter(|other| Some(*other) != process.broadcast()) {
            errors.on(other, "the functions of a block share one broadcast state, and another has a different one");
        }
        if let Some(other) = function.state.as_ref().filter(|other| Some(*other) != state) {
            errors.on(other, "the functions of a block share one state, and another has a different one");
        }
        if let Some(other) = function
            .error
            .as_ref()
            .filter(|other| function.kind.takes_records() && process.takers().and_then(Takers::error) != Some(*other))
        {
            errors.on(
                other,
                "`on_left` and `on_right` reject records for one type of reasons, and the other has a different one",
            );
        }
        let keyed = context.key.is_some();
        let (name, kind) = (function.kind.name(), function.kind);
        let at = block.items.iter().find_map(|item| match item {
            syn::ImplItem::Fn(item) if item.sig.ident == name => Some(&item.sig.ident),
            _ => None,
        });
        if keyed && kind == Kind::OnEnd {
            errors.on(at, "`on_end` is for functions without key: at the end of the input all timers of event time fire, each for its key");
        }
        if !keyed && kind == Kind::OnTimer {
            errors.on(at, "timers belong to a key: take `cx: &mut KeyedContext<'_, Key, Out>`");
        }
        if keyed && function.state.is_some() && matches!(kind, Kind::Open | Kind::OnSnapshot) {
            errors.on(at, format!("`{name}` is not called for a key, so there is no state: `{}`", kind.example()));
        }
    }
}
