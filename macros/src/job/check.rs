//! The rules for jobs.

use syn::{FnArg, ReturnType, Type};

use super::model::Job;
use crate::{errors::Errors, types};

/// What a job looks like.
pub(crate) const SIGNATURES: &str =
    "a job is `fn name(job: &mut Job)` or `fn name(job: &mut Job, args: Args)`, and returns nothing or `Result<(), E>`";

/// Checks a job's signature.
pub(crate) fn job(job: &Job, errors: &mut Errors) {
    let signature = &job.function.sig;
    if let Some(token) = &signature.asyncness {
        errors.on(token, format!("a job only describes its graph and never waits: remove `async`; {SIGNATURES}"));
    }
    if let Some(token) = &signature.unsafety {
        errors.on(token, format!("a job is called by safe code: remove `unsafe`; {SIGNATURES}"));
    }
    if !signature.generics.params.is_empty() {
        errors.on(
            &signature.generics,
            format!(
                "a job is called by its name alone, so nothing can fill in its parameters: remove them; {SIGNATURES}"
            ),
        );
    }
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        None => errors.on(&signature.ident, format!("a job needs something to add its streams to; {SIGNATURES}")),
        Some(FnArg::Receiver(receiver)) => {
            errors.on(receiver, format!("a job is a free function: remove `self`; {SIGNATURES}"));
        }
        Some(FnArg::Typed(input)) if !is_job(&input.ty) => {
            errors
                .on(&input.ty, format!("the first parameter is `&mut Job`, or `&mut Job<ExactlyOnce>`; {SIGNATURES}"));
        }
        Some(FnArg::Typed(_)) => {}
    }
    for input in inputs.skip(1) {
        errors.on(
            input,
            format!(
                "one parameter too many: put all arguments into one struct with `#[derive(clap::Args)]`; {SIGNATURES}"
            ),
        );
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && !is_unit(ty)
        && !matches!(types::arguments(ty, "Result").as_deref(), Some([value, ..]) if is_unit(value))
    {
        errors.on(ty, format!("a job returns no value: its results go to sinks; {SIGNATURES}"));
    }
}

fn is_job(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some() && types::is(&reference.elem, "Job"))
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}
