//! The impl of `Row`: a struct with named fields is a row wherever all its fields are cells. The bounds name the row's
//! lifetime, so the compiler checks them where a row is asked for, not here.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::{
    super::model::{Body, Record, Style},
    Arm, impl_generics, with_lifetime,
};

/// `impl Row`, for a struct with named fields.
pub(super) fn implementation(record: &Record) -> Option<TokenStream> {
    let Body::Struct(shape) = &record.body else { return None };
    if shape.style != Style::Named || shape.kept().next().is_none() {
        return None;
    }
    let (ident, view, core) = (&record.ident, record.view_ident(), record.paths.core());
    let own = impl_generics(record);
    let (_, ty_generics, _) = own.split_for_impl();
    let mut generics = with_lifetime(&own, "'t");
    let clause = generics.make_where_clause();
    let records: Vec<_> = shape.kept().map(|field| field.record(&record.paths)).collect();
    for ty in &records {
        clause.predicates.push(syn::parse_quote!(#ty: #core::cell::Cell<'t>));
    }
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let columns = shape.kept().map(|field| {
        let (name, required, type_name) = (&field.name, field.default.is_none(), type_name(&field.ty));
        quote!(#core::cell::Column { name: #name, required: #required, type_name: #type_name })
    });
    let values = shape.kept().zip(&records).enumerate().map(|(i, (field, ty))| {
        let member = &field.view_member;
        let absent = match &field.default {
            None => quote! {
                return ::core::result::Result::Err((#i, #core::error::ParseError::new(b"", "a value: the column is missing")))
            },
            Some(default) => match &default.view {
                None => quote_spanned!(field.ty.span()=> <#ty as #core::blank::Blank<'t>>::blank()),
                Some(view) => view.to_token_stream(),
            },
        };
        quote! {
            #member: match __cell(#i) {
                ::core::option::Option::Some(__text) => match <#ty as #core::cell::Cell<'t>>::parse(__text) {
                    ::core::result::Result::Ok(__view) => __view,
                    ::core::result::Result::Err(__error) => return ::core::result::Result::Err((#i, __error)),
                },
                ::core::option::Option::None => #absent,
            }
        }
    });
    let arm = &Arm::all(record)[0];
    let (pattern, bindings) = (arm.view_pattern(&view, "f"), arm.bindings("f"));
    Some(quote! {
        #[automatically_derived]
        impl #impl_generics #core::cell::Row<'t> for #ident #ty_generics #where_clause {
            const COLUMNS: &'static [#core::cell::Column] = &[#(#columns),*];

            #[inline]
            fn parse(
                __cell: impl ::core::ops::Fn(usize) -> ::core::option::Option<&'t [u8]>,
            ) -> ::core::result::Result<Self::View<'t>, (usize, #core::error::ParseError)> {
                ::core::result::Result::Ok(#view { #(#values,)* })
            }

            #[inline]
            fn format(
                __view: Self::View<'_>,
                __out: &mut ::std::vec::Vec<u8>,
                mut __end: impl ::core::ops::FnMut(&mut ::std::vec::Vec<u8>, usize),
            ) {
                let #pattern = __view;
                #(
                    let __start = __out.len();
                    <#records as #core::cell::Cell<'t>>::format(#bindings, __out);
                    __end(__out, __start);
                )*
            }
        }
    })
}

/// A type as the user would read it: tokens are printed with spaces that nobody writes.
fn type_name(ty: &syn::Type) -> String {
    ty.to_token_stream()
        .to_string()
        .replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace(" :: ", "::")
}
