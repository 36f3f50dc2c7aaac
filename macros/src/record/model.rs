//! What the derive knows about a record: the type as its shapes, with the attributes read and spans kept.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{
    Attribute, Expr, Generics, Member, Type, Visibility, WherePredicate, parse_quote_spanned, spanned::Spanned as _,
};

use crate::{paths::Paths, types};

/// A type that derives `Record`.
pub(crate) struct Record {
    pub(crate) paths: Paths,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    /// As the user wrote them.
    pub(crate) generics: Generics,
    /// The name in schemas.
    pub(crate) name: String,
    /// `#[record(key)]`.
    pub(crate) key: Option<Span>,
    /// `#[record(version = N, from = ..)]`.
    pub(crate) version: Option<Version>,
    pub(crate) body: Body,
}

/// Which version of a type it is.
pub(crate) struct Version {
    /// From 1.
    pub(crate) number: u32,
    /// The type that is the version before.
    pub(crate) from: Option<Type>,
}

/// What follows the name of the type.
pub(crate) enum Body {
    Struct(Shape),
    Enum(Vec<Variant>),
}

/// One alternative of an enum.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    /// The name in schemas.
    pub(crate) name: String,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) shape: Shape,
}

/// The fields of a struct or of a variant.
pub(crate) struct Shape {
    pub(crate) style: Style,
    pub(crate) fields: Vec<Field>,
}

/// How fields are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Named,
    Tuple,
    Unit,
}

/// A field and what its attributes say.
pub(crate) struct Field {
    pub(crate) vis: Visibility,
    /// The field in the record.
    pub(crate) member: Member,
    /// The field in the view, where skipped fields do not count.
    pub(crate) view_member: Member,
    /// The name in schemas and headers.
    pub(crate) name: String,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) ty: Type,
    pub(crate) event_time: Option<Span>,
    pub(crate) default: Option<DefaultView>,
    pub(crate) skip: Option<Span>,
    pub(crate) with: Option<Type>,
}

/// `default` and `default = view`.
pub(crate) struct DefaultView {
    pub(crate) span: Span,
    pub(crate) view: Option<Expr>,
}

impl Record {
    /// The name of the view type.
    pub(crate) fn view_ident(&self) -> Ident {
        format_ident!("{}View", self.ident, span = self.ident.span())
    }

    /// The version that it is made from, with the number of its own.
    pub(crate) fn before(&self) -> Option<(u32, &Type)> {
        let version = self.version.as_ref()?;
        Some((version.number, version.from.as_ref()?))
    }

    /// `<CartV1 as Record>`, so placed that the compiler complains on the type that `from` names.
    pub(crate) fn as_before(&self, from: &Type) -> TokenStream {
        let (span, core) = (from.span(), self.paths.core_at(from.span()));
        quote_spanned!(span=> <#from as #core::record::Record>)
    }

    /// Every shape: one for a struct, one per variant for an enum.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let (one, many) = match &self.body {
            Body::Struct(shape) => (Some(shape), &[][..]),
            Body::Enum(variants) => (None, &variants[..]),
        };
        one.into_iter().chain(many.iter().map(|variant| &variant.shape))
    }

    /// Every field that is part of the record's bytes.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Field> {
        self.shapes().flat_map(Shape::kept)
    }
}

impl Shape {
    /// The fields that are part of the record's bytes.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.skip.is_none())
    }
}

impl Field {
    /// The type that carries the field, which is the adapter's for a type of another crate.
    pub(crate) fn record(&self, paths: &Paths) -> TokenStream {
        match &self.with {
            None => self.ty.to_token_stream(),
            Some(adapter) => {
                let core = paths.core_at(adapter.span());
                quote_spanned!(adapter.span()=> <#adapter as #core::record::Adapter>::As)
            }
        }
    }

    /// `<Type as Record>`, so placed that the compiler complains on the field's type.
    pub(crate) fn as_record(&self, paths: &Paths) -> TokenStream {
        let (span, record) = (self.span(), self.record(paths));
        let core = paths.core_at(span);
        quote_spanned!(span=> <#record as #core::record::Record>)
    }

    /// `<Type as Record>::Archived`, or another of its types.
    pub(crate) fn part(&self, paths: &Paths, name: &str) -> TokenStream {
        let (record, name) = (self.as_record(paths), Ident::new(name, self.span()));
        quote_spanned!(self.span()=> #record::#name)
    }

    /// Where complaints about the type that carries the field belong.
    fn span(&self) -> Span {
        self.with.as_ref().unwrap_or(&self.ty).span()
    }

    /// The bound under which the rest of the field's code compiles; none after an error on the field, and none that mentions
    /// one of `params`, which have bounds of their own.
    pub(crate) fn predicate(&self, record: &Record) -> Option<WherePredicate> {
        let generic = record.generics.type_params().any(|param| types::mentions(self.carrier(), &param.ident));
        if generic || (self.with.is_none() && types::no_record(&self.ty)) {
            return None;
        }
        let (span, core) = (self.span(), record.paths.core_at(self.span()));
        Some(match &self.with {
            None => {
                let ty = &self.ty;
                parse_quote_spanned!(span=> #ty: #core::record::Record)
            }
            Some(adapter) => parse_quote_spanned!(span=> #adapter: #core::record::Adapter),
        })
    }

    /// The type that is named for the field: its own, or the adapter.
    pub(crate) fn carrier(&self) -> &Type {
        self.with.as_ref().unwrap_or(&self.ty)
    }

    /// The type of the field in the view, for the lifetime `'a`. After an error on the field it is what would be there after
    /// the repair, so that code which reads the field has no errors of its own.
    pub(crate) fn view_type(&self, paths: &Paths) -> TokenStream {
        if self.with.is_none() && types::no_record(&self.ty) {
            return types::at(&self.ty, "'a").to_token_stream();
        }
        let record = self.as_record(paths);
        quote_spanned!(self.span()=> #record::View<'a>)
    }

    /// A call of `view` or `from_view`, of the adapter or of the type itself.
    pub(crate) fn convert(&self, paths: &Paths, function: &str, value: &Ident) -> TokenStream {
        let (span, core) = (self.span(), paths.core_at(self.span()));
        let function = Ident::new(function, Span::call_site());
        let (ty, by) = match &self.with {
            None => (&self.ty, quote_spanned!(span=> Record)),
            Some(adapter) => (adapter, quote_spanned!(span=> Adapter)),
        };
        quote_spanned!(span=> <#ty as #core::record::#by>::#function(#value))
    }
}
