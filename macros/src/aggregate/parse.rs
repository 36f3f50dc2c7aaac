//! Reads the functions of the block.

use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, ReturnType, Type, TypeReference};

use super::model::{ADD, Add, Aggregate, CREATE, Create, FINISH, Finish, MERGE, Merge};
use crate::{errors::Errors, paths::Paths, types};

/// Reads a block. What is wrong with a function goes to `errors`.
pub(crate) fn aggregate(paths: Paths, block: ItemImpl, errors: &mut Errors) -> Aggregate {
    let mut add = None;
    let mut merge = None;
    let mut finish = None;
    let mut create = None;
    for item in &block.items {
        let ImplItem::Fn(function) = item else { continue };
        let name = function.sig.ident.to_string();
        let wanted = match name.as_str() {
            "add" => ADD,
            "merge" => MERGE,
            "finish" => FINISH,
            "create" => CREATE,
            _ => continue,
        };
        if let Some(token) = &function.sig.asyncness {
            errors.on(token, "an aggregate never waits: remove `async`");
        }
        let signature = Signature::read(function, errors);
        let understood = match name.as_str() {
            "add" => {
                add = self::add(&signature, errors);
                add.is_some()
            }
            "merge" => {
                merge = self::merge(&signature);
                merge.is_some()
            }
            "finish" => {
                finish = self::finish(&signature);
                finish.is_some()
            }
            _ => {
                create = self::create(&signature);
                create.is_some()
            }
        };
        if !understood {
            errors.on(
                &function.sig.ident,
                format!("`{name}` has another signature: `{wanted}`, with `&self` before it if you need it"),
            );
        }
    }
    Aggregate { paths, add, merge, finish, create, block }
}

/// The parts of a signature that matter.
struct Signature<'f> {
    on_self: bool,
    inputs: Vec<&'f Type>,
    output: Option<&'f Type>,
}

impl<'f> Signature<'f> {
    fn read(function: &'f ImplItemFn, errors: &mut Errors) -> Self {
        let mut on_self = false;
        let mut inputs = Vec::new();
        for input in &function.sig.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    on_self = true;
                    if receiver.reference.is_none() || receiver.mutability.is_some() {
                        errors
                            .on(receiver, "an aggregate is shared by all keys and keeps nothing itself: take `&self`");
                    }
                }
                FnArg::Typed(input) => inputs.push(&*input.ty),
            }
        }
        let output = match &function.sig.output {
            ReturnType::Type(_, ty) => Some(&**ty),
            ReturnType::Default => None,
        };
        Self { on_self, inputs, output }
    }
}

fn add(signature: &Signature<'_>, errors: &mut Errors) -> Option<Add> {
    let (state, record, timed) = match signature.inputs.as_slice() {
        [state, record] => (state, record, false),
        [state, record, at] => {
            if !types::is(at, "Timestamp") {
                errors.on(at, "the last parameter is the record's time: `at: Timestamp`");
            }
            (state, record, true)
        }
        _ => return None,
    };
    if signature.output.is_some() {
        return None;
    }
    Some(Add { on_self: signature.on_self, state: behind(state, true)?, record: (*record).clone(), timed })
}

fn merge(signature: &Signature<'_>) -> Option<Merge> {
    let ([state, _], None) = (signature.inputs.as_slice(), signature.output) else { return None };
    Some(Merge { on_self: signature.on_self, state: behind(state, true)? })
}

fn finish(signature: &Signature<'_>) -> Option<Finish> {
    let ([state], Some(out)) = (signature.inputs.as_slice(), signature.output) else { return None };
    Some(Finish { on_self: signature.on_self, state: behind(state, false)?, out: out.clone() })
}

fn create(signature: &Signature<'_>) -> Option<Create> {
    let ([], Some(state)) = (signature.inputs.as_slice(), signature.output) else { return None };
    Some(Create { on_self: signature.on_self, state: state.clone() })
}

/// `T` of `&T` or of `&mut T`.
fn behind(ty: &Type, mutable: bool) -> Option<Type> {
    match ty {
        Type::Reference(TypeReference { mutability, elem, .. }) if mutability.is_some() == mutable => {
            Some((**elem).clone())
        }
        _ => None,
    }
}
