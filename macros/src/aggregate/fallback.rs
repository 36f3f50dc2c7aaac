//! After an error: the messages, the block as it is, and an aggregate of every record, so that the stream which uses it has no errors of its own.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{GenericParam, parse_quote};

use super::model::Aggregate;

/// The messages, the block and the stub.
pub(crate) fn aggregate(aggregate: &Aggregate, error: &syn::Error) -> TokenStream {
    let (messages, block, core) = (error.to_compile_error(), &aggregate.block, aggregate.paths.core());
    let ty = &block.self_ty;
    let (marker_generics, _, _) = block.generics.split_for_impl();
    let mut generics = block.generics.clone();
    let param: GenericParam = parse_quote!(__T: #core::record::Record);
    generics.params.push(param);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let state = match &aggregate.add {
        Some(add) => add.state.to_token_stream(),
        None => quote!(u64),
    };
    let out = match &aggregate.finish {
        Some(finish) if !crate::types::borrows(&finish.out) => finish.out.to_token_stream(),
        _ => quote!(u64),
    };
    quote! {
        #messages

        #block

        impl #marker_generics #core::aggregate::Merging for #ty #where_clause {}

        impl #impl_generics #core::aggregate::Aggregate<__T> for #ty #where_clause {
            type Acc = #state;
            type Out = #out;
            const MERGES: bool = false;
            fn create(&self) -> Self::Acc { ::core::unreachable!() }
            fn add(&self, _: &mut Self::Acc, _: __T::View<'_>, _: #core::time::Timestamp) {}
            fn merge(&self, _: &mut Self::Acc, _: <Self::Acc as #core::record::Record>::View<'_>) {}
            fn finish(&self, _: &Self::Acc) -> Self::Out { ::core::unreachable!() }
        }
    }
}
