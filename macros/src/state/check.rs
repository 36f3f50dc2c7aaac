//! The rules for structs of state.

use std::collections::HashMap;

use super::model::State;
use crate::{errors::Errors, record::Record, types};

/// Checks a struct; whether its fields are records is checked where they are made one.
pub(crate) fn state(state: &State, errors: &mut Errors) {
    if state.no_struct {
        errors.on(
            &state.ident,
            "state is a struct with named fields: `struct Session { count: u64, pages: MapState<String, u64> }`",
        );
        return;
    }
    if state.row.is_none() && state.own.is_empty() && state.generics.params.is_empty() {
        errors
            .on(&state.ident, "this state has no fields, so there is nothing to keep: leave the parameter for it out");
    }
    for param in &state.generics.params {
        errors.on(param, "state is found again by its schema, so its types are known: remove the parameter, and write a struct for each type");
    }
    for field in state.row.iter().flat_map(Record::shapes).flat_map(|shape| &shape.fields) {
        if let Some(span) = field.skip {
            errors.at(span, "a field that is not stored would be lost when the job goes on from a checkpoint: keep it in the function, outside of the state");
        }
    }
    let mut seen = HashMap::new();
    for field in &state.own {
        if let Some(ttl) = field.ttl.as_ref().filter(|_| types::is(&field.ty, "ListState")) {
            let message = format!(
                "the elements of a list have no time to live: keep them in a `MapState` by a number of their own, or take `{}` out by `#[state(ttl = \"none\")]`",
                field.ident
            );
            errors.at(ttl.span, message);
        }
        if !is_name(&field.name) {
            errors.on(
                &field.ident,
                format!("`{}` cannot be the name of a state: use letters, digits and `_`", field.name),
            );
        }
        if let Some(first) = seen.insert(&field.name, &field.ident) {
            errors.on(
                &field.ident,
                format!("two states have the name `{}`, this one and that of `{first}`: give one another, as `#[state(name = \"{}\")]`", field.name, field.ident),
            );
        }
    }
}

/// True for what a field could be called. So no name collides with those that have a `-`: of the plain fields, of timers.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c == '_' || c.is_alphanumeric())
}
