//! The view type.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::{
    super::model::{Body, Record, Shape, Style},
    Arm, impl_generics, record_generics, with_lifetime,
};

/// The definition of the view. It stands outside the block of impls, since users name it.
pub(in super::super) fn definition(record: &Record) -> TokenStream {
    let (vis, ident, view) = (&record.vis, &record.ident, record.view_ident());
    let generics = with_lifetime(&record_generics(record), "'a");
    let where_clause = &generics.where_clause;
    let doc = format!("The view of a [`{ident}`]: what operators see, wherever the record's bytes are.");
    let head = quote! {
        #[doc = #doc]
        #[allow(missing_docs)]
    };
    match &record.body {
        Body::Struct(shape) => {
            let fields = fields(record, shape, true);
            if shape.kept().next().is_none() {
                // A unit struct can hold no lifetime; a constant of the same name stands in for its value.
                let args = generics.params.iter().filter(|param| !matches!(param, syn::GenericParam::Lifetime(_)));
                return if args.count() == 0 {
                    quote! {
                        #head
                        #vis struct #view<'a> {
                            #[doc(hidden)]
                            pub lifetime: ::core::marker::PhantomData<&'a ()>,
                        }

                        #[doc = #doc]
                        #[allow(non_upper_case_globals)]
                        #vis const #view: #view<'static> = #view { lifetime: ::core::marker::PhantomData };
                    }
                } else {
                    quote! {
                        #head
                        #vis struct #view #generics #where_clause {
                            #[doc(hidden)]
                            pub lifetime: ::core::marker::PhantomData<&'a ()>,
                        }
                    }
                };
            }
            match shape.style {
                Style::Tuple => quote!(#head #vis struct #view #generics (#(#fields),*) #where_clause;),
                Style::Named | Style::Unit => quote!(#head #vis struct #view #generics #where_clause { #(#fields),* }),
            }
        }
        Body::Enum(variants) => {
            let variants_of_view = variants.iter().map(|variant| {
                let (ident, docs) = (&variant.ident, &variant.docs);
                let fields = fields(record, &variant.shape, false);
                match variant.shape.style {
                    Style::Named => quote!(#(#docs)* #ident { #(#fields),* }),
                    Style::Tuple => quote!(#(#docs)* #ident(#(#fields),*)),
                    Style::Unit => quote!(#(#docs)* #ident),
                }
            });
            // Something must mention the lifetime. A variant that cannot exist takes no room, and a match need not name it.
            let lifetime = record.kept().next().is_none().then(|| {
                quote! {
                    #[doc(hidden)]
                    __Lifetime(::core::convert::Infallible, ::core::marker::PhantomData<&'a ()>),
                }
            });
            quote!(#head #vis enum #view #generics #where_clause { #(#variants_of_view,)* #lifetime })
        }
    }
}

fn fields<'r>(record: &'r Record, shape: &'r Shape, visible: bool) -> impl Iterator<Item = TokenStream> + use<'r> {
    shape.kept().map(move |field| {
        let (docs, ty) = (&field.docs, field.view_type(&record.paths));
        let vis = visible.then_some(&field.vis);
        let name = match &field.view_member {
            syn::Member::Named(ident) => Some(quote!(#ident:)),
            syn::Member::Unnamed(_) => None,
        };
        quote!(#(#docs)* #vis #name #ty)
    })
}

/// `Clone`, `Copy` and `Debug`, by hand since a derive would ask for them of type parameters; and `PartialEq` where every part has it.
pub(in super::super) fn impls(record: &Record) -> TokenStream {
    let view = record.view_ident();
    let generics = with_lifetime(&self::impl_generics(record), "'a");
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let debug = Arm::all(record).into_iter().map(|arm| {
        let pattern = arm.view_pattern(&view, "f");
        let bindings = arm.bindings("f");
        let name = arm.variant.unwrap_or(&view).to_string();
        let (builder, entries) = if arm.shape.style == Style::Tuple {
            (format_ident!("debug_tuple"), quote!(#(.field(&#bindings))*))
        } else {
            let names = arm.kept().map(|field| match &field.view_member {
                syn::Member::Named(ident) => ident.to_string(),
                syn::Member::Unnamed(index) => index.index.to_string(),
            });
            (format_ident!("debug_struct"), quote!(#(.field(#names, &#bindings))*))
        };
        quote!(#pattern => __f.#builder(#name) #entries .finish())
    });
    let equality = equality(record, &view);
    quote! {
        #[automatically_derived]
        impl #impl_generics ::core::clone::Clone for #view #ty_generics #where_clause {
            #[inline(always)]
            fn clone(&self) -> Self {
                *self
            }
        }

        #[automatically_derived]
        impl #impl_generics ::core::marker::Copy for #view #ty_generics #where_clause {}

        #[automatically_derived]
        impl #impl_generics ::core::fmt::Debug for #view #ty_generics #where_clause {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let __view = *self;
                match __view { #(#debug,)* }
            }
        }

        #equality
    }
}

fn equality(record: &Record, view: &Ident) -> TokenStream {
    let mut generics = with_lifetime(&self::impl_generics(record), "'a");
    let clause = generics.make_where_clause();
    for field in record.kept() {
        let ty = field.view_type(&record.paths);
        clause.predicates.push(syn::parse_quote!(#ty: ::core::cmp::PartialEq));
    }
    let arms = Arm::all(record).into_iter().map(|arm| {
        let (a, b) = (arm.view_pattern(view, "a"), arm.view_pattern(view, "b"));
        let (left, right) = (arm.bindings("a"), arm.bindings("b"));
        quote!((#a, #b) => true #(&& #left == #right)*)
    });
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics ::core::cmp::PartialEq for #view #ty_generics #where_clause {
            fn eq(&self, __other: &Self) -> bool {
                match (*self, *__other) {
                    #(#arms,)*
                    _ => false,
                }
            }
        }
    }
}

/// From the view back to the record; the trait says why it is the view that lives for ever.
pub(super) fn view_impl(record: &Record) -> TokenStream {
    let (ident, view, core) = (&record.ident, record.view_ident(), record.paths.core());
    let generics = self::impl_generics(record);
    let (impl_generics, record_args, where_clause) = generics.split_for_impl();
    let of_view = with_lifetime(&generics, "'static");
    let (_, view_args, _) = of_view.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #core::view::View for #view #view_args #where_clause {
            type Record = #ident #record_args;
        }
    }
}
