//! Emits the row as a record, the handle, and the impl.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{WhereClause, parse_quote_spanned, spanned::Spanned as _};

use super::model::{Own, State};
use crate::record::{self, Field, Record};

/// Everything the derive defines: what users name stands in their scope, the rest in a block of its own.
pub(crate) fn state(state: &State) -> TokenStream {
    let (visible, hidden) = match &state.row {
        None => (TokenStream::new(), TokenStream::new()),
        Some(row) if state.own.is_empty() => (TokenStream::new(), hidden_row(state, row)),
        Some(row) => (visible_row(state, row), visible_row_impls(state, row)),
    };
    let fields = state.row.as_ref().map(|row| {
        let fields = fields_type(state, &row.ident);
        quote!(__fields: #fields,)
    });
    let handle = handle(state, fields);
    let (implementation, used) = (implementation(state), used(state));
    quote! {
        #visible
        #handle

        #[allow(unsafe_code, unreachable_pub, private_bounds, private_interfaces)]
        const _: () = {
            #hidden
            #implementation
            #used
        };
    }
}

/// The struct of the plain fields, where there are others beside them: what the handle derefs to.
pub(super) fn visible_row(state: &State, row: &Record) -> TokenStream {
    let (vis, ident) = (&state.vis, &row.ident);
    let fields = fields(row).map(|Field { docs, vis, member, ty, .. }| quote!(#(#docs)* #vis #member: #ty));
    let doc = format!("The fields of [`{}`] that lie together, as one row for each key.", state.ident);
    quote! {
        #[doc = #doc]
        #[allow(missing_docs)]
        #vis struct #ident { #(#fields,)* }
    }
}

/// What makes a row of that struct.
fn visible_row_impls(state: &State, row: &Record) -> TokenStream {
    let (process, ident, stored) = (state.paths.process(), &row.ident, record::stored(row));
    let where_clause = where_clause(state);
    quote! {
        #stored

        impl #process::Row for #ident #where_clause {
            type Struct = Self;

            #[inline(always)]
            fn get(&self) -> &Self {
                self
            }

            #[inline(always)]
            fn get_mut(&mut self) -> &mut Self {
                self
            }
        }
    }
}

/// A row around the user's own struct, stored as a struct with the same fields. (It is not the user's struct that is made a record: so that may be made one
/// besides.)
fn hidden_row(state: &State, row: &Record) -> TokenStream {
    let (core, process, rkyv) = (state.paths.core(), state.paths.process(), state.paths.rkyv());
    let (vis, ident, stored) = (&state.vis, &state.ident, record::stored(row));
    let (fields_ident, view) = (&row.ident, row.view_ident());
    let definition = {
        let fields = fields(row).map(|Field { member, ty, .. }| quote!(#member: #ty));
        quote!(#vis struct #fields_ident { #(#fields,)* })
    };
    let members: Vec<_> = fields(row).map(|field| &field.member).collect();
    let bindings: Vec<_> = (0..members.len()).map(|i| format_ident!("__f{i}", span = Span::mixed_site())).collect();
    let views = fields(row).zip(&bindings).map(|(field, binding)| field.convert(&row.paths, "view", binding));
    let record = quote!(<#fields_ident as #core::record::Record>);
    // What the user writes is how the struct itself is made from the version before.
    let convert = row.before().map(|(_, from)| {
        let made = quote_spanned!(from.span()=> <#ident as ::core::convert::From<#from>>::from(__before));
        quote! {
            impl ::core::convert::From<#from> for #fields_ident {
                fn from(__before: #from) -> Self {
                    let #ident { #(#members: #bindings,)* } = #made;
                    Self { #(#members: #bindings,)* }
                }
            }
        }
    });
    let where_clause = where_clause(state);
    quote! {
        #definition
        #stored
        #convert

        #vis struct __Row(#ident);

        // SAFETY: archive and resolver are those of the struct with the same fields, which vouches for them.
        unsafe impl #core::record::Record for __Row #where_clause {
            type Archived = #record::Archived;
            type Resolver = #record::Resolver;
            type View<'a> = #record::View<'a>;

            const SCHEMA: &'static #core::schema::Schema = #record::SCHEMA;
            const PLAIN: bool = #record::PLAIN;

            #[inline]
            fn view(&self) -> Self::View<'_> {
                let #ident { #(#members: #bindings,)* } = &self.0;
                #view { #(#members: #views,)* }
            }

            #[inline]
            fn view_archived(__archived: &Self::Archived) -> Self::View<'_> {
                #record::view_archived(__archived)
            }

            #[inline]
            fn from_view(__view: Self::View<'_>) -> Self {
                let #fields_ident { #(#members: #bindings,)* } = #record::from_view(__view);
                Self(#ident { #(#members: #bindings,)* })
            }

            fn from_value(__value: #core::dynamic::Value<'_>) -> ::core::option::Option<Self> {
                let #fields_ident { #(#members: #bindings,)* } = #record::from_value(__value)?;
                ::core::option::Option::Some(Self(#ident { #(#members: #bindings,)* }))
            }

            #[inline]
            fn write(
                __view: Self::View<'_>,
                __out: &mut #core::record::Encoder<'_>,
            ) -> ::core::result::Result<Self::Resolver, #core::record::EncodeError> {
                #record::write(__view, __out)
            }

            #[inline]
            fn finish(__view: Self::View<'_>, __resolver: Self::Resolver, __out: #rkyv::Place<Self::Archived>) {
                #record::finish(__view, __resolver, __out)
            }
        }

        impl #process::Row for __Row #where_clause {
            type Struct = #ident;

            #[inline(always)]
            fn get(&self) -> &#ident {
                &self.0
            }

            #[inline(always)]
            fn get_mut(&mut self) -> &mut #ident {
                &mut self.0
            }
        }
    }
}

/// What functions get, where there are collections. `fields` is the field for the plain ones.
pub(super) fn handle(state: &State, fields: Option<TokenStream>) -> TokenStream {
    if state.own.is_empty() {
        return TokenStream::new();
    }
    let core = state.paths.core();
    let (vis, handle, where_clause) = (&state.vis, state.handle(), where_clause(state));
    let own = state.own.iter().map(|field| {
        let (docs, vis, ident, ty) = (&field.docs, &field.vis, &field.ident, as_field(state, field));
        quote!(#(#docs)* #vis #ident: #ty::Ref<'a, 'k, K>)
    });
    let doc = format!("The state of one key: what functions get of [`{}`].", state.ident);
    quote! {
        #[doc = #doc]
        #[allow(missing_docs, dead_code, private_bounds, private_interfaces)]
        #vis struct #handle<'a, 'k, K: #core::key::Key> #where_clause { #fields #(#own,)* }
    }
}

fn implementation(state: &State) -> TokenStream {
    let (core, process, runtime) = (state.paths.core(), state.paths.process(), state.paths.runtime());
    let ident = &state.ident;
    let key = quote!(K: #core::key::Key);
    let info = quote!(#runtime::graph::StateInfo);
    let where_clause = where_clause(state);
    let row = state.row.as_ref().map(|row| match state.own.is_empty() {
        true => Ident::new("__Row", Span::mixed_site()),
        false => row.ident.clone(),
    });

    let rows = row.as_ref().map(|row| match &state.ttl {
        None => quote!(#process::FieldsTable<K, #row>),
        Some(_) => quote!(#process::FieldsTable<K, #row, #process::ExpiringRows<K, #row>>),
    });
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
    let absent = state.row.as_ref().map(|row| absent(state, row));
    let open = list(
        state,
        absent.map(|absent| match &state.ttl {
            None => quote!(#process::FieldsTable::open(cx, || #absent)),
            Some(ttl) => {
                let ttl = ttl.arguments();
                quote!(#process::FieldsTable::expiring(cx, || #absent, #process::Ttl::new(#ttl)))
            }
        }),
        |field| {
            let (name, field) = (&field.name, as_field(state, field));
            quote!(#field::open::<K>(#name, cx))
        },
    );
    let (tables, open, handle_type, handle, impls) = if state.own.is_empty() {
        let handle = row.as_ref().map(|row| fields_type(state, row));
        (tables, open, quote!(#handle), quote!(tables.at(key)), TokenStream::new())
    } else {
        let handle = state.handle();
        let bound = |i: usize| format_ident!("__table{i}", span = Span::mixed_site());
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
        let (definition, methods) = (definition(state, &tables), methods(state, &handle));
        let impls = quote!(#definition #methods);
        (quote!(__Tables<K>), quote!(__Tables(#open)), quote!(#handle<'a, 'k, K>), make, impls)
    };
    quote! {
        impl #process::State for #ident #where_clause {
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

/// What reads and writes the row of the plain fields.
fn fields_type(state: &State, row: &Ident) -> TokenStream {
    let process = state.paths.process();
    match &state.ttl {
        None => quote!(#process::Fields<'a, 'k, K, #row>),
        Some(_) => quote!(#process::Fields<'a, 'k, K, #row, #process::ExpiringRows<K, #row>>),
    }
}

/// The tables as a type of their own, whose field may have types that are private where the state is not.
fn definition(state: &State, tables: &TokenStream) -> TokenStream {
    let (core, process, where_clause) = (state.paths.core(), state.paths.process(), where_clause(state));
    quote! {
        pub struct __Tables<K: #core::key::Key>(#tables) #where_clause;

        impl<K: #core::key::Key> #process::StateTables for __Tables<K> #where_clause {
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

/// The row of a key of which nothing is stored: the struct's default, or the plain fields of it.
fn absent(state: &State, row: &Record) -> TokenStream {
    let (process, ident) = (state.paths.process_at(state.ident.span()), &state.ident);
    let absent = quote_spanned!(ident.span()=> <#ident as #process::Absent>::absent());
    if state.own.is_empty() {
        return quote!(__Row(#absent));
    }
    let (row_ident, plain) = (&row.ident, fields(row).map(|field| &field.member).collect::<Vec<_>>());
    let bindings: Vec<_> = (0..plain.len()).map(|i| format_ident!("__f{i}", span = Span::mixed_site())).collect();
    quote! {{
        let #ident { #(#plain: #bindings,)* .. } = #absent;
        #row_ident { #(#plain: #bindings,)* }
    }}
}

/// `Deref`, `is_absent`, `clear` and `clear_fields` of the handle.
fn methods(state: &State, handle: &Ident) -> TokenStream {
    let (core, process, where_clause) = (state.paths.core(), state.paths.process(), where_clause(state));
    let generics = quote!(<'a, 'k, K: #core::key::Key>);
    let deref = state.row.as_ref().map(|row| {
        let row = &row.ident;
        quote! {
            impl #generics ::core::ops::Deref for #handle<'a, 'k, K> #where_clause {
                type Target = #row;

                #[inline(always)]
                fn deref(&self) -> &#row {
                    &self.__fields
                }
            }

            impl #generics ::core::ops::DerefMut for #handle<'a, 'k, K> #where_clause {
                #[inline(always)]
                fn deref_mut(&mut self) -> &mut #row {
                    &mut self.__fields
                }
            }
        }
    });
    let fields = state.row.as_ref().map(|_| Ident::new("__fields", Span::call_site()));
    let all: Vec<_> = fields.iter().chain(state.own.iter().map(|field| &field.ident)).collect();
    let clear_fields = fields.as_ref().map(|fields| {
        quote! {
            /// Removes the plain fields of the key, which then read as their defaults, and leaves the others as they are.
            pub fn clear_fields(&mut self) {
                #process::StateRef::clear(&mut self.#fields);
            }
        }
    });
    quote! {
        #deref

        #[allow(dead_code)]
        impl #generics #handle<'a, 'k, K> #where_clause {
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

/// That every field is what it has to be. It is true or an error; saying it keeps that error to one place, the field.
pub(super) fn where_clause(state: &State) -> Option<WhereClause> {
    let plain = state.row.iter().flat_map(|row| fields(row).filter_map(|field| field.predicate(row)));
    let own = state.own.iter().map(|Own { ty, .. }| {
        let process = state.paths.process_at(ty.span());
        parse_quote_spanned!(ty.span()=> #ty: #process::StateField)
    });
    let mut generics = syn::Generics::default();
    generics.make_where_clause().predicates.extend(plain.chain(own));
    generics.where_clause
}

/// The plain fields.
fn fields(row: &Record) -> impl Iterator<Item = &Field> {
    row.shapes().flat_map(|shape| &shape.fields)
}

/// `<MapState<..> as StateField>`, so placed that the compiler complains on the field's type.
fn as_field(state: &State, field: &Own) -> TokenStream {
    let (ty, process) = (&field.ty, state.paths.process_at(field.ty.span()));
    match &field.ttl {
        None => quote_spanned!(ty.span()=> <#ty as #process::StateField>),
        Some(ttl) => {
            let ttl = ttl.arguments();
            quote_spanned!(ty.span()=> <#process::Expiring<#ty, #ttl> as #process::StateField>)
        }
    }
}
