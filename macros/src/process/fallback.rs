//! After an error: the messages, the functions that are understood, and that the type is a process function of every stream, so that the stream which uses it has
//! no errors of its own.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::model::Process;
use crate::types;

/// The messages, the block and the stub.
pub(crate) fn process(process: &Process, error: &syn::Error) -> TokenStream {
    let (messages, block, runtime) = (error.to_compile_error(), &process.block, process.paths.runtime());
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let ty = &block.self_ty;
    let out = match process.context() {
        Some(context) if !types::borrows(&context.out) => context.out.to_token_stream(),
        _ => quote!(u64),
    };
    quote! {
        #messages

        #[allow(dead_code)]
        #block

        impl #impl_generics #runtime::stream::Processor<#runtime::stream::Mistaken<#out>> for #ty #where_clause {}
    }
}
