//! The impl of `EventTime`, for `#[record(event_time)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::{super::model::Record, impl_generics};

/// `impl EventTime`, if a field is marked. That the field is a `Timestamp` is for the compiler to say, on the field's type.
pub(super) fn implementation(record: &Record) -> Option<TokenStream> {
    let field = record.kept().find(|field| field.event_time.is_some())?;
    let (ident, core, member) = (&record.ident, record.paths.core(), &field.view_member);
    let time = quote_spanned!(field.ty.span()=> __view.#member);
    let generics = impl_generics(record);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    Some(quote! {
        #[automatically_derived]
        impl #impl_generics #core::event_time::EventTime for #ident #ty_generics #where_clause {
            type Proof = ();

            #[inline(always)]
            fn event_time(__view: Self::View<'_>) -> #core::time::Timestamp {
                #time
            }
        }
    })
}
