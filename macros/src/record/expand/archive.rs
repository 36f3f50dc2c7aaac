//! The archive: the record's bytes in a buffer. A struct is `repr(C)`; an enum is a byte with the variant's position and then
//! the fields, the layout that `repr(u8)` is defined to have.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use super::{
    super::model::{Body, Record},
    Arm, record_generics,
};

/// The name of the archive type, for this block only.
pub(super) fn ident(record: &Record) -> Ident {
    format_ident!("Archived{}", record.ident, span = Span::mixed_site())
}

/// The struct that a variant's bytes are: its position, then its fields.
pub(super) fn variant_ident(variant: &Ident) -> Ident {
    format_ident!("__Bytes{}", variant, span = Span::mixed_site())
}

/// The definitions of the archive and, for an enum, of the resolver and of the bytes of each variant.
pub(super) fn definition(record: &Record) -> TokenStream {
    let (rkyv, archived) = (record.paths.rkyv(), ident(record));
    let generics = record_generics(record);
    let where_clause = &generics.where_clause;
    let of_impl = super::impl_generics(record);
    let (impl_generics, ty_generics, impl_where) = of_impl.split_for_impl();
    let fields = |arm: &Arm<'_>, part: &str| {
        let parts = arm.kept().map(|field| field.part(&record.paths, part));
        quote!(#(#parts),*)
    };
    let arms = Arm::all(record);
    let types = match &record.body {
        Body::Struct(_) => {
            let fields = fields(&arms[0], "Archived");
            quote! {
                #[repr(C)]
                pub struct #archived #generics (#fields) #where_clause;
            }
        }
        Body::Enum(variants) => {
            let idents: Vec<_> = variants.iter().map(|variant| &variant.ident).collect();
            let bytes = idents.iter().map(|ident| variant_ident(ident));
            let archives: Vec<_> = arms.iter().map(|arm| fields(arm, "Archived")).collect();
            let resolvers = arms.iter().map(|arm| fields(arm, "Resolver"));
            quote! {
                #[repr(u8)]
                #[allow(dead_code)]
                pub enum #archived #generics #where_clause { #(#idents(#archives),)* }

                pub enum __Resolver #generics #where_clause { #(#idents(#resolvers),)* }

                #(
                    #[repr(C)]
                    #[allow(dead_code)]
                    struct #bytes #generics (u8, ::core::marker::PhantomData<#archived #ty_generics>, #archives) #where_clause;
                )*
            }
        }
    };
    quote! {
        #types

        // SAFETY: the layout is fixed by its `repr`, and every part is portable.
        unsafe impl #impl_generics #rkyv::Portable for #archived #ty_generics #impl_where {}
    }
}

/// The check of bytes that come from outside.
pub(super) fn check(record: &Record) -> TokenStream {
    let (core, rkyv, archived) = (record.paths.core(), record.paths.rkyv(), ident(record));
    let generics = super::impl_generics(record);
    let (_, ty_generics, _) = generics.split_for_impl();
    let checker = super::with_lifetime(&generics, "'__c");
    let (impl_generics, _, where_clause) = checker.split_for_impl();
    let result = quote!(::core::result::Result<(), #rkyv::rancor::Error>);
    let checks = |arm: &Arm<'_>, first: usize| {
        let records = arm.as_records(record);
        let places = (first..).map(syn::Index::from);
        let names = arm.kept().map(|field| &field.name);
        let label = &arm.label;
        quote! {
            #({
                // SAFETY: the caller's pointer may be read, and so may its fields.
                let __field = unsafe { ::core::ptr::addr_of!((*__value).#places) };
                // SAFETY: as above.
                let __checked = unsafe {
                    <#records::Archived as #rkyv::bytecheck::CheckBytes<#core::record::Validator<'__c>>>
                        ::check_bytes(__field, __context)
                };
                if let ::core::result::Result::Err(__error) = __checked {
                    return ::core::result::Result::Err(#rkyv::rancor::Trace::trace(
                        __error,
                        #rkyv::bytecheck::StructCheckContext { struct_name: #label, field_name: #names },
                    ));
                }
            })*
        }
    };
    let arms = Arm::all(record);
    let body = match &record.body {
        Body::Struct(_) => checks(&arms[0], 0),
        Body::Enum(_) => {
            let name = record.ident.to_string();
            let positions = 0u8..=u8::MAX;
            let bytes = arms.iter().map(|arm| arm.variant.map(variant_ident));
            let checks = arms.iter().map(|arm| checks(arm, 2));
            quote! {
                // SAFETY: the caller's pointer may be read, and every byte is a `u8`.
                let __position = unsafe { *__value.cast::<u8>() };
                match __position {
                    #(#positions => {
                        let __value = __value.cast::<#bytes #ty_generics>();
                        #checks
                    })*
                    __position => {
                        return ::core::result::Result::Err(<#rkyv::rancor::Error as #rkyv::rancor::Source>::new(
                            #rkyv::bytecheck::InvalidEnumDiscriminantError {
                                enum_name: #name,
                                invalid_discriminant: __position,
                            },
                        ));
                    }
                }
            }
        }
    };
    quote! {
        // SAFETY: `check_bytes` succeeds only if the variant, if there is one, exists and every field is valid.
        unsafe impl #impl_generics #rkyv::bytecheck::CheckBytes<#core::record::Validator<'__c>> for #archived #ty_generics #where_clause {
            #[allow(unused_variables)]
            unsafe fn check_bytes(__value: *const Self, __context: &mut #core::record::Validator<'__c>) -> #result {
                #body
                ::core::result::Result::Ok(())
            }
        }
    }
}
