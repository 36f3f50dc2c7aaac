//! Emits the view, the archive and the impls.

mod archive;
mod document;
mod event_time;
mod key;
mod record;
mod row;
mod version;
mod view;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{GenericParam, Generics, Lifetime, LifetimeParam, Member};

use super::model::{Body, Field, Record, Shape};

pub(super) use view::{definition as view_definition, impls as view_traits};

/// Everything the derive defines: the view where the user can name it, the rest in a block of its own.
pub(super) fn record(record: &Record) -> TokenStream {
    let further = [
        key::implementation(record).unwrap_or_default(),
        event_time::implementation(record).unwrap_or_default(),
        row::implementation(record).unwrap_or_default(),
        document::implementation(record),
    ];
    with(record, &further)
}

/// The view, and the impls that storing takes.
pub(super) fn stored(record: &Record) -> TokenStream {
    with(record, &[])
}

fn with(record: &Record, further: &[TokenStream]) -> TokenStream {
    let view = view_definition(record);
    let parts = [
        view::impls(record),
        view::view_impl(record),
        archive::definition(record),
        archive::check(record),
        record::implementation(record),
        version::checks(record),
    ];
    quote! {
        #view

        #[allow(unsafe_code, unreachable_pub, unreachable_patterns, private_bounds, private_interfaces)]
        #[allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks)]
        const _: () = { #(#parts)* #(#further)* };
    }
}

/// The generics of the record with a bound on every type parameter.
pub(super) fn generics(record: &Record, bound: &TokenStream) -> Generics {
    let mut generics = record.generics.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(syn::parse_quote!(#bound));
    }
    generics
}

/// The generics of the record, every type parameter being a record.
pub(super) fn record_generics(record: &Record) -> Generics {
    let core = record.paths.core();
    generics(record, &quote!(#core::record::Record))
}

/// The generics of an impl: those of the record, and that every field is one. What the second says is true or an error; saying
/// it keeps that error to one place, the field, instead of every line of the impl.
pub(super) fn impl_generics(record: &Record) -> Generics {
    let mut generics = record_generics(record);
    let predicates = record.kept().filter_map(|field| field.predicate(record));
    generics.make_where_clause().predicates.extend(predicates);
    generics
}

/// The generics with a lifetime in front.
pub(super) fn with_lifetime(generics: &Generics, name: &str) -> Generics {
    let mut generics = generics.clone();
    let lifetime = Lifetime::new(name, proc_macro2::Span::mixed_site());
    generics.params.insert(0, GenericParam::Lifetime(LifetimeParam::new(lifetime)));
    generics
}

/// One alternative of the record: a variant, or the only one of a struct.
struct Arm<'r> {
    /// `None` for a struct.
    variant: Option<&'r Ident>,
    /// As messages name it: `Trade`, `Event::Opened`.
    label: String,
    /// The name in schemas.
    name: &'r str,
    shape: &'r Shape,
}

impl<'r> Arm<'r> {
    fn all(record: &'r Record) -> Vec<Self> {
        match &record.body {
            Body::Struct(shape) => {
                vec![Self { variant: None, label: record.ident.to_string(), name: &record.name, shape }]
            }
            Body::Enum(variants) => variants
                .iter()
                .map(|variant| Self {
                    variant: Some(&variant.ident),
                    label: format!("{}::{}", record.ident, variant.ident),
                    name: &variant.name,
                    shape: &variant.shape,
                })
                .collect(),
        }
    }

    /// The path of the alternative in `ty`.
    fn path(&self, ty: &Ident) -> TokenStream {
        match self.variant {
            None => quote!(#ty),
            Some(variant) => quote!(#ty::#variant),
        }
    }

    fn kept(&self) -> impl Iterator<Item = &'r Field> + use<'r> {
        self.shape.kept()
    }

    /// A pattern that binds every kept field of the record or of the view, as [`bindings`] names them.
    fn pattern(&self, ty: &Ident, prefix: &str, member: impl Fn(&'r Field) -> &'r Member) -> TokenStream {
        let path = self.path(ty);
        let members = self.kept().map(member);
        let bindings = self.bindings(prefix);
        quote!(#path { #(#members: #bindings,)* .. })
    }

    fn view_pattern(&self, view: &Ident, prefix: &str) -> TokenStream {
        self.pattern(view, prefix, |field| &field.view_member)
    }

    fn bindings(&self, prefix: &str) -> Vec<Ident> {
        (0..self.kept().count())
            .map(|i| format_ident!("__{prefix}{i}", span = proc_macro2::Span::mixed_site()))
            .collect()
    }

    /// The types that carry the kept fields.
    fn records(&self, record: &Record) -> Vec<TokenStream> {
        self.kept().map(|field| field.record(&record.paths)).collect()
    }

    /// `<Type as Record>` of each of them.
    fn as_records(&self, record: &Record) -> Vec<TokenStream> {
        self.kept().map(|field| field.as_record(&record.paths)).collect()
    }
}
