//! The impl of `Document`: a record is a document wherever all its fields are. As for `Row`, the bounds name the text's lifetime, so the
//! compiler checks them where a document is asked for. What does not depend on the fields is in `core::document::derive`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Generics, spanned::Spanned as _};

use super::{
    super::model::{Body, Field, Record, Style},
    Arm, impl_generics,
    record::build_view,
    with_lifetime,
};

/// `impl Document`, and of the traits that say what is particular to this record.
pub(super) fn implementation(record: &Record) -> TokenStream {
    let (core, name) = (record.paths.core(), &record.name);
    let context = Context::new(record);
    let arms = Arm::all(record);
    let parts = arms.iter().enumerate().map(|(position, arm)| match shape(arm) {
        Shape::Object => context.object(position, arm),
        Shape::Tuple => context.tuple(position, arm),
        Shape::None | Shape::One(_) => TokenStream::new(),
    });
    let (choice, read) = match &record.body {
        Body::Enum(_) => {
            (context.choice(&arms), quote!(#core::document::derive::choice::<Self, __D>(#name, __from, __scratch)))
        }
        Body::Struct(_) => {
            let read = match shape(&arms[0]) {
                Shape::Object => quote!(#core::document::derive::object::<Self, __D>(#name, __from, __scratch)),
                Shape::Tuple => quote!(#core::document::derive::tuple::<Self, __D>(#name, __from, __scratch)),
                Shape::None => {
                    let view = build_view(record, &arms[0], &context.view, &[]);
                    quote!(<() as #core::document::Document<'t>>::deserialize(__from, __scratch).map(|()| #view))
                }
                Shape::One(field) => {
                    let ty = field.record(&record.paths);
                    let value = quote!(__value);
                    let view = build_view(record, &arms[0], &context.view, &[value]);
                    quote!(<#ty as #core::document::Document<'t>>::deserialize(__from, __scratch).map(|__value| #view))
                }
            };
            (TokenStream::new(), read)
        }
    };
    let write = arms.iter().enumerate().map(|(position, arm)| context.write(position, arm));
    let document = context.implement(
        &quote!(#core::document::Document<'t>),
        &quote! {
            fn deserialize<__D: #core::__private::serde::Deserializer<'t>>(
                __from: __D,
                __scratch: &'t #core::document::Scratch,
            ) -> ::core::result::Result<Self::View<'t>, __D::Error> {
                #read
            }

            #[inline]
            fn serialize<__S: #core::__private::serde::Serializer>(
                __view: Self::View<'_>,
                __to: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                match __view { #(#write,)* }
            }
        },
    );
    let key = context.key(&arms);
    quote!(#document #(#parts)* #choice #key)
}

/// What stands in the text for the fields of an arm.
enum Shape<'r> {
    None,
    One(&'r Field),
    Tuple,
    Object,
}

fn shape<'r>(arm: &Arm<'r>) -> Shape<'r> {
    match arm.shape.style {
        Style::Unit => Shape::None,
        Style::Named => Shape::Object,
        Style::Tuple => {
            let mut kept = arm.kept();
            match (kept.next(), kept.next()) {
                (Some(only), None) => Shape::One(only),
                _ => Shape::Tuple,
            }
        }
    }
}

struct Context<'r> {
    record: &'r Record,
    view: Ident,
    /// Those of the record, the lifetime of the text, and that every field is a document.
    generics: Generics,
}

impl<'r> Context<'r> {
    fn new(record: &'r Record) -> Self {
        let core = record.paths.core();
        let mut generics = with_lifetime(&impl_generics(record), "'t");
        let clause = generics.make_where_clause();
        for field in record.kept() {
            let ty = field.record(&record.paths);
            clause.predicates.push(syn::parse_quote!(#ty: #core::document::Document<'t>));
            if needs_blank(field) {
                let core = record.paths.core_at(field.ty.span());
                clause.predicates.push(syn::parse_quote_spanned!(field.ty.span()=> #ty: #core::blank::Blank<'t>));
            }
        }
        Self { record, view: record.view_ident(), generics }
    }

    /// An impl for the record.
    fn implement(&self, of: &TokenStream, body: &TokenStream) -> TokenStream {
        let ident = &self.record.ident;
        let (_, ty_generics, _) = self.record.generics.split_for_impl();
        let (impl_generics, _, where_clause) = self.generics.split_for_impl();
        quote! {
            #[automatically_derived]
            impl #impl_generics #of for #ident #ty_generics #where_clause { #body }
        }
    }

    /// The named fields of an arm: as serde's derive does, one option each, filled in the order of the text.
    fn object(&self, arm_position: usize, arm: &Arm<'_>) -> TokenStream {
        let core = self.record.paths.core();
        let (slots, types) = (arm.bindings("f"), arm.records(self.record));
        let names: Vec<_> = arm.kept().map(|field| &field.name).collect();
        let positions = 0..names.len();
        let match_positions = positions.clone();
        let values: Vec<_> = arm
            .kept()
            .zip(&slots)
            .zip(&types)
            .map(|((field, slot), ty)| {
                let name = &field.name;
                match &field.default {
                    None => quote!(__fields.required::<#ty>(#name, #slot)?),
                    Some(default) => match &default.view {
                        None => quote_spanned!(field.ty.span()=> #slot.unwrap_or_else(<#ty as #core::blank::Blank<'t>>::blank)),
                        Some(view) => {
                            let view = view.to_token_stream();
                            quote!(match #slot { ::core::option::Option::Some(__view) => __view, ::core::option::Option::None => #view })
                        }
                    },
                }
            })
            .collect();
        let view = build_view(self.record, arm, &self.view, &values);
        self.implement(
            &quote!(#core::document::derive::Object<'t, #arm_position>),
            &quote! {
                const FIELDS: &'static [&'static str] = &[#(#names),*];

                #[inline]
                fn position(__name: &str) -> usize {
                    match __name {
                        #(#names => #positions,)*
                        _ => #core::document::derive::UNKNOWN,
                    }
                }

                #[inline]
                fn read<__A: #core::__private::serde::de::MapAccess<'t>>(
                    __fields: &mut #core::document::derive::Fields<'t, __A>,
                ) -> ::core::result::Result<Self::View<'t>, __A::Error> {
                    #(let mut #slots = ::core::option::Option::None;)*
                    while let ::core::option::Option::Some(__position) = __fields.position::<Self, #arm_position>()? {
                        match __position {
                            #(#match_positions => __fields.read::<#types>(#names, &mut #slots)?,)*
                            _ => __fields.skip()?,
                        }
                    }
                    ::core::result::Result::Ok(#view)
                }
            },
        )
    }

    fn tuple(&self, arm_position: usize, arm: &Arm<'_>) -> TokenStream {
        let core = self.record.paths.core();
        let types = arm.records(self.record);
        let len = types.len();
        let values: Vec<_> = types.iter().map(|ty| quote!(__items.item::<#ty>()?)).collect();
        let view = build_view(self.record, arm, &self.view, &values);
        self.implement(
            &quote!(#core::document::derive::Tuple<'t, #arm_position>),
            &quote! {
                const LEN: usize = #len;

                #[inline]
                #[allow(unused_variables)]
                fn read<__A: #core::__private::serde::de::SeqAccess<'t>>(
                    __items: &mut #core::document::derive::Items<'t, __A>,
                ) -> ::core::result::Result<Self::View<'t>, __A::Error> {
                    ::core::result::Result::Ok(#view)
                }
            },
        )
    }

    fn choice(&self, arms: &[Arm<'_>]) -> TokenStream {
        let (core, view) = (self.record.paths.core(), &self.view);
        let names: Vec<_> = arms.iter().map(|arm| &arm.name).collect();
        let positions = 0..names.len();
        let mut reads: Vec<_> = arms
            .iter()
            .enumerate()
            .map(|(position, arm)| {
                let path = arm.path(view);
                match shape(arm) {
                    Shape::None => quote! {{
                        __data.none()?;
                        ::core::result::Result::Ok(#path)
                    }},
                    Shape::One(field) => {
                        let ty = field.record(&self.record.paths);
                        quote!(::core::result::Result::Ok(#path(__data.one::<#ty>()?)))
                    }
                    Shape::Tuple => quote!(__data.tuple::<Self, #position>()),
                    Shape::Object => quote!(__data.object::<Self, #position>()),
                }
            })
            .collect();
        let last = reads.pop();
        let read_positions = 0..reads.len();
        self.implement(
            &quote!(#core::document::derive::Choice<'t>),
            &quote! {
                const VARIANTS: &'static [&'static str] = &[#(#names),*];

                #[inline]
                fn position(__name: &str) -> usize {
                    match __name {
                        #(#names => #positions,)*
                        _ => #core::document::derive::UNKNOWN,
                    }
                }

                #[inline]
                fn read<__A: #core::__private::serde::de::VariantAccess<'t>>(
                    __variant: usize,
                    __data: #core::document::derive::Data<'t, __A>,
                ) -> ::core::result::Result<Self::View<'t>, __A::Error> {
                    match __variant {
                        #(#read_positions => #reads,)*
                        _ => #last,
                    }
                }
            },
        )
    }

    fn write(&self, position: usize, arm: &Arm<'_>) -> TokenStream {
        let core = self.record.paths.core();
        let serde = quote!(#core::__private::serde);
        let (name, variant) = (&self.record.name, &arm.name);
        let pattern = arm.view_pattern(&self.view, "f");
        let (bindings, types) = (arm.bindings("f"), arm.records(self.record));
        let len = types.len();
        let position = u32::try_from(position).expect("an enum has at most 256 variants");
        let parts: Vec<_> = types
            .iter()
            .zip(&bindings)
            .map(|(ty, binding)| quote!(&#core::document::Part::<'_, 't, #ty>::new(#binding)))
            .collect();
        // serde has a trait for each kind of them, of one shape.
        let fields = |by: TokenStream, begin: TokenStream, named: bool| {
            let names = arm.kept().map(|field| &field.name).map(|name| named.then(|| quote!(#name,)));
            quote! {{
                let mut __to = #begin?;
                #(#serde::ser::#by::serialize_field(&mut __to, #names #parts)?;)*
                #serde::ser::#by::end(__to)
            }}
        };
        let write = match (shape(arm), arm.variant) {
            (Shape::None, None) => quote!(__to.serialize_unit_struct(#name)),
            (Shape::None, Some(_)) => quote!(__to.serialize_unit_variant(#name, #position, #variant)),
            (Shape::One(_), None) => {
                let (ty, binding) = (&types[0], &bindings[0]);
                quote!(<#ty as #core::document::Document<'t>>::serialize(#binding, __to))
            }
            (Shape::One(_), Some(_)) => quote!(__to.serialize_newtype_variant(#name, #position, #variant, #(#parts)*)),
            (Shape::Tuple, None) => {
                fields(quote!(SerializeTupleStruct), quote!(__to.serialize_tuple_struct(#name, #len)), false)
            }
            (Shape::Tuple, Some(_)) => {
                let begin = quote!(__to.serialize_tuple_variant(#name, #position, #variant, #len));
                fields(quote!(SerializeTupleVariant), begin, false)
            }
            (Shape::Object, None) => fields(quote!(SerializeStruct), quote!(__to.serialize_struct(#name, #len)), true),
            (Shape::Object, Some(_)) => {
                let begin = quote!(__to.serialize_struct_variant(#name, #position, #variant, #len));
                fields(quote!(SerializeStructVariant), begin, true)
            }
        };
        quote!(#pattern => #write)
    }

    /// What may be the name of a field: an enum without data, and a tuple struct around such a thing.
    fn key(&self, arms: &[Arm<'_>]) -> TokenStream {
        let core = self.record.paths.core();
        let of = quote!(#core::document::ObjectKey<'t>);
        match &self.record.body {
            Body::Enum(_) if arms.iter().all(|arm| arm.shape.style == Style::Unit) => {
                self.implement(&of, &TokenStream::new())
            }
            Body::Struct(_) if let Shape::One(field) = shape(&arms[0]) => {
                let ty = field.record(&self.record.paths);
                let mut generics = self.generics.clone();
                generics.make_where_clause().predicates.push(syn::parse_quote!(#ty: #of));
                let context = Context { record: self.record, view: self.view.clone(), generics };
                context.implement(&of, &TokenStream::new())
            }
            _ => TokenStream::new(),
        }
    }
}

/// True for `#[record(default)]` without a view.
fn needs_blank(field: &Field) -> bool {
    field.default.as_ref().is_some_and(|default| default.view.is_none())
}
