//! Emits the type, the function that makes its operator, and the impl.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Type, ext::IdentExt as _, spanned::Spanned as _};

use super::model::{Function, Input, Kind, Order, Output, Retry, Taken};
use crate::types;

/// Everything an annotated async function becomes.
pub(super) fn function(function: &Function) -> TokenStream {
    let (items, implementation) = (items(function), implementation(function));
    quote!(#items #implementation)
}

/// The type and the function of the same name.
fn items(function: &Function) -> TokenStream {
    let docs = &function.docs;
    let (vis, ident) = (&function.item.vis, &function.item.sig.ident);
    let mut call = function.item.clone();
    call.sig.ident = syn::Ident::new("call", ident.span());
    let maker = maker(function);
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

/// The function that `.then_async(..)` is given: by its name, or, with a client, called with what opens that.
pub(super) fn maker(function: &Function) -> TokenStream {
    let (vis, ident) = (&function.item.vis, &function.item.sig.ident);
    let runtime = function.options.paths.runtime();
    let made = quote!(#runtime::async_io::Asynchronous<#ident>);
    let make = if function.kind.blocks() { quote!(blocking) } else { quote!(new) };
    let Some(client) = &function.client else {
        return quote! {
            #vis fn #ident() -> #made {
                #runtime::async_io::Asynchronous::#make(
                    #ident {},
                    |_| ::core::result::Result::<(), ::core::convert::Infallible>::Ok(()),
                )
            }
        };
    };
    quote! {
        #vis fn #ident<__E: ::core::fmt::Display>(
            open: impl ::core::ops::Fn(&#runtime::operator::OpenContext<'_>) -> ::core::result::Result<#client, __E>
            + ::core::marker::Send
            + ::core::marker::Sync
            + 'static,
        ) -> #made {
            #runtime::async_io::Asynchronous::#make(#ident {}, open)
        }
    }
}

/// The record that the function takes.
pub(super) fn record(function: &Function, input: &Input) -> TokenStream {
    match input.taken {
        Taken::View => types::record_of(&input.ty, &function.options.paths),
        Taken::Owned | Taken::Borrowed => input.ty.to_token_stream(),
    }
}

