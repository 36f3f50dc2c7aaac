//! After an error: the messages, and state without tables whose handle has the fields, so that the functions which use it have no errors of their own.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    expand::{handle, visible_row},
    model::State,
};

/// The messages and the stub.
pub(crate) fn state(state: &State, error: &syn::Error) -> TokenStream {
    let messages = error.to_compile_error();
    if state.no_struct || (state.row.is_none() && state.own.is_empty()) {
        return messages;
    }
    let (core, process, runtime) = (state.paths.core(), state.paths.process(), state.paths.runtime());
    let ident = &state.ident;
    let key = quote!(K: #core::key::Key);
    let marker = quote!(::core::marker::PhantomData<(&'a (), &'k (), K)>);
    let (visible, handle, target) = match &state.row {
        Some(_) if state.own.is_empty() => {
            let handle = quote!(pub struct __Handle<'a, 'k, #key>(#marker););
            (handle, quote!(__Handle), Some(ident))
        }
        row => {
            let visible = row.as_ref().map(|row| visible_row(state, row));
            let (definition, name) = (handle(state, Some(quote!(__fields: #marker,))), state.handle());
            (quote!(#visible #definition), quote!(#name), row.as_ref().map(|row| &row.ident))
        }
    };
    let deref = target.map(|target| {
        quote! {
            impl<#key> ::core::ops::Deref for #handle<'_, '_, K> {
                type Target = #target;
                fn deref(&self) -> &#target { ::core::unreachable!() }
            }
            impl<#key> ::core::ops::DerefMut for #handle<'_, '_, K> {
                fn deref_mut(&mut self) -> &mut #target { ::core::unreachable!() }
            }
        }
    });
    let (outside, inside) = if state.own.is_empty() { (None, Some(visible)) } else { (Some(visible), None) };
    quote! {
        #messages

        #outside

        #[allow(private_interfaces, unreachable_pub)]
        const _: () = {
            #inside

            impl #process::State for #ident {
                type Tables<#key> = ();
                type Handle<'a, 'k, #key> = #handle<'a, 'k, K>;
                fn describe<#key>() -> ::std::vec::Vec<#runtime::graph::StateInfo> { ::core::unreachable!() }
                fn open<#key>(_: &#process::Opening<'_>) {}
                fn handle<'a, 'k, #key>(_: &'a mut (), _: #process::Hashed<'k, K>) -> Self::Handle<'a, 'k, K> {
                    ::core::unreachable!()
                }
            }

            #deref

            #[allow(dead_code)]
            impl<#key> #handle<'_, '_, K> {
                pub fn is_absent(&self) -> bool { ::core::unreachable!() }
                pub fn clear(&mut self) {}
                pub fn clear_fields(&mut self) {}
            }
        };
    }
}
