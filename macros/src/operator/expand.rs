//! Emits the type, the function that names it, and the impl.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Type, ext::IdentExt as _, spanned::Spanned as _};

use super::model::{Kind, Operator, Resource};
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
    let docs = &operator.docs;
    let (vis, ident) = (&operator.function.vis, &operator.function.sig.ident);
    let mut call = operator.function.clone();
    call.sig.ident = syn::Ident::new("call", ident.span());
    let maker = maker(operator, |ident, resource, runtime| {
        let made = quote!(#runtime::operator::Opened<#ident, #resource>);
        (made, quote!(#runtime::operator::Opened::new(open)))
    });
    quote! {
        #(#docs)*
        #[allow(non_camel_case_types, dead_code, missing_docs)]
        #[derive(Clone, Copy, Debug)]
        #vis struct #ident {}

        #[allow(non_camel_case_types, dead_code, missing_docs)]
        impl #ident {
            #call
        }

        #(#docs)*
        #maker
    }
}

/// The function that `.then(..)` is given: by its name, or, with a resource, called with what opens that; `opened` says of which type it then
/// is, and makes it.
pub(super) fn maker(
    operator: &Operator,
    opened: impl Fn(&Ident, &Type, &TokenStream) -> (TokenStream, TokenStream),
) -> TokenStream {
    let (vis, ident) = (&operator.function.vis, &operator.function.sig.ident);
    let Some(Resource { ty, .. }) = &operator.resource else {
        return quote! {
            #[inline(always)]
            #vis fn #ident() -> #ident {
                #ident {}
            }
        };
    };
    let runtime = operator.paths.runtime();
    let (made, make) = opened(ident, ty, &runtime);
    quote! {
        #vis fn #ident<__E: ::core::fmt::Display>(
            open: impl ::core::ops::Fn(&#runtime::operator::OpenContext<'_>) -> ::core::result::Result<#ty, __E>
            + ::core::marker::Send
            + ::core::marker::Sync
            + 'static,
        ) -> #made {
            #make
        }
    }
}

/// The call of the user's function on the record that is being processed.
fn call(operator: &Operator) -> TokenStream {
    let at = operator.timed.then(|| quote!(, __at));
    let question = operator.error.as_ref().map(|_| quote!(?));
    let resource = operator.resource.as_ref().map(|_| quote!(__resource,));
    quote!(Self::call(#resource __record #at) #question)
}

fn stage(operator: &Operator) -> TokenStream {
    let (core, runtime) = (operator.paths.core(), operator.paths.runtime());
    let (ident, kind) = (&operator.function.sig.ident, operator.kind);
    let (name, kind_name) = (ident.unraw().to_string(), kind.name());
    let (Some(input), Some(output)) = (&operator.input, &operator.output) else { return TokenStream::new() };
    let record = types::record_of(input, &operator.paths);
    // What is wrong with the argument or the result is said on their types.
    let (input_span, output_span) = (input.span(), output.span());
    let head = {
        let runtime = operator.paths.runtime_at(input_span);
        match operator.resource {
            None => quote_spanned!(input_span=> impl #runtime::operator::Operator<#record> for #ident),
            Some(_) => quote_spanned!(input_span=> impl #runtime::operator::WithResource for #ident),
        }
    };
    let view_type = {
        let core = operator.paths.core_at(input_span);
        quote_spanned!(input_span=> <#record as #core::record::Record>::View<'_>)
    };
    let push_at = |span| {
        let runtime = operator.paths.runtime_at(span);
        quote_spanned!(span=> #runtime::operator::Push::<Self::Out>::push)
    };
    let out = if kind == Kind::Filter { record.clone() } else { output.record(&operator.paths) };
    let error = match &operator.error {
        Some(error) => error.to_token_stream(),
        None => quote!(::core::convert::Infallible),
    };
    let call = call(operator);
    let push = {
        let view = output.view(&operator.paths, &quote!(__value));
        let push = push_at(output_span);
        quote!(#push(__out, #view, __at);)
    };
    let body = match kind {
        Kind::Filter => {
            let push = push_at(input_span);
            quote!(if #call { #push(__out, __record, __at); })
        }
        Kind::FlatMap => quote!(for __value in #call { #push }),
        Kind::FilterMap => quote!(if let ::core::option::Option::Some(__value) = #call { #push }),
        Kind::Map | Kind::Key => quote!(let __value = #call; #push),
    };
    let location = location(operator);
    let push_bound = {
        let runtime = operator.paths.runtime_at(output_span);
        quote_spanned!(output_span=> #runtime::operator::Push<Self::Out>)
    };
    let (description, receiver) = match &operator.resource {
        None => {
            let description = quote! {
                const WATERMARK_MAY_FAIL: bool = false;

                fn name(&self) -> &'static str {
                    #name
                }

                fn location(&self) -> ::core::option::Option<#runtime::operator::Location> {
                    ::core::option::Option::Some(#location)
                }
            };
            (description, quote!(&mut self))
        }
        Some(Resource { ty, .. }) => {
            let description = quote! {
                type In = #record;
                type Resource = #ty;

                const NAME: &'static str = #name;
                const LOCATION: #runtime::operator::Location = #location;
            };
            (description, quote!(__resource: &mut #ty))
        }
    };
    quote! {
        #head {
            type Out = #out;
            type Error = #error;

            const KIND: &'static str = #kind_name;

            #description

            #[inline(always)]
            fn process<__N: #push_bound>(
                #receiver,
                __record: #view_type,
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
    let ident = &operator.function.sig.ident;
    let name = ident.unraw().to_string();
    let (Some(input), Some(output)) = (&operator.input, &operator.output) else { return TokenStream::new() };
    let (core, runtime) = (operator.paths.core_at(input.span()), operator.paths.runtime_at(input.span()));
    let record = types::record_of(input, &operator.paths);
    let key = output.record(&operator.paths);
    let view = output.view(&operator.paths, &quote!(__key));
    let head = quote_spanned!(input.span()=> impl #runtime::operator::KeyFn<#record> for #ident);
    let core_at_key = operator.paths.core_at(output.span());
    let key_view = quote_spanned!(output.span()=> <Self::Key as #core_at_key::record::Record>::View<'_>);
    let record_view = quote_spanned!(input.span()=> <#record as #core::record::Record>::View<'_>);
    quote! {
        #head {
            type Key = #key;

            fn name(&self) -> &'static str {
                #name
            }

            #[inline(always)]
            fn with<__R>(
                &self,
                __record: #record_view,
                __then: impl ::core::ops::FnOnce(#key_view) -> __R,
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
