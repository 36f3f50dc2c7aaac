//! The impl of `Record`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Member, spanned::Spanned as _};

use super::{
    super::model::{Body, Field, Record, Shape},
    Arm, archive, impl_generics,
};

/// `unsafe impl Record`.
pub(super) fn implementation(record: &Record) -> TokenStream {
    let (ident, view, archived) = (&record.ident, record.view_ident(), archive::ident(record));
    let (core, rkyv) = (record.paths.core(), record.paths.rkyv());
    let generics = impl_generics(record);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let view_args = super::with_lifetime(&generics, "'a");
    let (_, view_args, _) = view_args.split_for_impl();
    let arms = Arm::all(record);
    let resolver = resolver(record, &arms);
    let schema = schema(record);
    let plain = record.kept().map(|field| field.as_record(&record.paths));
    let view_arms = arms.iter().map(|arm| view_of_owned(record, arm, &view));
    let archived_arms = arms.iter().map(|arm| view_of_archived(record, arm, &view, &archived));
    let owned_arms = arms.iter().map(|arm| owned(record, arm, &view));
    let from_value = from_value(record, &arms);
    let write_arms = arms.iter().map(|arm| write(record, arm, &view));
    let finish = finish(record, &arms, &view, &archived);
    quote! {
        // SAFETY: `finish` writes every field of the archive by way of the field's own `finish`, and the variant of an enum
        // before them; `write` puts out what the fields do, which for plain fields is nothing.
        #[automatically_derived]
        unsafe impl #impl_generics #core::record::Record for #ident #ty_generics #where_clause {
            type Archived = #archived #ty_generics;
            type Resolver = #resolver;
            type View<'a> = #view #view_args;

            const SCHEMA: &'static #core::schema::Schema = &#schema;
            const PLAIN: bool = true #(&& #plain::PLAIN)*;

            #[inline(always)] // a call writes an enum's whole view to memory, for the match behind it to read one field
            fn view(&self) -> Self::View<'_> {
                match self { #(#view_arms,)* }
            }

            #[inline]
            fn view_archived(__archived: &Self::Archived) -> Self::View<'_> {
                match __archived { #(#archived_arms,)* }
            }

            #[inline]
            fn from_view(__view: Self::View<'_>) -> Self {
                match __view { #(#owned_arms,)* }
            }

            #[allow(unused_mut, unused_variables)]
            fn from_value(__value: #core::dynamic::Value<'_>) -> ::core::option::Option<Self> {
                #from_value
            }

            #[inline]
            #[allow(unused_variables)]
            fn write(
                __view: Self::View<'_>,
                __out: &mut #core::record::Encoder<'_>,
            ) -> ::core::result::Result<Self::Resolver, #core::record::EncodeError> {
                ::core::result::Result::Ok(match __view { #(#write_arms,)* })
            }

            #[inline]
            #[allow(unused_variables)]
            fn finish(__view: Self::View<'_>, __resolver: Self::Resolver, __out: #rkyv::Place<Self::Archived>) {
                #finish
            }
        }
    }
}

fn resolver(record: &Record, arms: &[Arm<'_>]) -> TokenStream {
    match &record.body {
        Body::Struct(_) => {
            let parts = arms[0].kept().map(|field| field.part(&record.paths, "Resolver"));
            quote!((#(#parts,)*))
        }
        Body::Enum(_) => {
            let (_, ty_generics, _) = record.generics.split_for_impl();
            quote!(__Resolver #ty_generics)
        }
    }
}

fn schema(record: &Record) -> TokenStream {
    let (core, name) = (record.paths.core(), &record.name);
    let fields = |shape: &Shape| {
        let fields = shape.kept().map(|field| {
            let (name, ty) = (&field.name, field.as_record(&record.paths));
            quote!(#core::schema::Field { name: #name, schema: #ty::SCHEMA })
        });
        quote!(&[#(#fields),*])
    };
    let own = match &record.body {
        Body::Struct(shape) => {
            let fields = fields(shape);
            quote!(#core::schema::Schema::Struct(#name, #fields))
        }
        Body::Enum(variants) => {
            let names = variants.iter().map(|variant| &variant.name);
            let fields = variants.iter().map(|variant| fields(&variant.shape));
            quote!(#core::schema::Schema::Enum(#name, &[#(#core::schema::Variant { name: #names, fields: #fields }),*]))
        }
    };
    match record.before() {
        None => own,
        Some((version, from)) => {
            let before = record.as_before(from);
            quote!(#core::schema::Schema::Versioned(#version, &#own, #before::SCHEMA))
        }
    }
}

/// Builds the view; one without fields has a hidden one for its lifetime.
pub(super) fn build_view(record: &Record, arm: &Arm<'_>, view: &Ident, values: &[TokenStream]) -> TokenStream {
    let path = arm.path(view);
    let members = arm.kept().map(|field| &field.view_member);
    let lifetime = (matches!(record.body, Body::Struct(_)) && values.is_empty())
        .then(|| quote!(lifetime: ::core::marker::PhantomData));
    quote!(#path { #(#members: #values,)* #lifetime })
}

fn view_of_owned(record: &Record, arm: &Arm<'_>, view: &Ident) -> TokenStream {
    let bindings = arm.bindings("f");
    let pattern = arm.pattern(&Ident::new("Self", Span::call_site()), "f", |field| &field.member);
    let values: Vec<_> =
        arm.kept().zip(&bindings).map(|(field, binding)| field.convert(&record.paths, "view", binding)).collect();
    let view = build_view(record, arm, view, &values);
    quote!(#pattern => #view)
}

fn view_of_archived(record: &Record, arm: &Arm<'_>, view: &Ident, archived: &Ident) -> TokenStream {
    let bindings = arm.bindings("f");
    let path = arm.path(archived);
    let values: Vec<_> = arm
        .as_records(record)
        .iter()
        .zip(&bindings)
        .map(|(ty, binding)| quote!(#ty::view_archived(#binding)))
        .collect();
    let view = build_view(record, arm, view, &values);
    quote!(#path(#(#bindings),*) => #view)
}

fn owned(record: &Record, arm: &Arm<'_>, view: &Ident) -> TokenStream {
    let pattern = arm.view_pattern(view, "f");
    let path = arm.path(&Ident::new("Self", Span::call_site()));
    let bindings = arm.bindings("f");
    let mut bindings = bindings.iter();
    let values = arm.shape.fields.iter().map(|field: &Field| {
        let member: &Member = &field.member;
        let value = match bindings_for(field, &mut bindings) {
            Some(binding) => field.convert(&record.paths, "from_view", binding),
            None => quote!(::core::default::Default::default()),
        };
        quote!(#member: #value)
    });
    quote!(#pattern => #path { #(#values,)* })
}

/// Takes the parts of a value in order, or leaves the value to the version before.
fn from_value(record: &Record, arms: &[Arm<'_>]) -> TokenStream {
    let core = record.paths.core();
    let before = record.before().map(|(version, from)| {
        let before = record.as_before(from);
        let convert = quote_spanned!(from.span()=> <Self as ::core::convert::From<#from>>::from(__before));
        quote! {
            if __value.version() < #version {
                return match #before::from_value(__value) {
                    ::core::option::Option::Some(__before) => ::core::option::Option::Some(#convert),
                    ::core::option::Option::None => ::core::option::Option::None,
                };
            }
        }
    });
    let made = arms.iter().map(|arm| {
        let path = arm.path(&Ident::new("Self", Span::call_site()));
        let values = arm.shape.fields.iter().map(|field| {
            let member = &field.member;
            if field.skip.is_some() {
                return quote!(#member: ::core::default::Default::default());
            }
            let ty = field.as_record(&record.paths);
            let part = quote!(#ty::from_value(__parts.next()?)?);
            match &field.with {
                None => quote!(#member: #part),
                Some(adapter) => quote! {
                    #member: <#adapter as #core::record::Adapter>::from_view(#ty::view(&#part))
                },
            }
        });
        quote!(#path { #(#values,)* })
    });
    let made = match &record.body {
        Body::Struct(_) => quote! {
            let mut __parts = __value.parts()?;
            ::core::option::Option::Some(#(#made)*)
        },
        Body::Enum(_) => {
            let positions = 0_usize..;
            quote! {
                let (__position, mut __parts) = __value.variant()?;
                match __position {
                    #(#positions => ::core::option::Option::Some(#made),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    };
    quote!(#before #made)
}

/// The next binding for a field that is in the view.
fn bindings_for<'b>(field: &Field, bindings: &mut impl Iterator<Item = &'b Ident>) -> Option<&'b Ident> {
    if field.skip.is_some() { None } else { bindings.next() }
}

fn write(record: &Record, arm: &Arm<'_>, view: &Ident) -> TokenStream {
    let pattern = arm.view_pattern(view, "f");
    let bindings = arm.bindings("f");
    let records = arm.as_records(record);
    let constructor = arm.variant.map(|variant| quote!(__Resolver::#variant));
    // Without a constructor this is a tuple, which needs its last comma.
    quote!(#pattern => #constructor (#(#records::write(#bindings, __out)?,)*))
}

fn finish(record: &Record, arms: &[Arm<'_>], view: &Ident, archived: &Ident) -> TokenStream {
    let rkyv = record.paths.rkyv();
    let (_, ty_generics, _) = record.generics.split_for_impl();
    let finish_arms = (0u8..=u8::MAX).zip(arms).map(|(position, arm)| {
        let pattern = arm.view_pattern(view, "f");
        let records = arm.as_records(record);
        let (views, resolvers, places) = (arm.bindings("f"), arm.bindings("r"), arm.bindings("p"));
        let fields = quote!(#(#records::finish(#views, #resolvers, #places);)*);
        match arm.variant {
            None if places.is_empty() => quote!((#pattern, ()) => {}),
            None => quote! {
                (#pattern, (#(#resolvers,)*)) => {
                    #rkyv::munge::munge!(let #archived(#(#places),*) = __out);
                    #fields
                }
            },
            Some(variant) => {
                let bytes = archive::variant_ident(variant);
                quote! {
                    (#pattern, __Resolver::#variant(#(#resolvers,)*)) => {
                        // SAFETY: an enum that is `repr(u8)` is a union of such structs.
                        let __out = unsafe { __out.cast_unchecked::<#bytes #ty_generics>() };
                        #rkyv::munge::munge!(let #bytes(__position, _, #(#places),*) = __out);
                        __position.write(#position);
                        #fields
                    }
                }
            }
        }
    });
    let mismatch = (arms.len() > 1).then(|| quote!(_ => ::core::unreachable!("the resolver belongs to another view"),));
    quote!(match (__view, __resolver) { #(#finish_arms)* #mismatch })
}
