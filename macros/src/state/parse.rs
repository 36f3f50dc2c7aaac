//! Reads the struct and its attributes.

use proc_macro2::TokenTree;
use quote::{ToTokens, quote};
use syn::{Attribute, Data, DeriveInput, Fields, Path, ext::IdentExt as _, meta::ParseNestedMeta, parse_quote};

use super::{
    model::{COLLECTIONS, Own, State},
    ttl::{Options, Said},
};
use crate::{errors::Errors, options::once, paths::Paths, record, types};

const ON_TYPES: &str =
    "on a struct of state these are known: `crate = path`, `ttl = \"..\"`, `update = \"..\"`, `visibility = \"..\"`";
const ON_FIELDS: &str =
    "on a field of state these are known: `name = \"..\"`, `ttl = \"..\"`, `update = \"..\"`, `visibility = \"..\"`";

/// Reads a struct. What is wrong goes to `errors`; the model then has the rest.
pub(crate) fn state(input: &DeriveInput, errors: &mut Errors) -> State {
    let on_type = options(&input.attrs, ON_TYPES, errors, |meta, options| match meta.path.is_ident("crate") {
        true => once(meta, &mut options.krate, meta.value()?.call(Path::parse_mod_style)?).map(|()| true),
        false => Ok(false),
    });
    let of_all = match on_type.ttl(errors) {
        Said::Ttl(ttl) => Some(ttl),
        Said::Nothing | Said::None => None,
    };
    let paths = on_type.krate.map(Paths::new).unwrap_or_default();
    let (mut plain, mut own) = (Vec::new(), Vec::new());
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(&fields.named),
            Fields::Unnamed(_) | Fields::Unit => None,
        },
        Data::Enum(_) | Data::Union(_) => None,
    };
    for field in fields.into_iter().flatten() {
        let (Some(ident), vis, ty) = (field.ident.clone(), field.vis.clone(), field.ty.clone()) else { continue };
        let on_field = options(&field.attrs, ON_FIELDS, errors, |meta, options| match meta.path.is_ident("name") {
            true => once(meta, &mut options.name, meta.value()?.parse()?).map(|()| true),
            false => Ok(false),
        });
        let said = on_field.ttl(errors);
        let name = on_field.name;
        if COLLECTIONS.iter().any(|collection| types::is(&ty, collection)) {
            if let Some(attribute) = only(&field.attrs, "record").first() {
                errors.on(attribute, "`#[record(..)]` is for plain fields, and this one is a state of its own");
            }
            let name = name.map_or_else(|| ident.unraw().to_string(), |name| name.value());
            let ttl = match said {
                Said::Ttl(ttl) => Some(ttl),
                Said::None => None,
                Said::Nothing => of_all.clone(),
            };
            own.push(Own { vis, ident, ty, docs: only(&field.attrs, "doc"), name, ttl });
            continue;
        }
        if !matches!(said, Said::Nothing) {
            errors.on(
                &ident,
                "plain fields are one state together, and live as long as that: put `#[state(ttl = \"..\")]` on the struct, or make this a `ValueState` of its own",
            );
        }
        if let Some(name) = name {
            errors.on(
                name,
                "plain fields are one state together, and only a state has a name: rename the field by `#[record(rename = \"..\")]`, or make it a `ValueState` of its own",
            );
        }
        let mut field = field.clone();
        field.attrs.retain(|attribute| attribute.path().is_ident("doc") || attribute.path().is_ident("record"));
        plain.push(field);
    }
    let row = (!plain.is_empty() && input.generics.params.is_empty()).then(|| {
        let (root, vis, name) = (paths.root(), &input.vis, input.ident.unraw().to_string());
        let fields = State::fields(&input.ident);
        let attributes = only(&input.attrs, "record");
        // Another name of the struct is another state, so it has the user's, whatever becomes of the fields beside the plain ones.
        let rename = (!attributes.iter().any(renames)).then(|| quote!(#[record(rename = #name)]));
        let input: DeriveInput =
            parse_quote!(#[record(crate = #root)] #rename #(#attributes)* #vis struct #fields { #(#plain,)* });
        record::read(&input, errors)
    });
    State {
        paths,
        vis: input.vis.clone(),
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        no_struct: fields.is_none(),
        row,
        ttl: of_all,
        own,
    }
}

/// The attributes of this name.
fn only(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
}

/// True if `#[record(..)]` says another name.
fn renames(attribute: &Attribute) -> bool {
    let is_rename = |token: TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "rename");
    attribute.meta.require_list().is_ok_and(|list| list.tokens.clone().into_iter().any(is_rename))
}

/// What `#[state(..)]` says here. `special` takes the option that only structs have, or only fields; it gives false for others.
fn options(
    attributes: &[Attribute],
    help: &str,
    errors: &mut Errors,
    special: impl Fn(&ParseNestedMeta<'_>, &mut Options) -> syn::Result<bool>,
) -> Options {
    let mut options = Options::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("state")) {
        let result = attribute.parse_nested_meta(|meta| {
            if special(&meta, &mut options)? || options.take(&meta)? {
                return Ok(());
            }
            let name = meta.path.to_token_stream();
            Err(meta.error(format!("there is no `#[state({name})]` here; {help}")))
        });
        if let Err(error) = result {
            errors.push(error);
        }
    }
    options
}
