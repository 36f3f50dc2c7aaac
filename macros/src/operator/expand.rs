//! Emits the type, the function that names it, and the impl.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;

use super::model::{Kind, Operator};
use crate::types;

/// Everything an annotated function becomes.
pub(crate) fn operator(operator: &Operator) -> TokenStream {
    let items = items(operator);
    let implementation = match operator.kind {
        Kind::Key => key(operator),
        _ => stage(operator),
    };
    quote!(#items #implementation)
}

/// The type and the function of the same name.
pub(super) fn items(operator: &Operator) -> TokenStream {
    let (docs, runtime) = (&operator.docs, operator.paths.runtime());
    let (vis, ident) = (&operator.function.vis, &operator.function.sig.ident);
    let mut call = operator.function.clone();
    call.sig.ident = syn::Ident::new("call", ident.span());
    quote! {
        #(#docs)*
        #[allow(non_camel_case_types, dead_code)]
        #[derive(Clone, Copy, Debug)]
        #vis struct #ident {}

        #[allow(non_camel_case_types, dead_code, clippy::allow_attributes)]
        impl #ident {
            #call
        }

        #(#docs)*
        #[inline(always)]
        #vis fn #ident() -> #ident {
            #ident {}
        }
    }
}

/// The call of the user's function on the record that is being processed.
fn call(operator: &Operator) -> TokenStream {
    let at = operator.timed.then(|| quote!(, __at));
    let question = operator.error.as_ref().map(|_| quote!(?));
    quote!(Self::call(__record #at) #question)
}

fn stage(operator: &Operator) -> TokenStream {
    let (core, runtime) = (operator.paths.core(), operator.paths.runtime());
    let (ident, kind) = (&operator.function.sig.ident, operator.kind);
    let (name, kind_name) = (ident.unraw().to_string(), kind.name());
    let (Some(input), Some(output)) = (&operator.input, &operator.output) else { return TokenStream::new() };
    let record = types::record_of(input, &operator.paths);
    let out = if kind == Kind::Filter { record.clone() } else { output.record(&operator.paths) };
    let error = match &operator.error {
        Some(error) => error.to_token_stream(),
        None => quote!(::core::convert::Infallible),
    };
    let call = call(operator);
    let push = {
        let view = output.view(&operator.paths, &quote!(__value));
        quote!(#runtime::operator::Push::<Self::Out>::push(__out, #view, __at);)
    };
    let body = match kind {
        Kind::Filter => quote! {
            if #call {
                #runtime::operator::Push::<Self::Out>::push(__out, __record, __at);
            }
        },
        Kind::FlatMap => quote!(for __value in #call { #push }),
        Kind::FilterMap => quote!(if let ::core::option::Option::Some(__value) = #call { #push }),
        Kind::Map | Kind::Key => quote!(let __value = #call; #push),
    };
    let location = location(operator);
    quote! {
        impl #runtime::operator::Operator<#record> for #ident {
            type Out = #out;
            type Error = #error;

            const KIND: &'static str = #kind_name;

            fn name(&self) -> &'static str {
                #name
            }

            fn location(&self) -> ::core::option::Option<#runtime::operator::Location> {
                ::core::option::Option::Some(#location)
            }

            #[inline(always)]
            fn process<__N: #runtime::operator::Push<Self::Out>>(
                &mut self,
                __record: <#record as #core::record::Record>::View<'_>,
                __at: #core::time::Timestamp,
                __out: &mut __N,
            ) -> ::core::result::Result<(), Self::Error> {
                #body
                ::core::result::Result::Ok(())
            }
        }
    }
}

fn key(operator: &Operator) -> TokenStream {
    let (core, runtime) = (operator.paths.core(), operator.paths.runtime());
    let ident = &operator.function.sig.ident;
    let name = ident.unraw().to_string();
    let (Some(input), Some(output)) = (&operator.input, &operator.output) else { return TokenStream::new() };
    let record = types::record_of(input, &operator.paths);
    let key = output.record(&operator.paths);
    let view = output.view(&operator.paths, &quote!(__key));
    quote! {
        impl #runtime::operator::KeyFn<#record> for #ident {
            type Key = #key;

            fn name(&self) -> &'static str {
                #name
            }

            #[inline(always)]
            fn with<__R>(
                &self,
                __record: <#record as #core::record::Record>::View<'_>,
                __then: impl ::core::ops::FnOnce(<Self::Key as #core::record::Record>::View<'_>) -> __R,
            ) -> __R {
                let __key = Self::call(__record);
                __then(#view)
            }
        }
    }
}

/// Where the function is written.
fn location(operator: &Operator) -> TokenStream {
    let runtime = operator.paths.runtime();
    let span = operator.function.sig.ident.span();
    quote_spanned! {span=>
        #runtime::operator::Location { file: ::core::file!(), line: ::core::line!(), column: ::core::column!() }
    }
}
