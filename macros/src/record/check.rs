//! The rules that a record must keep, and how to repair what breaks them.

use std::collections::HashSet;

use syn::{
    GenericParam, Lifetime, Type, TypeReference,
    visit_mut::{self, VisitMut},
};

use super::model::{Body, Field, Record, Shape, Style};
use crate::{errors::Errors, types};

/// An enum's variant is one byte of its archive.
const LIMIT_VARIANTS: usize = 256;

/// Checks a record.
pub(crate) fn record(record: &Record, errors: &mut Errors) {
    generics(record, errors);
    match &record.body {
        Body::Struct(shape) => structure(shape, errors),
        Body::Enum(variants) => {
            if variants.is_empty() {
                errors.on(
                    &record.ident,
                    "an enum without variants has no values, so it cannot be a record: add a variant",
                );
            }
            if let Some(variant) = variants.get(LIMIT_VARIANTS) {
                errors.on(&variant.ident, "a record has at most 256 variants: group them into nested enums");
            }
            unique(variants.iter().map(|variant| (&variant.name, &variant.ident)), "variants", errors);
            for variant in variants {
                alternative(&variant.shape, errors);
            }
        }
    }
    for shape in record.shapes() {
        if shape.style == Style::Named {
            unique(shape.kept().map(|field| (&field.name, &field.member)), "fields", errors);
        }
        for field in &shape.fields {
            self::field(field, record.key.is_some(), errors);
        }
    }
}

fn generics(record: &Record, errors: &mut Errors) {
    for param in &record.generics.params {
        match param {
            GenericParam::Lifetime(param) => errors.on(
                param,
                "a record owns its data and has no lifetimes: use `String` rather than `&str`, `Vec<T>` rather than `&[T]`",
            ),
            GenericParam::Type(param) => {
                if let Some(default) = &param.default {
                    errors.on(default, "a record's type parameters have no defaults: remove it, and use a `type` alias");
                }
                let used = record.kept().any(|field| types::mentions(field.carrier(), &param.ident));
                if !used && record.shapes().any(|shape| !shape.fields.is_empty()) {
                    errors.on(
                        &param.ident,
                        "no field of the record's bytes has this type parameter: remove it, or use it in a field that is not skipped",
                    );
                }
            }
            GenericParam::Const(param) => {
                if let Some(default) = &param.default {
                    errors.on(default, "a record's parameters have no defaults: remove it, and use a `type` alias");
                }
            }
        }
    }
}

fn structure(shape: &Shape, errors: &mut Errors) {
    let mut times = shape.fields.iter().filter_map(|field| field.event_time);
    if times.next().is_some() {
        for second in times {
            errors.at(second, "a record happens once: mark one field with `event_time`");
        }
    }
    for field in &shape.fields {
        if let Some(default) = &field.default
            && shape.style != Style::Named
        {
            errors.at(default.span, "`default` is for a column that may be missing, and only named fields are columns");
        }
    }
}

fn alternative(shape: &Shape, errors: &mut Errors) {
    for field in &shape.fields {
        if let Some(span) = field.event_time {
            errors.at(span, "every variant would need an event time: put the time into a struct around the enum, or use `.event_time_by(|record| .., ..)`");
        }
        if let Some(default) = &field.default {
            errors.at(default.span, "`default` is for a column that may be missing, and an enum has no columns");
        }
    }
}

fn field(field: &Field, key: bool, errors: &mut Errors) {
    if let Some(span) = field.skip {
        let conflicts = [
            (field.with.is_some(), "with", "it is not written, so there is nothing to adapt"),
            (field.event_time.is_some(), "event_time", "an event time must be part of the record"),
            (field.default.is_some(), "default", "it is no column, and is `Default::default()` when read back"),
        ];
        for (_, name, why) in conflicts.iter().filter(|(set, ..)| *set) {
            errors.at(span, format!("`skip` and `{name}` do not go together: {why}"));
        }
        return;
    }
    // A type by another name may still be a timestamp; these are none by any name.
    if field.event_time.is_some()
        && let Some(name @ ("u64" | "i64" | "u32" | "i32" | "f64" | "String")) = types::word(&field.ty).as_deref()
    {
        errors.on(
            &field.ty,
            format!("an event time is a `Timestamp`, not `{name}`: a CSV column of RFC 3339 times or epoch milliseconds can be read as one; otherwise use `.event_time_by(|record| Timestamp::from_millis(..), ..)`"),
        );
    }
    if field.with.is_none() {
        Contents { errors }.visit_type_mut(&mut field.ty.clone());
        if key && let Some(name @ ("f32" | "f64")) = types::word(&field.ty).as_deref() {
            errors.on(
                &field.ty,
                format!("`{name}` cannot be part of a key, since NaN is not equal to itself: round it to an integer, or keep its `to_bits()`"),
            );
        }
    }
}

fn unique<'m, T: quote::ToTokens + 'm>(
    names: impl Iterator<Item = (&'m String, &'m T)>,
    what: &str,
    errors: &mut Errors,
) {
    let mut seen = HashSet::new();
    for (name, tokens) in names {
        if !seen.insert(name) {
            errors.on(tokens, format!("two {what} are called `{name}` in the schema: rename one"));
        }
    }
}

/// Finds what cannot be in a record, however deep.
struct Contents<'e> {
    errors: &'e mut Errors,
}

impl VisitMut for Contents<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        let instead = match &*reference.elem {
            elem if types::word(elem).as_deref() == Some("str") => "`String` instead of `&str`",
            Type::Slice(_) => "`Vec<T>` instead of `&[T]`",
            _ => "the type without `&`",
        };
        self.errors.on(reference, format!("a record owns its data: use {instead}"));
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        self.errors.on(lifetime, "a record owns its data and has no lifetimes: use an owned type");
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        match types::word(ty).as_deref() {
            Some(name @ ("usize" | "isize")) => {
                let fixed = if name == "usize" { "u64" } else { "i64" };
                self.errors.on(&*ty, format!("the width of `{name}` differs between machines: use `{fixed}`"));
            }
            _ => visit_mut::visit_type_mut(self, ty),
        }
    }
}
