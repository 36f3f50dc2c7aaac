//! After an error: the messages, and an operator on the same records, so that the stream which uses it has no errors of its own.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::FnArg;

use super::{
    expand::{client_type, maker, record, sink},
    model::{Function, Kind, Order},
};
use crate::types;

/// The messages and the stub.
pub(super) fn function(function: &Function, error: &syn::Error) -> TokenStream {
    let messages = error.to_compile_error();
    let item = &function.item;
    if matches!(item.sig.inputs.first(), Some(FnArg::Receiver(_))) {
        // It stands in an impl block, where there can be no items.
        return quote!(#messages #item);
    }
    // Without a record there is nothing that a stream could be checked against.
    let Some(input) = &function.input else { return messages };
    let paths = &function.options.paths;
    let (core, runtime) = (paths.core(), paths.runtime());
    let io = quote!(#runtime::async_io);
    let (vis, ident, kind) = (&item.vis, &item.sig.ident, function.kind.operator());
    let record = record(function, input);
    let put_out = function.output.as_ref().and_then(|output| output.record.as_ref());
    let out = match put_out {
        _ if function.kind == Kind::Sink => quote!(()),
        Some(out) if types::borrows(out) => types::record_of(out, paths),
        Some(out) => out.to_token_stream(),
        None => record.clone(),
    };
    let sink = (function.kind == Kind::Sink).then(|| sink(function));
    let client = client_type(function);
    let queue = if function.options.order == Order::ByKey { quote!(KeyByKey) } else { quote!(Together) };
    let maker = maker(function);
    quote! {
        #messages

        #[allow(non_camel_case_types, dead_code)]
        #[derive(Clone, Copy, Debug)]
        #vis struct #ident {}

        #maker

        impl #io::AsyncFunction for #ident {
            type In = #record;
            type Out = #out;
            type Client = #client;
            type Request = #record;
            type Requests = #io::OneRequest<#record>;
            type Answer = ();
            type Error = ::core::convert::Infallible;
            type Queue = #io::#queue;

            const KIND: &'static str = #kind;
            const NAME: &'static str = "";
            const LOCATION: #runtime::operator::Location =
                #runtime::operator::Location { file: "", line: 0, column: 0 };
            const OPTIONS: #io::AsyncOptions = #io::AsyncOptions::DEFAULT;

            fn request(
                &self,
                _: <#record as #core::record::Record>::View<'_>,
                _: #core::time::Timestamp,
            ) -> Self::Request {
                ::core::unreachable!()
            }

            fn call(
                _: ::std::sync::Arc<Self::Client>,
                _: Self::Requests,
            ) -> impl ::core::future::Future<Output = #io::Answers<(), ::core::convert::Infallible>> + Send + 'static {
                ::core::future::pending()
            }

            fn put_out<'__a, __N: #runtime::operator::Push<Self::Out>>(
                _: &'__a (),
                _: <#record as #core::record::Record>::View<'__a>,
                _: #core::time::Timestamp,
                _: &mut __N,
            ) {
            }

            fn copy(_: &()) {}
        }

        #sink
    }
}
