//! Questions about the types in a signature.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    GenericArgument, Ident, Lifetime, PathArguments, PathSegment, Type, TypeReference,
    spanned::Spanned as _,
    visit_mut::{self, VisitMut},
};

use crate::paths::Paths;

/// The type with every lifetime, written or elided, replaced by `'static`.
pub(crate) fn at_static(ty: &Type) -> Type {
    at(ty, "'static")
}

/// The type with every lifetime, written or elided, replaced by the one of this name.
pub(crate) fn at(ty: &Type, name: &str) -> Type {
    struct At<'n>(&'n str);
    impl VisitMut for At<'_> {
        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            reference.lifetime = Some(Lifetime::new(self.0, reference.and_token.span));
            visit_mut::visit_type_reference_mut(self, reference);
        }

        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            *lifetime = Lifetime::new(self.0, lifetime.span());
        }
    }
    let mut ty = ty.clone();
    At(name).visit_type_mut(&mut ty);
    ty
}

/// True if the identifier occurs in the type.
pub(crate) fn mentions(ty: &Type, ident: &Ident) -> bool {
    struct Search<'i>(&'i Ident, bool);
    impl VisitMut for Search<'_> {
        fn visit_ident_mut(&mut self, ident: &mut Ident) {
            self.1 |= ident == self.0;
        }
    }
    let mut search = Search(ident, false);
    search.visit_type_mut(&mut ty.clone());
    search.1
}

/// The name of a type that is one word.
pub(crate) fn word(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident().map(ToString::to_string),
        Type::Paren(inner) => word(&inner.elem),
        Type::Group(inner) => word(&inner.elem),
        _ => None,
    }
}

/// True if a type can be seen to be no record: it borrows, or its width differs between machines.
pub(crate) fn no_record(ty: &Type) -> bool {
    struct Search(bool);
    impl VisitMut for Search {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            self.0 |= matches!(word(ty).as_deref(), Some("usize" | "isize"));
            visit_mut::visit_type_mut(self, ty);
        }
    }
    let mut search = Search(borrows(ty));
    search.visit_type_mut(&mut ty.clone());
    search.0
}

/// True if the type mentions a lifetime or a reference: then it is a view, otherwise it is owned.
pub(crate) fn borrows(ty: &Type) -> bool {
    struct Search(bool);
    impl VisitMut for Search {
        fn visit_type_reference_mut(&mut self, _: &mut TypeReference) {
            self.0 = true;
        }

        fn visit_lifetime_mut(&mut self, _: &mut Lifetime) {
            self.0 = true;
        }
    }
    let mut search = Search(false);
    search.visit_type_mut(&mut ty.clone());
    search.0
}

/// The record of a view: `<TradeView<'static> as View>::Record`.
pub(crate) fn record_of(view: &Type, paths: &Paths) -> TokenStream {
    let (core, ty) = (paths.core_at(view.span()), at_static(view));
    quote_spanned!(view.span()=> <#ty as #core::view::View>::Record)
}

/// The last word of a type's path, and its arguments.
pub(crate) fn last(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        Type::Paren(inner) => last(&inner.elem),
        Type::Group(inner) => last(&inner.elem),
        _ => None,
    }
}

/// True if the type's last word is `name`.
pub(crate) fn is(ty: &Type, name: &str) -> bool {
    last(ty).is_some_and(|segment| segment.ident == name)
}

/// The type arguments of a type, if its last word is `name`.
pub(crate) fn arguments<'t>(ty: &'t Type, name: &str) -> Option<Vec<&'t Type>> {
    let segment = last(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Some(Vec::new()) };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

/// What a function gives: a view, which may borrow from its argument, or an owned record.
#[derive(Clone)]
pub(crate) struct Given {
    ty: Type,
}

impl Given {
    /// Where it is written.
    pub(crate) fn span(&self) -> Span {
        self.ty.span()
    }

    pub(crate) fn new(ty: &Type) -> Self {
        Self { ty: ty.clone() }
    }

    /// The record type of it.
    pub(crate) fn record(&self, paths: &Paths) -> TokenStream {
        let ty = &self.ty;
        if borrows(ty) { record_of(ty, paths) } else { quote!(#ty) }
    }

    /// Its view, `value` being an identifier that holds it.
    pub(crate) fn view(&self, paths: &Paths, value: &TokenStream) -> TokenStream {
        let (core, ty) = (paths.core_at(self.ty.span()), &self.ty);
        if borrows(ty) {
            return value.clone();
        }
        quote_spanned!(ty.span()=> <#ty as #core::record::Record>::view(&#value))
    }
}
