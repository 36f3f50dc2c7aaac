//! Reads the functions of the block, and completes the types of their states and contexts.

use quote::{ToTokens, quote};
use syn::{
    FnArg, ImplItem, ImplItemFn, ItemImpl, Path, PathArguments, ReturnType, Type, TypeReference, parse_quote,
    spanned::Spanned as _,
};

use super::{
    broadcast,
    model::{Context, Function, Kind, Process},
};
use crate::{errors::Errors, paths::Paths, types};

/// Reads a block. What is wrong with a function goes to `errors`.
pub(crate) fn process(paths: Paths, mut block: ItemImpl, errors: &mut Errors) -> Process {
    let mut functions = Vec::new();
    let mut mistaken = false;
    let broadcasts = broadcast::is_meant(&block);
    block.items.retain_mut(|item| {
        let ImplItem::Fn(function) = item else { return true };
        let Some(kind) = Kind::ALL.into_iter().find(|kind| function.sig.ident == kind.name()) else {
            errors.on(&function.sig.ident, unknown(&function.sig.ident.to_string()));
            return true;
        };
        let (function, understood) = self::function(kind, broadcasts, &paths, function, errors);
        functions.extend(function);
        mistaken |= !understood;
        understood
    });
    Process { paths, block, functions, mistaken, broadcasts }
}

fn unknown(name: &str) -> String {
    let known: Vec<_> = Kind::ALL.iter().map(|kind| format!("`{}`", kind.name())).collect();
    format!(
        "a process function has no `{name}`: it has {}; put others into an `impl` block of their own",
        known.join(", ")
    )
}

