//! Emits the block, and the impl of the trait that calls into it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{ImplItem, ItemImpl, parse_quote, spanned::Spanned as _};

use super::model::Aggregate;
use crate::types;

/// The block and the impl.
pub(crate) fn aggregate(aggregate: &Aggregate) -> TokenStream {
    let (block, core) = (with_add_inlined(&aggregate.block), aggregate.paths.core());
    let (Some(add), Some(finish)) = (&aggregate.add, &aggregate.finish) else { return block.to_token_stream() };
    let (ty, state, out) = (&block.self_ty, &add.state, &finish.out);
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let record = types::record_of(&add.record, &aggregate.paths);
    let receiver = |on_self: bool| on_self.then(|| quote!(self,));
    let merges = aggregate.merge.is_some();
    let create = match &aggregate.create {
        Some(create) => {
            let receiver = receiver(create.on_self);
            quote!(<#ty>::create(#receiver))
        }
        None => quote!(<#state as ::core::default::Default>::default()),
    };
    let add_call = {
        let receiver = receiver(add.on_self);
        let at = add.timed.then(|| quote!(, __at));
        quote!(<#ty>::add(#receiver __acc, __record #at))
    };
    let merge = match &aggregate.merge {
        Some(merge) => {
            let receiver = receiver(merge.on_self);
            quote!(<#ty>::merge(#receiver __acc, __other))
        }
        None => quote!(::core::unreachable!("an aggregate without `merge` is never merged: `MERGES` is false")),
    };
    let finish_call = {
        let receiver = receiver(finish.on_self);
        quote!(<#ty>::finish(#receiver __acc))
    };
    // That the type is `Clone` and `Send` is said on the type.
    let head = {
        let core = aggregate.paths.core_at(ty.span());
        quote_spanned!(ty.span()=> impl #impl_generics #core::aggregate::Aggregate<#record> for #ty #where_clause)
    };
    let marker = merges.then(|| {
        let core = aggregate.paths.core();
        quote!(impl #impl_generics #core::aggregate::Merging for #ty #where_clause {})
    });
    quote! {
        #block

        #marker

        #[allow(unused_variables)]
        #head {
            type Acc = #state;
            type Out = #out;

            const MERGES: bool = #merges;

            fn create(&self) -> Self::Acc {
                #create
            }

            #[inline(always)]
            fn add(
                &self,
                __acc: &mut Self::Acc,
                __record: <#record as #core::record::Record>::View<'_>,
                __at: #core::time::Timestamp,
            ) {
                #add_call
            }

            #[inline]
            fn merge(&self, __acc: &mut Self::Acc, __other: <Self::Acc as #core::record::Record>::View<'_>) {
                #merge
            }

            #[inline]
            fn finish(&self, __acc: &Self::Acc) -> Self::Out {
                #finish_call
            }
        }
    }
}

/// The block, with `add` inlined wherever it is called, unless the user says something else of it: a record is then not put together for the call, and only
/// what `add` looks at is read at all.
fn with_add_inlined(block: &ItemImpl) -> ItemImpl {
    let mut block = block.clone();
    for item in &mut block.items {
        if let ImplItem::Fn(function) = item
            && function.sig.ident == "add"
            && !function.attrs.iter().any(|attribute| attribute.path().is_ident("inline"))
        {
            function.attrs.push(parse_quote!(#[inline(always)]));
        }
    }
    block
}