fn implementation(function: &Function) -> TokenStream {
    let Function { kind, options, item, timed, .. } = function;
    let (Some(input), Some(output)) = (&function.input, &function.output) else { return TokenStream::new() };
    let (core, runtime) = (options.paths.core(), options.paths.runtime());
    let io = quote!(#runtime::async_io);
    let ident = &item.sig.ident;
    let (name, kind_name) = (ident.unraw().to_string(), kind.operator());
    let record = record(function, input);
    let core_at_input = options.paths.core_at(input.ty.span());
    let request = if *timed { quote!((#record, #core::time::Timestamp)) } else { record.clone() };
    let is_batch = options.batch.is_some();
    let requests = if is_batch { quote!(::std::vec::Vec<#request>) } else { quote!(#io::OneRequest<#request>) };
    let make_request = {
        let owned = quote_spanned!(input.ty.span()=> <#record as #core_at_input::record::Record>::from_view(__record));
        if *timed { quote!((#owned, __at)) } else { owned }
    };
    let client_type = client_type(function);
    let Output { answer, .. } = output;
    let error = output.error.as_ref().map_or_else(|| quote!(::core::convert::Infallible), ToTokens::to_token_stream);
    let out = match &output.record {
        _ if *kind == Kind::Sink => quote!(()),
        Some(out) => out.to_token_stream(),
        None => record.clone(),
    };
    let sink = (*kind == Kind::Sink).then(|| sink(function));
    let queue = if options.order == Order::ByKey { quote!(KeyByKey) } else { quote!(Together) };
    let call = call(function, input, output);
    let put_out = put_out(function, output);
    // What is wrong with what is put out is said where it is written.
    let push_bound = {
        let span = output.record.as_ref().map_or_else(proc_macro2::Span::call_site, |record| record.span());
        let runtime = options.paths.runtime_at(span);
        quote_spanned!(span=> #runtime::operator::Push<Self::Out>)
    };
    let given = options_of(function);
    let copy = copy(function, output);
    let (retry, fallback) = (wants_retry(function, output), fallback(function, output));
    let location = {
        let span = ident.span();
        quote_spanned! {span=>
            #runtime::operator::Location { file: ::core::file!(), line: ::core::line!(), column: ::core::column!() }
        }
    };
    quote! {
        impl #io::AsyncFunction for #ident {
            type In = #record;
            type Out = #out;
            type Client = #client_type;
            type Request = #request;
            type Requests = #requests;
            type Answer = #answer;
            type Error = #error;
            type Queue = #io::#queue;

            const KIND: &'static str = #kind_name;
            const NAME: &'static str = #name;
            const LOCATION: #runtime::operator::Location = #location;
            const OPTIONS: #io::AsyncOptions = #given;

            #[inline(always)]
            fn request(
                &self,
                __record: <#record as #core::record::Record>::View<'_>,
                __at: #core::time::Timestamp,
            ) -> Self::Request {
                #make_request
            }

            #call

            #[inline(always)]
            fn put_out<'__a, __N: #push_bound>(
                __answer: &'__a Self::Answer,
                __record: <#record as #core::record::Record>::View<'__a>,
                __at: #core::time::Timestamp,
                __out: &mut __N,
            ) {
                #put_out
            }

            fn copy(__answer: &Self::Answer) -> Self::Answer {
                #copy
            }

            #retry

            #fallback
        }

        #sink
    }
}

/// What all calls of a subtask share: of calls that block, a client each.
pub(super) fn client_type(function: &Function) -> TokenStream {
    let client = function.client.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream);
    if function.kind.blocks() {
        let runtime = function.options.paths.runtime();
        return quote!(#runtime::async_io::Pool<#client>);
    }
    client
}

/// That a function writes, and what that promises.
pub(super) fn sink(function: &Function) -> TokenStream {
    let runtime = function.options.paths.runtime();
    let ident = &function.item.sig.ident;
    let guarantee = if function.options.idempotent { quote!(ExactlyOnce) } else { quote!(AtLeastOnce) };
    quote! {
        impl #runtime::async_io::AsyncSink for #ident {
            type Guarantee = #runtime::stream::#guarantee;
        }
    }
}

/// The answer once more: records are copied by way of their views, so they need not be `Clone`.
fn copy(function: &Function, output: &Output) -> TokenStream {
    let Some(record) = &output.record else { return quote!(*__answer) };
    let core = function.options.paths.core_at(record.span());
    let copy = |value: TokenStream| quote_spanned!(record.span()=> <#record as #core::record::Record>::from_view(<#record as #core::record::Record>::view(#value)));
    if function.kind.plain() == Kind::Map {
        return copy(quote!(__answer));
    }
    let copy = copy(quote!(__value));
    match &output.answer {
        Type::Array(_) => quote!(__answer.each_ref().map(|__value| #copy)),
        answer if types::is(answer, "Option") => quote!(__answer.as_ref().map(|__value| #copy)),
        _ => quote!(__answer.iter().map(|__value| #copy).collect()),
    }
}

/// The method that makes a call.
fn call(function: &Function, input: &Input, output: &Output) -> TokenStream {
    let Function { options, item, client, timed, .. } = function;
    let runtime = options.paths.runtime();
    let io = quote!(#runtime::async_io);
    let ident = &item.sig.ident;
    let blocks = function.kind.blocks();
    let client = client.as_ref().map(|_| if blocks { quote!(__client,) } else { quote!(&*__client,) });
    let take = match (options.batch.is_some(), timed) {
        (true, _) => quote!(let __count = __requests.len(); let _ = __count; let __record = __requests;),
        (false, true) => quote!(let #io::OneRequest((__record, __at)) = __requests;),
        (false, false) => quote!(let #io::OneRequest(__record) = __requests;),
    };
    let record = match input.taken {
        Taken::Owned => quote!(__record),
        Taken::Borrowed => quote!(&__record),
        Taken::View => {
            let core = options.paths.core_at(input.ty.span());
            quote_spanned!(input.ty.span()=> #core::record::Record::view(&__record))
        }
    };
    let at = timed.then(|| quote!(, __at));
    let ok = quote!(::core::result::Result::Ok);
    let answers = match (options.batch.is_some(), output.fails_as_a_whole, output.fails_one_by_one) {
        (true, whole, false) if function.kind == Kind::Sink => {
            let written = quote!(#io::Answers::Each((0..__count).map(|_| #ok(())).collect()));
            if whole {
                quote!(match __given {
                    #ok(()) => #written,
                    ::core::result::Result::Err(__error) => #io::Answers::None(__error),
                })
            } else {
                quote!({ let () = __given; #written })
            }
        }
        (true, true, _) => quote!(match __given {
            #ok(__answers) => #io::Answers::Each(__answers.into_iter().map(#ok).collect()),
            ::core::result::Result::Err(__error) => #io::Answers::None(__error),
        }),
        (true, false, true) => quote!(#io::Answers::Each(__given)),
        (true, false, false) => quote!(#io::Answers::Each(__given.into_iter().map(#ok).collect())),
        (false, ..) if output.error.is_some() => quote!(#io::Answers::One(__given)),
        (false, ..) => quote!(#io::Answers::One(#ok(__given))),
    };
    // What is wrong with the future, that it is not `Send`, is said of the function.
    let span = ident.span();
    let future = quote_spanned! {span=>
        impl ::core::future::Future<Output = #io::Answers<Self::Answer, Self::Error>> + ::core::marker::Send + 'static
    };
    let body = if blocks {
        quote! {
            __client.run(move |__client| {
                let _ = &__client;
                #take
                let __given = #ident::call(#client #record #at);
                #answers
            })
        }
    } else {
        quote! {
            async move {
                let _ = &__client;
                #take
                let __given = #ident::call(#client #record #at).await;
                #answers
            }
        }
    };
    quote! {
        fn call(
            __client: ::std::sync::Arc<Self::Client>,
            __requests: Self::Requests,
        ) -> #future {
            #body
        }
    }
}

fn put_out(function: &Function, output: &Output) -> TokenStream {
    let span = output.record.as_ref().map_or_else(proc_macro2::Span::call_site, |record| record.span());
    let (core, runtime) = (function.options.paths.core_at(span), function.options.paths.runtime_at(span));
    let push = quote_spanned!(span=> #runtime::operator::Push::<Self::Out>::push);
    let view = |value: TokenStream| quote_spanned!(span=> <Self::Out as #core::record::Record>::view(#value));
    match function.kind.plain() {
        Kind::Sink => quote!({ let _ = (__answer, __record); #push(__out, (), __at); }),
        Kind::Map => {
            let view = view(quote!(__answer));
            quote!(#push(__out, #view, __at);)
        }
        Kind::Filter => quote!(if *__answer { #push(__out, __record, __at); }),
        _ => {
            let view = view(quote!(__value));
            quote!(for __value in __answer.iter() { #push(__out, #view, __at); })
        }
    }
}

/// The constant of the attribute's options.
fn options_of(function: &Function) -> TokenStream {
    let options = &function.options;
    let runtime = options.paths.runtime();
    let io = quote!(#runtime::async_io);
    let some = quote!(::core::option::Option::Some);
    let duration = |millis: &u64| quote!(::core::time::Duration::from_millis(#millis));
    let capacity = options.capacity.map(|capacity| quote!(capacity: #capacity,));
    let capacity = capacity.or_else(|| function.kind.blocks().then(|| quote!(capacity: #io::DEFAULT_CLIENTS,)));
    let order = match options.order {
        Order::Ordered => quote!(Ordered),
        Order::Unordered => quote!(Unordered),
        Order::ByKey => quote!(ByKey),
    };
    let timeout = options.timeout.as_ref().map(duration).map(|timeout| quote!(timeout: #some(#timeout),));
    let attempt = options.attempt_timeout.as_ref().map(duration);
    let attempt = attempt.map(|timeout| quote!(attempt_timeout: #some(#timeout),));
    let retry = options.retry.as_ref().map(|retry| {
        let retry = match retry {
            Retry::Fixed { times, millis } => {
                let wait = duration(millis);
                quote!(fixed(#times, #wait))
            }
            Retry::Exponential { times, millis, limit } => {
                let first = millis.as_ref().map_or_else(|| quote!(#io::DEFAULT_BACKOFF), duration);
                let limit = limit.as_ref().map_or_else(|| quote!(#io::DEFAULT_BACKOFF_LIMIT), duration);
                quote!(exponential(#times, #first, #limit))
            }
        };
        quote!(retry: #some(#io::Retry::#retry),)
    });
    let cache = options.cache.map(|entries| {
        let ttl = options.cache_ttl.as_ref().map(duration);
        let ttl = ttl.map_or_else(|| quote!(::core::option::Option::None), |ttl| quote!(#some(#ttl)));
        quote!(cache: #some(#io::CacheOptions { entries: #entries, ttl: #ttl }),)
    });
    let rate = options.rate.map(|rate| quote!(rate: #some(#rate),));
    let batch = options.batch.as_ref().map(|batch| {
        let (max, linger) = (batch.max, duration(&batch.linger));
        quote!(batch: #some(#io::BatchOptions { max: #max, linger: #linger }),)
    });
    quote! {
        #io::AsyncOptions {
            #capacity
            order: #io::Order::#order,
            #timeout
            #attempt
            #retry
            #cache
            #rate
            #batch
            ..#io::AsyncOptions::DEFAULT
        }
    }
}

/// The method that says which calls are made again.
fn wants_retry(function: &Function, output: &Output) -> Option<TokenStream> {
    let options = &function.options;
    options.retry.as_ref()?;
    let on_answer = options.retry_answer_if.as_ref().map_or_else(
        || {
            quote!({
                let _ = __answer;
                false
            })
        },
        |path| quote!(#path(__answer)),
    );
    let on_error = match (&options.retry_if, &output.error) {
        (Some(path), Some(_)) => quote!(#path(__error)),
        _ => quote!({
            let _ = __error;
            true
        }),
    };
    Some(quote! {
        fn wants_retry(__answer: ::core::result::Result<&Self::Answer, &Self::Error>) -> bool {
            match __answer {
                ::core::result::Result::Ok(__answer) => #on_answer,
                ::core::result::Result::Err(__error) => #on_error,
            }
        }
    })
}

/// The method that gives the answer of a call that was not answered in time.
fn fallback(function: &Function, output: &Output) -> Option<TokenStream> {
    let path = function.options.fallback.as_ref()?;
    let record = if function.timed { quote!(__request.0) } else { quote!(__request) };
    let span = path.span();
    let answer = match output.error {
        Some(_) => quote_spanned!(span=> #path(#record)),
        None => quote_spanned!(span=> ::core::result::Result::Ok(#path(#record))),
    };
    Some(quote! {
        fn fallback(
            __request: Self::Request,
        ) -> ::core::option::Option<::core::result::Result<Self::Answer, Self::Error>> {
            ::core::option::Option::Some(#answer)
        }
    })
}
