//! After an error: the messages, and an operator on every record, so that the stream which uses it has no errors of its own.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::FnArg;

use super::{
    expand::maker,
    model::{Kind, Operator},
};

/// The messages and the stub.
pub(crate) fn operator(operator: &Operator, error: &syn::Error) -> TokenStream {
    let messages = error.to_compile_error();
    let function = &operator.function;
    if matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_))) {
        // It stands in an impl block, where there can be no items.
        return quote!(#messages #function);
    }
    let (core, runtime) = (operator.paths.core(), operator.paths.runtime());
    let (vis, ident, kind) = (&function.vis, &function.sig.ident, operator.kind.name());
    let maker = maker(operator, |ident, _, _| {
        (quote!(impl ::core::ops::FnOnce() -> #ident), quote!({ let _ = open; || #ident {} }))
    });
    let output = operator.output.as_ref().map(|output| output.record(&operator.paths));
    let implementation = if operator.kind == Kind::Key {
        let key = output.unwrap_or_else(|| quote!(u64));
        quote! {
            impl<__T: #core::record::Record> #runtime::operator::KeyFn<__T> for #ident {
                type Key = #key;
                fn with<__R>(
                    &self,
                    _: __T::View<'_>,
                    _: impl ::core::ops::FnOnce(<Self::Key as #core::record::Record>::View<'_>) -> __R,
                ) -> __R {
                    ::core::unreachable!()
                }
            }
        }
    } else {
        let out = output.filter(|_| operator.kind != Kind::Filter).unwrap_or_else(|| quote!(__T));
        let error = match &operator.error {
            Some(error) => error.to_token_stream(),
            None => quote!(::core::convert::Infallible),
        };
        quote! {
            impl<__T: #core::record::Record> #runtime::operator::Operator<__T> for #ident {
                type Out = #out;
                type Error = #error;
                const KIND: &'static str = #kind;
                fn process<__N: #runtime::operator::Push<Self::Out>>(
                    &mut self,
                    _: __T::View<'_>,
                    _: #core::time::Timestamp,
                    _: &mut __N,
                ) -> ::core::result::Result<(), Self::Error> {
                    ::core::unreachable!()
                }
            }
        }
    };
    quote! {
        #messages

        #[allow(non_camel_case_types, dead_code)]
        #[derive(Clone, Copy, Debug)]
        #vis struct #ident {}

        #maker

        #implementation
    }
}
