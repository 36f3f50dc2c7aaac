//! Reads a job's function.

use syn::{Attribute, Expr, ExprLit, ItemFn, Lit, Meta};

use super::model::Job;
use crate::paths::Paths;

/// Reads a function.
pub(crate) fn job(paths: Paths, function: ItemFn) -> Job {
    let lines: Vec<_> = function.attrs.iter().filter_map(doc_line).collect();
    Job { paths, doc: lines.join("\n").trim().to_owned(), takes_arguments: function.sig.inputs.len() > 1, function }
}

/// A line of a doc comment, without the space that follows the slashes.
fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value else { return None };
    let text = text.value();
    attribute.path().is_ident("doc").then(|| text.strip_prefix(' ').unwrap_or(&text).to_owned())
}
