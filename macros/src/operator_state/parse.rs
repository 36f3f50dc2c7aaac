//! Reads the struct, and says what is wrong with it.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{Data, DeriveInput, Fields, LitStr, Path, ext::IdentExt as _};

use super::model::{Field, OperatorState, Spread};
use crate::{errors::Errors, paths::Paths, state::is_name, types};

/// Reads a struct. What is wrong goes to `errors`; the model then has the rest.
pub(crate) fn state(input: &DeriveInput, errors: &mut Errors) -> OperatorState {
    let mut paths = Paths::default();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
        let result = attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                let name = meta.path.to_token_stream();
                return Err(meta.error(format!(
                    "there is no `#[state({name})]` here; on a struct of operator state this is known: `crate = path`"
                )));
            }
            paths = Paths::new(meta.value()?.call(Path::parse_mod_style)?);
            Ok(())
        });
        if let Err(error) = result {
            errors.push(error);
        }
    }
    for param in &input.generics.params {
        errors.on(param, "state is found again by its schema, so its types are known: remove the parameter, and write a struct for each type");
    }
    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(&fields.named),
            Fields::Unnamed(_) | Fields::Unit => None,
        },
        Data::Enum(_) | Data::Union(_) => None,
    };
    match named {
        None => errors.on(
            &input.ident,
            "operator state is a struct with named fields: `struct Batch { #[state(list)] waiting: Vec<Trade> }`",
        ),
        Some(fields) if fields.is_empty() => errors
            .on(&input.ident, "this state has no fields, so there is nothing to keep: leave the parameter for it out"),
        Some(_) => {}
    }
    let fields: Vec<_> = named.into_iter().flatten().filter_map(|item| field(item, errors)).collect();
    let mut seen = HashMap::new();
    for field in &fields {
        if !is_name(&field.name) {
            let message = format!("`{}` cannot be the name of a state: use letters, digits and `_`", field.name);
            errors.on(&field.ident, message);
        }
        if let Some(first) = seen.insert(&field.name, &field.ident) {
            let message = format!("two states have the name `{}`, this one and that of `{first}`", field.name);
            errors.on(&field.ident, message);
        }
    }
    OperatorState { paths, ident: input.ident.clone(), generics: input.generics.clone(), fields }
}

/// Reads a field; `None` after an error on it.
fn field(item: &syn::Field, errors: &mut Errors) -> Option<Field> {
    let ident = item.ident.clone()?;
    let (mut spreads, mut name) = (Vec::new(), None);
    for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
        let result = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = Some(meta.value()?.parse::<LitStr>()?.value());
                return Ok(());
            }
            let Some(spread) = Spread::ALL.into_iter().find(|spread| meta.path.is_ident(spread.word())) else {
                let name = meta.path.to_token_stream();
                return Err(meta.error(format!(
                    "there is no `#[state({name})]` here; on a field these are known: `list`, `union`, `broadcast`, `name = \"..\"`"
                )));
            };
            spreads.push(spread);
            Ok(())
        });
        if let Err(error) = result {
            errors.push(error);
            return None;
        }
    }
    let [spread] = spreads.as_slice() else {
        errors.on(
            &ident,
            "say of each state who gets it when a job goes on: `#[state(list)]` (each element goes to one subtask), `#[state(union)]` (all go to every subtask) or `#[state(broadcast)]` (every subtask has the same)",
        );
        return None;
    };
    let record = match (spread, types::arguments(&item.ty, "Vec").as_deref()) {
        (Spread::Broadcast, _) => item.ty.clone(),
        (_, Some([element])) => (*element).clone(),
        _ => {
            let word = spread.word();
            errors.on(&item.ty, format!("a state that is a `{word}` is a `Vec<T>`, whose elements are shared out"));
            return None;
        }
    };
    let name = name.unwrap_or_else(|| ident.unraw().to_string());
    Some(Field { ident, spread: *spread, name, record })
}
