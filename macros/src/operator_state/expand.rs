//! Emits the impl, and what stands for it after an error.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, spanned::Spanned as _};

use super::model::{Field, OperatorState, Spread};

/// The impl.
pub(crate) fn state(state: &OperatorState) -> TokenStream {
    let (process, runtime) = (state.paths.process(), state.paths.runtime());
    let ident = &state.ident;
    let begin = {
        let process = state.paths.process_at(ident.span());
        quote_spanned!(ident.span()=> <#ident as #process::Absent>::absent())
    };
    let describe = state.fields.iter().map(|field| {
        let (part, record) = (part(state, field), &field.record);
        let span = record.span();
        quote_spanned!(span=> #part.describe::<#record>())
    });
    let snapshot = state.fields.iter().map(|field| {
        let (part, ident) = (part(state, field), &field.ident);
        let records = match field.spread {
            Spread::Broadcast => quote!(::core::slice::from_ref(&self.#ident)),
            Spread::List | Spread::Union => quote!(&self.#ident),
        };
        quote!(::core::iter::Extend::extend(&mut __parts, #part.snapshot(__access, #records)?);)
    });
    let restore = state.fields.iter().map(|field| {
        let (part, ident) = (part(state, field), &field.ident);
        let value = match field.spread {
            Spread::Broadcast => quote!(__records.pop()),
            Spread::List | Spread::Union => quote!(::core::option::Option::Some(__records)),
        };
        quote! {
            if let ::core::option::Option::Some(mut __records) = #part.restore(__access)?
                && let ::core::option::Option::Some(__value) = #value
            {
                self.#ident = __value;
            }
        }
    });
    let all = state.fields.iter().all(|field| field.spread == Spread::Broadcast);
    let is_broadcast = all.then(|| quote!(impl #process::BroadcastState for #ident {}));
    quote! {
        #[allow(unused_mut)]
        impl #process::OperatorState for #ident {
            fn begin() -> Self {
                #begin
            }

            fn describe() -> ::std::vec::Vec<#runtime::graph::StateInfo> {
                ::std::vec![#(#describe),*]
            }

            fn snapshot(
                &self,
                __access: &#process::StateAccess,
            ) -> ::core::result::Result<::std::vec::Vec<#process::ValuePart>, #runtime::failure::Failure> {
                let mut __parts = ::std::vec::Vec::new();
                #(#snapshot)*
                ::core::result::Result::Ok(__parts)
            }

            fn restore(
                &mut self,
                __access: &#process::StateAccess,
            ) -> ::core::result::Result<(), #runtime::failure::Failure> {
                #(#restore)*
                ::core::result::Result::Ok(())
            }
        }

        #is_broadcast
    }
}

/// `Part::new("waiting", Spread::List)`.
fn part(state: &OperatorState, field: &Field) -> TokenStream {
    let (process, name) = (state.paths.process(), &field.name);
    let spread = Ident::new(field.spread.variant(), Span::call_site());
    quote!(#process::Part::new(#name, #process::Spread::#spread))
}

/// After an error: the messages, and an impl without states, so that the functions which use the state have no errors of their own.
pub(crate) fn fallback(state: &OperatorState, error: &syn::Error) -> TokenStream {
    let messages = error.to_compile_error();
    let (process, runtime, ident) = (state.paths.process(), state.paths.runtime(), &state.ident);
    let (impl_generics, ty_generics, where_clause) = state.generics.split_for_impl();
    let result = |ok: TokenStream| quote!(::core::result::Result<#ok, #runtime::failure::Failure>);
    let (parts, nothing) = (result(quote!(::std::vec::Vec<#process::ValuePart>)), result(quote!(())));
    quote! {
        #messages

        impl #impl_generics #process::OperatorState for #ident #ty_generics #where_clause {
            fn begin() -> Self { ::core::unreachable!() }
            fn describe() -> ::std::vec::Vec<#runtime::graph::StateInfo> { ::core::unreachable!() }
            fn snapshot(&self, _: &#process::StateAccess) -> #parts { ::core::unreachable!() }
            fn restore(&mut self, _: &#process::StateAccess) -> #nothing { ::core::unreachable!() }
        }

        impl #impl_generics #process::BroadcastState for #ident #ty_generics #where_clause {}
    }
}
