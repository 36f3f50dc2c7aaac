//! Emits the function, with lints, and its entry in the list of jobs.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;

use super::model::Job;

/// The function and its entry.
pub(crate) fn job(job: &Job) -> TokenStream {
    let (function, doc, runtime, inventory) = (&job.function, &job.doc, job.paths.runtime(), job.paths.inventory());
    let ident = &function.sig.ident;
    let name = ident.unraw().to_string();
    let location = quote_spanned! {ident.span()=>
        #runtime::operator::Location { file: ::core::file!(), line: ::core::line!(), column: ::core::column!() }
    };
    let (augment, build) = match function.sig.inputs.get(1) {
        Some(syn::FnArg::Typed(arguments)) if job.takes_arguments => {
            let ty = &arguments.ty;
            (
                quote!(#runtime::registry::augment::<#ty>),
                quote!(#runtime::registry::build_with(#name, __LOCATION, #ident, __matches, __options)),
            )
        }
        _ => (
            quote!(#runtime::registry::augment_none),
            quote!(#runtime::registry::build_without(#name, __LOCATION, #ident, __options)),
        ),
    };
    quote! {
        // A stream that is bound and not used, or made and dropped, reaches no sink.
        #[deny(unused_must_use, unused_variables, unused_assignments)]
        #function

        #[allow(unsafe_code)]
        const _: () = {
            const __LOCATION: #runtime::operator::Location = #location;
            #inventory::submit! {
                #runtime::registry::JobEntry {
                    name: #name,
                    doc: #doc,
                    location: __LOCATION,
                    augment: #augment,
                    build: |__matches, __options| #build,
                }
            }
        };
    }
}
