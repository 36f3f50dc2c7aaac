//! Reads the type and its attributes.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Attribute, Data, DeriveInput, Expr, Fields, Index, LitInt, LitStr, Member, Path, Token, Type, ext::IdentExt as _,
    meta::ParseNestedMeta, spanned::Spanned as _,
};

use super::model::{Body, DefaultView, Field, Record, Shape, Style, Variant, Version};
use crate::{errors::Errors, paths::Paths};

const ON_TYPES: &str =
    "on a type these are known: `key`, `rename = \"..\"`, `version = N`, `from = Type`, `crate = path`";
const ON_FIELDS: &str = "on a field these are known: `event_time`, `rename = \"..\"`, `default`, `default = view`, `skip`, `with = Adapter`";
const ON_VARIANTS: &str = "on a variant this is known: `rename = \"..\"`";

/// Reads a type. What is wrong goes to `errors`; the model then has the rest.
pub(crate) fn record(input: &DeriveInput, errors: &mut Errors) -> Record {
    let mut options = Options::default();
    options.read(&input.attrs, ON_TYPES, &["key", "rename", "version", "from", "crate"], errors);
    let version = options.version(errors);
    let body = match &input.data {
        Data::Struct(data) => Body::Struct(shape(&data.fields, errors)),
        Data::Enum(data) => Body::Enum(data.variants.iter().map(|item| variant(item, errors)).collect()),
        Data::Union(data) => {
            errors.on(
                data.union_token,
                "a union cannot be a record, since nothing says which of its fields holds: use an enum",
            );
            Body::Struct(Shape { style: Style::Unit, fields: Vec::new() })
        }
    };
    Record {
        paths: options.krate.map(Paths::new).unwrap_or_default(),
        vis: input.vis.clone(),
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        name: options.rename.unwrap_or_else(|| input.ident.unraw().to_string()),
        key: options.key,
        version,
        body,
    }
}

fn variant(item: &syn::Variant, errors: &mut Errors) -> Variant {
    let mut options = Options::default();
    options.read(&item.attrs, ON_VARIANTS, &["rename"], errors);
    Variant {
        ident: item.ident.clone(),
        name: options.rename.unwrap_or_else(|| item.ident.unraw().to_string()),
        docs: docs(&item.attrs),
        shape: shape(&item.fields, errors),
    }
}

fn shape(fields: &Fields, errors: &mut Errors) -> Shape {
    let style = match fields {
        Fields::Named(_) => Style::Named,
        Fields::Unnamed(_) => Style::Tuple,
        Fields::Unit => Style::Unit,
    };
    let mut kept = 0;
    let fields = fields.iter().zip(fields.members()).map(|(item, member)| {
        let mut options = Options::default();
        let known = ["event_time", "rename", "default", "skip", "with"];
        options.read(&item.attrs, ON_FIELDS, &known, errors);
        let name = match &member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let view_member = match &member {
            Member::Named(ident) => ident.clone().into(),
            Member::Unnamed(index) => Member::Unnamed(Index { index: kept, span: index.span }),
        };
        kept += u32::from(options.skip.is_none());
        Field {
            vis: item.vis.clone(),
            member,
            view_member,
            name: options.rename.unwrap_or(name),
            docs: docs(&item.attrs),
            ty: item.ty.clone(),
            event_time: options.event_time,
            default: options.default,
            skip: options.skip,
            with: options.with,
        }
    });
    Shape { style, fields: fields.collect() }
}

fn docs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect()
}

/// Everything that may stand in `#[record(..)]`; which of it may stand where, [`Options::read`] is told.
#[derive(Default)]
struct Options {
    key: Option<Span>,
    rename: Option<String>,
    krate: Option<Path>,
    event_time: Option<Span>,
    default: Option<DefaultView>,
    skip: Option<Span>,
    with: Option<Type>,
    version: Option<(Span, u32)>,
    from: Option<Type>,
}

impl Options {
    /// The version of a type, if it says one.
    fn version(&mut self, errors: &mut Errors) -> Option<Version> {
        match (self.version, self.from.take()) {
            (Some((span, 0)), _) => {
                errors.at(span, "versions count from 1, which is what a type has that says none: remove it");
                None
            }
            (Some((_, 1)) | None, Some(from)) => {
                errors.on(
                    from,
                    "there is no version before the first: say which this one is, `version = 2`, if what is stored is of the type that `from` names",
                );
                None
            }
            (Some((span, number @ 2..)), None) => {
                errors.at(
                    span,
                    format!(
                        "version {number} of a type is made from the one before: keep the old struct under another name, give it `#[record(rename = \"..\")]` with the name of this one, \
                         and say `from = ThatName` here, with an `impl From<ThatName>` for this type"
                    ),
                );
                None
            }
            (Some((_, number)), from) => Some(Version { number, from }),
            (None, None) => None,
        }
    }

    fn read(&mut self, attributes: &[Attribute], help: &str, known: &[&str], errors: &mut Errors) {
        let mut seen = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("record")) {
            let result = attribute.parse_nested_meta(|meta| {
                let name = meta.path.to_token_stream().to_string();
                if !known.contains(&name.as_str()) {
                    errors.on(&meta.path, format!("there is no `#[record({name})]` here; {help}"));
                    return skip_value(&meta);
                }
                if seen.contains(&name) {
                    errors.on(&meta.path, format!("`{name}` is said twice: remove one"));
                    return skip_value(&meta);
                }
                seen.push(name.clone());
                self.option(&name, &meta)
            });
            if let Err(error) = result {
                errors.push(error);
            }
        }
    }

    fn option(&mut self, name: &str, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let span = meta.path.span();
        match name {
            "key" => self.key = Some(span),
            "event_time" => self.event_time = Some(span),
            "skip" => self.skip = Some(span),
            "rename" => self.rename = Some(meta.value()?.parse::<LitStr>()?.value()),
            "crate" => self.krate = Some(meta.value()?.call(Path::parse_mod_style)?),
            "with" => self.with = Some(meta.value()?.parse()?),
            "version" => self.version = Some((span, meta.value()?.parse::<LitInt>()?.base10_parse()?)),
            "from" => self.from = Some(meta.value()?.parse()?),
            _ => {
                let view = if meta.input.peek(Token![=]) { Some(meta.value()?.parse::<Expr>()?) } else { None };
                self.default = Some(DefaultView { span, view });
            }
        }
        Ok(())
    }
}

/// Steps over the value of an attribute that is not read, so that the ones behind it are.
fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
