//! After an error: the messages, and impls without a body, so that the code which uses the record has no errors of its own.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    GenericParam,
    visit_mut::{self, VisitMut},
};

use super::{
    expand,
    model::{Body, Record, Style},
};
use crate::types;

/// The messages and the stub.
pub(super) fn record(mut record: Record, error: &syn::Error) -> TokenStream {
    let messages = error.to_compile_error();
    fix_widths(&mut record.body);
    let ident = &record.ident;
    let args = record.generics.params.iter().map(|param| match param {
        GenericParam::Lifetime(_) => quote!('static),
        GenericParam::Type(param) => {
            let ident = &param.ident;
            quote!(#ident)
        }
        GenericParam::Const(param) => {
            let ident = &param.ident;
            quote!(#ident)
        }
    });
    let ty = quote!(#ident<#(#args),*>);
    // Lifetimes and defaults are among the errors.
    record.generics.params = std::mem::take(&mut record.generics.params)
        .into_iter()
        .filter(|param| !matches!(param, GenericParam::Lifetime(_)))
        .map(|mut param| {
            match &mut param {
                GenericParam::Type(param) => param.default = None,
                GenericParam::Const(param) => param.default = None,
                GenericParam::Lifetime(_) => {}
            }
            param
        })
        .collect();
    let (core, rkyv, view) = (record.paths.core(), record.paths.rkyv(), record.view_ident());
    let view_definition = expand::view_definition(&record);
    let view_traits = expand::view_traits(&record);
    let generics = expand::record_generics(&record);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let of_view = expand::with_lifetime(&generics, "'a");
    let (_, view_args, _) = of_view.split_for_impl();
    let of_static_view = expand::with_lifetime(&generics, "'static");
    let (_, static_args, _) = of_static_view.split_for_impl();
    let key = record.key.map(|_| {
        let generics = expand::generics(&record, &quote!(#core::key::Key));
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        quote! {
            impl #impl_generics #core::key::Key for #ty #where_clause {
                type KeyProof = ();
                const CARRY_HASH: bool = false;
                fn same(_: Self::View<'_>, _: Self::View<'_>) -> bool { ::core::unreachable!() }
                fn compare(_: Self::View<'_>, _: Self::View<'_>) -> ::core::cmp::Ordering { ::core::unreachable!() }
                fn hash(_: Self::View<'_>) -> u64 { ::core::unreachable!() }
            }
        }
    });
    let timed = record.shapes().any(|shape| shape.fields.iter().any(|field| field.event_time.is_some()));
    let event_time = timed.then(|| {
        quote! {
            impl #impl_generics #core::event_time::EventTime for #ty #where_clause {
                type Proof = ();
                fn event_time(_: Self::View<'_>) -> #core::time::Timestamp { ::core::unreachable!() }
            }
        }
    });
    let row = matches!(&record.body, Body::Struct(shape) if shape.style == Style::Named).then(|| {
        let generics = expand::with_lifetime(&generics, "'t");
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        quote! {
            impl #impl_generics #core::cell::Row<'t> for #ty #where_clause {
                const COLUMNS: &'static [#core::cell::Column] = &[];
                fn parse(
                    _: impl ::core::ops::Fn(usize) -> ::core::option::Option<&'t [u8]>,
                ) -> ::core::result::Result<Self::View<'t>, (usize, #core::error::ParseError)> {
                    ::core::unreachable!()
                }
                fn format(
                    _: Self::View<'_>,
                    _: &mut ::std::vec::Vec<u8>,
                    _: impl ::core::ops::FnMut(&mut ::std::vec::Vec<u8>, usize),
                ) {
                    ::core::unreachable!()
                }
            }
        }
    });
    let document = {
        let generics = expand::with_lifetime(&generics, "'t");
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        quote! {
            impl #impl_generics #core::document::Document<'t> for #ty #where_clause {
                fn deserialize<__D: #core::__private::serde::Deserializer<'t>>(
                    _: __D,
                    _: &'t #core::document::Scratch,
                ) -> ::core::result::Result<Self::View<'t>, __D::Error> {
                    ::core::unreachable!()
                }
                fn serialize<__S: #core::__private::serde::Serializer>(
                    _: Self::View<'_>,
                    _: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    ::core::unreachable!()
                }
            }
        }
    };
    quote! {
        #messages

        #view_definition

        #[allow(unsafe_code, private_bounds, private_interfaces)]
        const _: () = {
            #view_traits

            impl #impl_generics #core::view::View for #view #static_args #where_clause {
                type Record = #ty;
            }

            // SAFETY: none is needed, since this never compiles: an error stands above it.
            unsafe impl #impl_generics #core::record::Record for #ty #where_clause {
                type Archived = ();
                type Resolver = ();
                type View<'a> = #view #view_args;

                const SCHEMA: &'static #core::schema::Schema = &#core::schema::Schema::Primitive("");
                const PLAIN: bool = false;

                fn view(&self) -> Self::View<'_> { ::core::unreachable!() }
                fn view_archived(_: &Self::Archived) -> Self::View<'_> { ::core::unreachable!() }
                fn from_view(_: Self::View<'_>) -> Self { ::core::unreachable!() }
                fn from_value(_: #core::dynamic::Value<'_>) -> ::core::option::Option<Self> { ::core::unreachable!() }
                fn write(
                    _: Self::View<'_>,
                    _: &mut #core::record::Encoder<'_>,
                ) -> ::core::result::Result<Self::Resolver, #core::record::EncodeError> {
                    ::core::unreachable!()
                }
                fn finish(_: Self::View<'_>, _: Self::Resolver, _: #rkyv::Place<Self::Archived>) {}
            }

            #key
            #event_time
            #row
            #document
        };
    }
}

/// Takes `u64` for `usize`, of which an error stands above: as a type that is no record it would cause others.
fn fix_widths(body: &mut Body) {
    struct Widths;
    impl VisitMut for Widths {
        fn visit_type_mut(&mut self, ty: &mut syn::Type) {
            if matches!(types::word(ty).as_deref(), Some("usize" | "isize")) {
                *ty = syn::parse_quote!(u64);
            }
            visit_mut::visit_type_mut(self, ty);
        }
    }
    let fields = match body {
        Body::Struct(shape) => shape.fields.iter_mut().collect::<Vec<_>>(),
        Body::Enum(variants) => variants.iter_mut().flat_map(|variant| &mut variant.shape.fields).collect(),
    };
    fields.into_iter().for_each(|field| Widths.visit_type_mut(&mut field.ty));
}