/// Reads a function: what of it is understood, and whether that is all. What is not is said.
fn function(
    kind: Kind,
    broadcasts: bool,
    paths: &Paths,
    function: &mut ImplItemFn,
    errors: &mut Errors,
) -> (Option<Function>, bool) {
    let ident = function.sig.ident.clone();
    if let Some(token) = &function.sig.asyncness {
        errors.on(token, "a process function never waits: remove `async`");
    }
    if !function.sig.generics.params.is_empty() {
        errors.on(
            &function.sig.generics,
            "`#[process]` adds the parameter for what takes the records that are put out; others belong to the `impl` block",
        );
        return (None, false);
    }
    let mut on_self = false;
    let mut inputs = Vec::new();
    for input in &mut function.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                on_self = true;
                if receiver.reference.is_none() {
                    errors.on(receiver, "a process function is called again and again: take `&mut self`");
                }
            }
            FnArg::Typed(input) => inputs.push(&mut *input.ty),
        }
    }
    let error = result(kind, &function.sig.output, errors);
    let example = if broadcasts { broadcast::example(kind) } else { kind.example() };
    let wrong = || format!("`{}` has another signature: `{example}`", kind.name());
    let mut understood = true;
    let mut broadcast = None;
    if broadcasts && let Some(index) = broadcast::parameter(kind, &inputs) {
        broadcast = broadcast::state(kind, inputs.remove(index), errors);
        understood = broadcast.is_some();
    }
    let (first, state, context) = match (kind, inputs.as_mut_slice()) {
        (Kind::OnRecord | Kind::OnLeft | Kind::OnRight | Kind::OnTimer, [first, cx]) => {
            (Some(first.clone()), None, Some(&mut **cx))
        }
        (Kind::OnRecord | Kind::OnLeft | Kind::OnRight | Kind::OnTimer, [first, state, cx]) => {
            (Some(first.clone()), Some(&mut **state), Some(&mut **cx))
        }
        (Kind::OnEnd, [cx]) => (None, None, Some(&mut **cx)),
        (Kind::OnEnd, [state, cx]) => (None, Some(&mut **state), Some(&mut **cx)),
        (Kind::Open | Kind::OnSnapshot, [state, last]) => (Some(last.clone()), Some(&mut **state), None),
        (Kind::Open | Kind::OnSnapshot | Kind::OnComplete | Kind::OnAbort, [first]) => {
            (Some(first.clone()), None, None)
        }
        (Kind::Close, []) => (None, None, None),
        _ => {
            errors.on(&ident, wrong());
            return (None, false);
        }
    };
    if kind == Kind::OnTimer
        && let Some(first) = &first
        && !types::is(first, "Timer")
    {
        errors.on(first, "the first parameter of `on_timer` is the timer that has fired: `timer: Timer`");
    }
    let context = context.and_then(|cx| {
        if broadcasts && !broadcast::is_context_of(kind, cx, errors) {
            understood = false;
            return None;
        }
        let (context, whole) = self::context(cx, paths, errors);
        understood &= whole;
        context
    });
    let key = context.as_ref().and_then(|context| context.key.as_ref());
    let state = state.filter(|_| understood).and_then(|state| {
        let state = self::state(state, key, errors);
        understood &= state.is_some();
        state
    });
    if let Some(Context { out, .. }) = &context {
        let runtime = paths.runtime_at(out.span());
        function.sig.generics.params.push(parse_quote!(__N: #runtime::operator::Push<#out>));
    }
    (Some(Function { kind, on_self, first, state, broadcast, context, error }), understood)
}

/// The error type of a function that may reject a record. What hooks return is checked where it is used.
fn result(kind: Kind, output: &ReturnType, errors: &mut Errors) -> Option<Type> {
    let ReturnType::Type(_, ty) = output else { return None };
    match types::arguments(ty, "Result").as_deref() {
        Some([_, error]) => Some((*error).clone()),
        _ if !kind.takes_records() => None,
        Some(_) => {
            errors.on(ty, "write both types of the result, as in `Result<(), ParseError>`");
            None
        }
        None => {
            let name = kind.name();
            errors
                .on(ty, format!("`{name}` puts records out by `cx.emit(..)`: it returns nothing, or `Result<(), E>`"));
            None
        }
    }
}

/// Reads the type of a context, and completes it: `KeyedContext<'_, '_, Key, Out, __N, Sides>`, `Context<'_, Out, __N, Sides>`. False if something is wrong with it; what it says
/// of the records that are put out may be known all the same.
fn context(ty: &mut Type, paths: &Paths, errors: &mut Errors) -> (Option<Context>, bool) {
    const WANTED: &str = "the last parameter is `cx: &mut KeyedContext<'_, Key, Out>`, or without timers and state per key `cx: &mut Context<'_, Out>`";
    let text = ty.clone();
    let Some(path) = behind_mut(ty) else {
        errors.on(&text, WANTED);
        return (None, false);
    };
    let (name, arguments) = last(path);
    let mut wrong = |message: &str| {
        errors.on(&text, message);
        (arguments.last().map(|out| Context { key: None, out: out.clone(), sides: Vec::new() }), false)
    };
    let context = match (name.as_deref(), arguments.as_slice()) {
        (Some("KeyedContext"), [key, out, sides @ ..]) if sides.len() < 2 => {
            Context { key: Some(key.clone()), out: out.clone(), sides: each(sides) }
        }
        (Some("KeyedContext"), _) => {
            return wrong("write the stream's key and what is put out: `&mut KeyedContext<'_, Key, Out>`");
        }
        (Some("Context"), [out, sides @ ..]) if sides.len() < 2 => {
            Context { key: None, out: out.clone(), sides: each(sides) }
        }
        (Some("Context"), _) => {
            return wrong(
                "write what is put out: `&mut Context<'_, Out>`; with a key it is `&mut KeyedContext<'_, Key, Out>`",
            );
        }
        _ => return wrong(WANTED),
    };
    let (out, sides) = (&context.out, context.list(paths));
    let completed = match &context.key {
        Some(key) => quote!(<'_, '_, #key, #out, __N, #sides>),
        None => quote!(<'_, #out, __N, #sides>),
    };
    set_arguments(path, completed);
    (Some(context), true)
}

/// The side outputs of a context: one, or several as a tuple.
fn each(sides: &[Type]) -> Vec<Type> {
    match sides {
        [Type::Tuple(several)] => several.elems.iter().cloned().collect(),
        sides => sides.to_vec(),
    }
}

/// Reads the type of a state, and completes it: `StateOf<'_, '_, Session, Key>` where there is a key.
fn state(ty: &mut Type, key: Option<&Type>, errors: &mut Errors) -> Option<Type> {
    let text = ty.clone();
    let Type::Reference(TypeReference { mutability: Some(_), elem, .. }) = ty else {
        let wanted = if key.is_some() { "`state: &mut StateOf<Session>`" } else { "`state: &mut Batch`" };
        errors.on(&text, format!("state comes by reference: {wanted}"));
        return None;
    };
    let is_handle = types::is(elem, "StateOf");
    let Some(key) = key else {
        if is_handle {
            errors.on(&text, "state for each key needs a key: take `cx: &mut KeyedContext<'_, Key, Out>`; the state of a subtask comes as it is, `state: &mut Batch`");
            return None;
        }
        return Some((**elem).clone());
    };
    let Type::Path(path) = &mut **elem else {
        errors.on(&text, "the state of a key comes as `&mut StateOf<Session>`");
        return None;
    };
    let (_, arguments) = last(&path.path);
    match arguments.as_slice() {
        [state] if is_handle => {
            let state = state.clone();
            set_arguments(&mut path.path, quote!(<'_, '_, #state, #key>));
            Some(state)
        }
        _ if is_handle => {
            errors.on(&text, "write the struct that derives `State`: `&mut StateOf<Session>`");
            None
        }
        _ => {
            errors.on(&text, format!("the state of a key comes as `&mut StateOf<{}>`", path.to_token_stream()));
            None
        }
    }
}

/// The path of `T` in `&mut T`.
fn behind_mut(ty: &mut Type) -> Option<&mut Path> {
    match ty {
        Type::Reference(TypeReference { mutability: Some(_), elem, .. }) => match &mut **elem {
            Type::Path(path) if path.qself.is_none() => Some(&mut path.path),
            _ => None,
        },
        _ => None,
    }
}

/// The last word of a path, and the types among its arguments.
fn last(path: &Path) -> (Option<String>, Vec<Type>) {
    let ty = Type::Path(syn::TypePath { qself: None, path: path.clone() });
    let name = path.segments.last().map(|segment| segment.ident.to_string());
    let arguments = name.as_deref().and_then(|name| types::arguments(&ty, name)).unwrap_or_default();
    (name, arguments.into_iter().cloned().collect())
}

fn set_arguments(path: &mut Path, arguments: proc_macro2::TokenStream) {
    if let Some(segment) = path.segments.last_mut() {
        segment.arguments = PathArguments::AngleBracketed(parse_quote!(#arguments));
    }
}
