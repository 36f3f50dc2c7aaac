//! After an error: the messages, and state without tables whose handle has the fields, so that the functions which use it have no errors of their own.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    expand::{handle, row},
    model::State,
};

/// The messages and the stub.
pub(crate) fn state(state: &State, error: &syn::Error) -> TokenStream {
    let messages = error.to_compile_error();
    if state.no_struct || !state.generics.params.is_empty() || (state.plain.is_empty() && state.own.is_empty()) {
        return messages;
    }
    let (core, process, runtime) = (state.paths.core(), state.paths.process(), state.paths.runtime());
    let (row, handle, ident) = (row(state), handle(state), &state.ident);
    let handle_type = if state.own.is_empty() {
        quote!(#process::Fields<'a, 'k, K, #ident>)
    } else {
        let handle = state.handle();
        quote!(#handle<'a, 'k, K>)
    };
    let deref = state.row().filter(|_| !state.own.is_empty()).map(|row| {
        let handle = state.handle();
        quote! {
            impl<K: #core::key::Key> ::core::ops::Deref for #handle<'_, '_, K> {
                type Target = #row;
                fn deref(&self) -> &#row { ::core::unreachable!() }
            }
            impl<K: #core::key::Key> ::core::ops::DerefMut for #handle<'_, '_, K> {
                fn deref_mut(&mut self) -> &mut #row { ::core::unreachable!() }
            }
        }
    });
    quote! {
        #messages

        #row
        #handle

        #[allow(private_interfaces)]
        const _: () = {
            impl #process::State for #ident {
                type Tables<K: #core::key::Key> = ();
                type Handle<'a, 'k, K: #core::key::Key> = #handle_type;
                fn describe<K: #core::key::Key>() -> ::std::vec::Vec<#runtime::graph::StateInfo> { ::core::unreachable!() }
                fn open<K: #core::key::Key>(_: &#process::Opening<'_>) {}
                fn handle<'a, 'k, K: #core::key::Key>(
                    _: &'a mut (),
                    _: #process::Hashed<'k, K>,
                ) -> Self::Handle<'a, 'k, K> {
                    ::core::unreachable!()
                }
            }

            #deref
        };
    }
}
