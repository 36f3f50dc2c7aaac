//! The rules for jobs.

use std::collections::HashSet;

use syn::{
    Expr, ExprLit, ExprMethodCall, FnArg, Lit, LitStr, ReturnType, Type,
    visit::{self, Visit},
};

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
    Uids { seen: HashSet::new(), errors }.visit_block(&job.function.block);
}

/// Finds two operators that are given the same id in so many words. (Ids that are computed, or come from helpers, are compared when the graph is built.)
struct Uids<'e> {
    seen: HashSet<String>,
    errors: &'e mut Errors,
}

impl<'ast> Visit<'ast> for Uids<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        // Receivers first, so that the later of the two is the one that is reported.
        visit::visit_expr_method_call(self, call);
        if call.method == "uid"
            && let Some(uid) = only_text(call)
            && !self.seen.insert(uid.value())
        {
            self.errors.on(
                uid,
                format!(
                    "two operators of this job have the id `{0}`, so the state of one would be taken for that of the other: choose another, as `.uid(\"{0}-2\")`",
                    uid.value()
                ),
            );
        }
    }
}

fn only_text(call: &ExprMethodCall) -> Option<&LitStr> {
    match call.args.first() {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) if call.args.len() == 1 => Some(text),
        _ => None,
    }
}

fn is_job(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_some() && types::is(&reference.elem, "Job"))
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}
