//! Emits the block, and the impl of the trait that calls into it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::model::{Context, Function, Kind, Process, Takers};
use crate::types;

/// The block and the impl.
pub(crate) fn process(process: &Process) -> TokenStream {
    let block = &process.block;
    let (Some(takers), Some(context)) = (process.takers(), process.context()) else {
        return block.to_token_stream();
    };
    let implementation = implementation(process, takers, context);
    quote! {
        #block

        #implementation
    }
}

fn implementation(process: &Process, takers: Takers<'_>, context: &Context) -> TokenStream {
    let Process { paths, block, .. } = process;
    let (core, runtime, module) = (paths.core(), paths.runtime(), paths.process());
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let name = types::last(ty).map(|segment| segment.ident.to_string()).unwrap_or_default();
    let (out, sides) = (&context.out, context.list(paths));
    let state = process.state().map_or_else(|| quote!(()), ToTokens::to_token_stream);
    let error = match takers.error() {
        Some(error) => error.to_token_stream(),
        None => quote!(::core::convert::Infallible),
    };
    let location = quote_spanned! {ty.span()=>
        #runtime::operator::Location { file: ::core::file!(), line: ::core::line!(), column: ::core::column!() }
    };
    // That the type is `Clone` and `Send` is said on the type.
    let (of_trait, key, state_type, context_type) = {
        let module = paths.process_at(ty.span());
        match &context.key {
            Some(key) if process.broadcasts => (
                quote_spanned!(ty.span()=> #module::KeyedBroadcastProcessFunction),
                Some(quote!(type Key = #key;)),
                quote!(#module::StateOf<'_, '_, #state, #key>),
                quote!(#module::KeyedContext<'_, '_, #key, #out, __N, #sides>),
            ),
            Some(key) => (
                quote_spanned!(ty.span()=> #module::KeyedProcessFunction),
                Some(quote!(type Key = #key;)),
                quote!(#module::StateOf<'_, '_, #state, #key>),
                quote!(#module::KeyedContext<'_, '_, #key, #out, __N, #sides>),
            ),
            None => (
                quote_spanned!(ty.span()=> #module::ProcessFunction),
                None,
                state.clone(),
                quote!(#module::Context<'_, #out, __N, #sides>),
            ),
        }
    };
    let head = quote_spanned!(ty.span()=> impl #impl_generics #of_trait for #ty #where_clause);
    let keyed = context.key.is_some();
    let has_on_timer = keyed.then(|| {
        let has = process.function(Kind::OnTimer).is_some();
        quote!(const HAS_ON_TIMER: bool = #has;)
    });
    let push = quote!(__N: #runtime::operator::Push<#out>);
    let call = |function: &Function, first: Option<TokenStream>, last: Option<TokenStream>| {
        let name = syn::Ident::new(function.kind.name(), proc_macro2::Span::call_site());
        let receiver = function.on_self.then(|| quote!(self));
        let state = function.state.is_some().then(|| quote!(__state));
        let broadcast = function.broadcast.is_some().then(|| quote!(__broadcast));
        let arguments = receiver.into_iter().chain(first).chain(state).chain(broadcast).chain(last);
        quote!(<#ty>::#name(#(#arguments),*))
    };
    let record = |function: &Function| function.first.as_ref().map(|view| types::record_of(view, paths));
    let take = |function: &Function| {
        let call = call(function, Some(quote!(__record)), Some(quote!(__cx)));
        if function.error.is_some() { call } else { quote!({ #call; ::core::result::Result::Ok(()) }) }
    };
    let broadcast = process.broadcasts.then(|| match process.broadcast() {
        Some(broadcast) => broadcast.to_token_stream(),
        None => quote!(()),
    });
    // What stands between state and context where there is broadcast state.
    let reads = broadcast.as_ref().map(|broadcast| quote!(__broadcast: &#broadcast,));
    let taking = |name: &str, record: &TokenStream, between: TokenStream, cx: &TokenStream, take: TokenStream| {
        let name = syn::Ident::new(name, proc_macro2::Span::call_site());
        quote! {
            #[inline(always)]
            fn #name<#push>(
                &mut self,
                __record: <#record as #core::record::Record>::View<'_>,
                #between
                __cx: &mut #cx,
            ) -> ::core::result::Result<(), #error> {
                #take
            }
        }
    };
    let state_parameter = quote!(__state: &mut #state_type,);
    let taken = match (takers, &broadcast) {
        (Takers::One(function), _) => {
            let record = record(function).to_token_stream();
            let on_record = taking("on_record", &record, state_parameter, &context_type, take(function));
            quote!(type In = #record; #on_record)
        }
        (Takers::Two(left, right), None) => {
            let (of_left, of_right, left, right) = (record(left), record(right), take(left), take(right));
            let record = quote!(#module::Either<#of_left, #of_right>);
            let take = quote! {
                match __record {
                    #module::EitherView::Left(__record) => #left,
                    #module::EitherView::Right(__record) => #right,
                }
            };
            let on_record = taking("on_record", &record, state_parameter, &context_type, take);
            quote!(type In = #record; #on_record)
        }
        (Takers::Two(left, right), Some(broadcast)) => {
            let (of_left, of_right) = (record(left).to_token_stream(), record(right).to_token_stream());
            let between = quote!(#state_parameter #reads);
            let on_left = taking("on_left", &of_left, between, &context_type, take(left));
            let cx = quote!(#module::Context<'_, #out, __N, #sides>);
            let between = quote!(__broadcast: &mut #broadcast,);
            let on_right = taking("on_right", &of_right, between, &cx, take(right));
            quote! {
                type Left = #of_left;
                type Right = #of_right;
                type Broadcast = #broadcast;
                #on_left
                #on_right
            }
        }
    };
    let failure = quote!(::core::result::Result<(), #runtime::failure::Failure>);
    let rest = process.functions.iter().map(|function| match function.kind {
        Kind::OnRecord | Kind::OnLeft | Kind::OnRight => TokenStream::new(),
        Kind::OnTimer => {
            let call = call(function, Some(quote!(__timer)), Some(quote!(__cx)));
            quote! {
                fn on_timer<#push>(
                    &mut self,
                    __timer: #module::Timer,
                    __state: &mut #state_type,
                    #reads
                    __cx: &mut #context_type,
                ) -> #failure {
                    #module::hook(#call)
                }
            }
        }
        Kind::OnEnd => {
            let call = call(function, None, Some(quote!(__cx)));
            quote! {
                fn on_end<#push>(&mut self, __state: &mut #state_type, __cx: &mut #context_type) -> #failure {
                    #module::hook(#call)
                }
            }
        }
        Kind::Open => {
            let call = call(function, None, Some(quote!(__cx)));
            let state = (!keyed).then(|| quote!(__state: &mut #state_type,));
            let broadcast = broadcast.as_ref().map(|broadcast| quote!(__broadcast: &mut #broadcast,));
            quote! {
                fn open(&mut self, #state #broadcast __cx: &#runtime::OpenContext<'_>) -> #failure {
                    #module::hook(#call)
                }
            }
        }
        Kind::Close => {
            let call = call(function, None, None);
            quote! {
                fn close(&mut self) -> #failure {
                    #module::hook(#call)
                }
            }
        }
        Kind::OnSnapshot => {
            let call = call(function, None, Some(quote!(__checkpoint)));
            let state = (!keyed).then(|| quote!(__state: &mut #state_type,));
            quote! {
                fn on_snapshot(&mut self, #state __checkpoint: u64) {
                    #call
                }
            }
        }
        Kind::OnComplete | Kind::OnAbort => {
            let name = syn::Ident::new(function.kind.name(), proc_macro2::Span::call_site());
            let call = call(function, None, Some(quote!(__checkpoint)));
            quote! {
                fn #name(&mut self, __checkpoint: u64) {
                    #call
                }
            }
        }
    });
    quote! {
        #[allow(unused_variables)]
        #head {
            #key
            type State = #state;
            type Out = #out;
            type Sides = #sides;
            type Error = #error;

            #has_on_timer

            fn name(&self) -> &'static str {
                #name
            }

            fn location(&self) -> ::core::option::Option<#runtime::operator::Location> {
                ::core::option::Option::Some(#location)
            }

            #taken

            #(#rest)*
        }
    }
}
