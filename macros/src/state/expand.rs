//! Emits the row as a record, the handle, and the impl.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{DeriveInput, Ident, parse_quote, spanned::Spanned as _};

use super::model::{Own, State};
use crate::record;

/// Everything the derive defines.
pub(crate) fn state(state: &State) -> TokenStream {
    let (row, handle) = (row(state), handle(state));
    let (implementation, used) = (implementation(state), used(state));
    quote! {
        #row
        #handle

        #[allow(unreachable_pub, private_interfaces)]
        const _: () = { #implementation #used };
    }
}

/// The struct of the plain fields, unless it is the user's own, and that it is a record.
pub(super) fn row(state: &State) -> TokenStream {
    let Some(row) = state.row() else { return TokenStream::new() };
    let (vis, root, own) = (&state.vis, state.paths.root(), state.ident.to_string());
    let fields = state.plain.iter().map(|field| {
        let (attributes, vis, ident, ty) = (&field.attributes, &field.vis, &field.ident, &field.ty);
        quote!(#(#attributes)* #vis #ident: #ty)
    });
    let attributes = &state.record;
    let rename = (!state.own.is_empty()).then(|| quote!(#[record(rename = #own)]));
    let record: DeriveInput = parse_quote! {
        #[record(crate = #root)]
        #rename
        #(#attributes)*
        #vis struct #row { #(#fields,)* }
    };
    let derived = record::derive(&record);
    if state.own.is_empty() {
        return derived;
    }
    let fields = state.plain.iter().map(|field| {
        let docs = field.attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
        let (vis, ident, ty) = (&field.vis, &field.ident, &field.ty);
        quote!(#(#docs)* #vis #ident: #ty)
    });
    let doc = format!("The fields of [`{own}`] that lie together, as one row for each key.");
    quote! {
        #[doc = #doc]
        #[allow(missing_docs)]
        #vis struct #row { #(#fields,)* }

        #derived
    }
}

/// What functions get, where there are collections.
pub(super) fn handle(state: &State) -> TokenStream {
    if state.own.is_empty() {
        return TokenStream::new();
    }
    let (core, process) = (state.paths.core(), state.paths.process());
    let (vis, handle) = (&state.vis, state.handle());
    let fields = state.row().map(|row| quote!(__fields: #process::Fields<'a, 'k, K, #row>,));
    let own = state.own.iter().map(|field| {
        let (docs, vis, ident, ty) = (&field.docs, &field.vis, &field.ident, as_field(state, field));
        quote!(#(#docs)* #vis #ident: #ty::Ref<'a, 'k, K>)
    });
    let doc = format!("The state of one key: what functions get of [`{}`].", state.ident);
    quote! {
        #[doc = #doc]
        #[allow(missing_docs, dead_code)]
        #vis struct #handle<'a, 'k, K: #core::key::Key> { #fields #(#own,)* }
    }
}

fn implementation(state: &State) -> TokenStream {
    let (core, process, runtime) = (state.paths.core(), state.paths.process(), state.paths.runtime());
    let ident = &state.ident;
    let key = quote!(K: #core::key::Key);
    let info = quote!(#runtime::graph::StateInfo);
    let row = state.row();

    let rows = row.as_ref().map(|row| quote!(#process::FieldsTable<K, #row>));
    let tables = list(state, rows.clone(), |field| {
        let field = as_field(state, field);
        quote!(#field::Table<K>)
    });
    let describe = {
        let rows = rows.map(|rows| quote!(<#rows>::describe(),));
        let own = state.own.iter().map(|field| {
            let (name, field) = (&field.name, as_field(state, field));
            quote!(#field::describe::<K>(#name))
        });
        quote!(::std::vec![#rows #(#own,)*])
    };
    let absent = row.as_ref().map(|row| absent(state, row));
    let open = list(state, absent.map(|absent| quote!(#process::FieldsTable::open(cx, #absent))), |field| {
        let (name, field) = (&field.name, as_field(state, field));
        quote!(#field::open::<K>(#name, cx))
    });
    let (tables, open, handle_type, handle, impls) = if state.own.is_empty() {
        (tables, open, quote!(#process::Fields<'a, 'k, K, #ident>), quote!(tables.at(key)), TokenStream::new())
    } else {
        let handle = state.handle();
        let bound = |i: usize| format_ident!("__table{i}", span = proc_macro2::Span::mixed_site());
        let mut numbers = 0..state.own.len();
        let pattern = list(state, row.as_ref().map(|_| quote!(__rows)), |_| {
            let table = bound(numbers.next().unwrap_or_default());
            quote!(#table)
        });
        let fields = row.as_ref().map(|_| quote!(__fields: __rows.at(key),));
        let own = state.own.iter().enumerate().map(|(i, field)| {
            let (table, name, field) = (bound(i), &field.ident, as_field(state, field));
            quote!(#name: #field::at(#table, key))
        });
        let make = quote!({ let __Tables(#pattern) = tables; #handle { #fields #(#own,)* } });
        let (definition, methods) = (definition(state, &tables), methods(state, &handle, row.as_ref()));
        let impls = quote!(#definition #methods);
        (quote!(__Tables<K>), quote!(__Tables(#open)), quote!(#handle<'a, 'k, K>), make, impls)
    };
    quote! {
        impl #process::State for #ident {
            type Tables<#key> = #tables;
            type Handle<'a, 'k, #key> = #handle_type;

            fn describe<#key>() -> ::std::vec::Vec<#info> {
                #describe
            }

            fn open<#key>(cx: &#process::Opening<'_>) -> Self::Tables<K> {
                #open
            }

            #[inline(always)]
            fn handle<'a, 'k, #key>(
                tables: &'a mut Self::Tables<K>,
                key: #process::Hashed<'k, K>,
            ) -> Self::Handle<'a, 'k, K> {
                #handle
            }
        }

        #impls
    }
}

/// The tables as a type of their own, whose field may have types that are private where the state is not.
fn definition(state: &State, tables: &TokenStream) -> TokenStream {
    let (core, process) = (state.paths.core(), state.paths.process());
    quote! {
        pub struct __Tables<K: #core::key::Key>(#tables);

        impl<K: #core::key::Key> #process::StateTables for __Tables<K> {
            #[inline(always)]
            fn prefetch(&self, hash: u64) {
                self.0.prefetch(hash);
            }

            fn for_each<'a>(&'a mut self, visit: &mut dyn ::core::ops::FnMut(&'a mut dyn #process::StateTable)) {
                self.0.for_each(visit);
            }
        }
    }
}

/// Takes the fields in hand that stand for collections: they hold nothing, and rustc would say that they are never read.
fn used(state: &State) -> Option<TokenStream> {
    if state.own.is_empty() {
        return None;
    }
    let (ident, own) = (&state.ident, state.own.iter().map(|field| &field.ident));
    Some(quote! {
        #[allow(dead_code)]
        fn __used(state: &#ident) {
            #(let _ = &state.#own;)*
        }
    })
}

/// `(row, (first, (second, ())))`; of a row alone the row itself.
fn list(state: &State, row: Option<TokenStream>, own: impl FnMut(&Own) -> TokenStream) -> TokenStream {
    match row {
        Some(row) if state.own.is_empty() => row,
        row => {
            let parts: Vec<_> = row.into_iter().chain(state.own.iter().map(own)).collect();
            parts.into_iter().rev().fold(quote!(()), |rest, part| quote!((#part, #rest)))
        }
    }
}

/// What makes the row of a key of which nothing is stored: the struct's default, or the plain fields of it.
fn absent(state: &State, row: &Ident) -> TokenStream {
    let (process, ident) = (state.paths.process_at(state.ident.span()), &state.ident);
    let absent = quote_spanned!(ident.span()=> <#ident as #process::Absent>::absent);
    if state.own.is_empty() {
        return absent;
    }
    let plain: Vec<_> = state.plain.iter().map(|field| &field.ident).collect();
    let own = state.own.iter().map(|field| &field.ident);
    quote! {
        || {
            let #ident { #(#plain,)* #(#own: _,)* } = #absent();
            #row { #(#plain,)* }
        }
    }
}

/// `Deref`, `is_absent`, `clear` and `clear_fields` of the handle.
fn methods(state: &State, handle: &Ident, row: Option<&Ident>) -> TokenStream {
    let (core, process) = (state.paths.core(), state.paths.process());
    let generics = quote!(<'a, 'k, K: #core::key::Key>);
    let deref = row.map(|row| {
        quote! {
            impl #generics ::core::ops::Deref for #handle<'a, 'k, K> {
                type Target = #row;

                #[inline(always)]
                fn deref(&self) -> &#row {
                    &self.__fields
                }
            }

            impl #generics ::core::ops::DerefMut for #handle<'a, 'k, K> {
                #[inline(always)]
                fn deref_mut(&mut self) -> &mut #row {
                    &mut self.__fields
                }
            }
        }
    });
    let all: Vec<_> = row
        .map(|_| quote!(__fields))
        .into_iter()
        .chain(state.own.iter().map(|field| {
            let ident = &field.ident;
            quote!(#ident)
        }))
        .collect();
    let clear_fields = row.map(|_| {
        quote! {
            /// Removes the plain fields of the key, which then read as their defaults, and leaves the others as they are.
            pub fn clear_fields(&mut self) {
                self.__fields.clear();
            }
        }
    });
    quote! {
        #deref

        #[allow(dead_code)]
        impl #generics #handle<'a, 'k, K> {
            /// True if there is nothing stored for the key.
            pub fn is_absent(&self) -> bool {
                #(#process::StateRef::is_absent(&self.#all))&&*
            }

            /// Removes all that is stored for the key.
            pub fn clear(&mut self) {
                #(#process::StateRef::clear(&mut self.#all);)*
            }

            #clear_fields
        }
    }
}

/// `<MapState<..> as StateField>`, so placed that the compiler complains on the field's type.
fn as_field(state: &State, field: &Own) -> TokenStream {
    let (ty, process) = (&field.ty, state.paths.process_at(field.ty.span()));
    quote_spanned!(ty.span()=> <#ty as #process::StateField>)
}
