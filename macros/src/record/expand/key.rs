//! The impl of `Key`, for `#[record(key)]`. The hash is fixed for ever: the documentation of `Key` describes it.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    super::model::{Body, Record},
    Arm, generics,
};

/// `impl Key`, if the type has `#[record(key)]`.
pub(super) fn implementation(record: &Record) -> Option<TokenStream> {
    record.key?;
    let (ident, view, core) = (&record.ident, record.view_ident(), record.paths.core());
    let mut generics = generics(record, &quote!(#core::key::Key));
    generics.make_where_clause().predicates.extend(record.kept().filter_map(|field| field.predicate(record)));
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let arms = Arm::all(record);
    let is_enum = matches!(record.body, Body::Enum(_));
    let same = arms.iter().map(|arm| {
        let (a, b) = (arm.view_pattern(&view, "a"), arm.view_pattern(&view, "b"));
        let (left, right, records) = (arm.bindings("a"), arm.bindings("b"), arm.records(record));
        quote!((#a, #b) => true #(&& <#records as #core::key::Key>::same(#left, #right))*)
    });
    let compare = arms.iter().map(|arm| {
        let (a, b) = (arm.view_pattern(&view, "a"), arm.view_pattern(&view, "b"));
        let (left, right, records) = (arm.bindings("a"), arm.bindings("b"), arm.records(record));
        quote! {
            (#a, #b) => {
                #(
                    let __order = <#records as #core::key::Key>::compare(#left, #right);
                    if !::core::matches!(__order, ::core::cmp::Ordering::Equal) {
                        return __order;
                    }
                )*
                ::core::cmp::Ordering::Equal
            }
        }
    });
    let hash = (0u64..).zip(&arms).map(|(position, arm)| {
        let pattern = arm.view_pattern(&view, "f");
        let (bindings, records) = (arm.bindings("f"), arm.records(record));
        let parts = bindings.len() as u64 + u64::from(is_enum);
        let position = is_enum.then(|| quote!(let __hash = #core::key::combine(__hash, #core::key::mix(#position));));
        quote! {
            #pattern => {
                let __hash = #core::key::mix(#parts);
                #position
                #(let __hash = #core::key::combine(__hash, <#records as #core::key::Key>::hash(#bindings));)*
                __hash
            }
        }
    });
    let positions = is_enum.then(|| {
        let patterns = arms.iter().map(|arm| arm.view_pattern(&view, "f"));
        let places = 0u64..;
        let binding = quote!(#[allow(unused_variables)]);
        quote! {
            #binding
            let __position = |__view: Self::View<'_>| -> u64 { match __view { #(#patterns => #places,)* } };
        }
    });
    let other = is_enum.then(|| quote!((__a, __b) => ::core::cmp::Ord::cmp(&__position(__a), &__position(__b)),));
    // One cheap part is hashed again more cheaply than its hash is carried; so is a variant without data.
    let records: Vec<_> = record.kept().map(|field| field.record(&record.paths)).collect();
    let carry = match (&record.body, records.as_slice()) {
        (_, []) => quote!(false),
        (Body::Struct(_), [one]) => quote!(<#one as #core::key::Key>::CARRY_HASH),
        _ => quote!(true),
    };
    Some(quote! {
        #[automatically_derived]
        impl #impl_generics #core::key::Key for #ident #ty_generics #where_clause {
            type KeyProof = ();

            const CARRY_HASH: bool = #carry;

            #[inline]
            fn same(__a: Self::View<'_>, __b: Self::View<'_>) -> bool {
                match (__a, __b) {
                    #(#same,)*
                    _ => false,
                }
            }

            #[inline]
            fn compare(__a: Self::View<'_>, __b: Self::View<'_>) -> ::core::cmp::Ordering {
                #positions
                match (__a, __b) {
                    #(#compare)*
                    #other
                }
            }

            #[inline]
            #[allow(unused_variables)]
            fn hash(__view: Self::View<'_>) -> u64 {
                match __view { #(#hash)* }
            }
        }
    })
}
