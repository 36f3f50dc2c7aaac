//! [`Mismatch`]: whether what is stored can be read as the type that a program has now.

use std::fmt;

use super::{StoredField, StoredSchema, schema::Shape};
use crate::schema::{Field, Schema};

/// Why what is stored cannot be read as a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the record it is, by the names of fields: empty if it is the record itself.
    pub path: String,
    /// What is stored there.
    pub stored: String,
    /// What is wanted there.
    pub wanted: String,
    /// What does not fit.
    pub why: Why,
}

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Another type.
    Other,
    /// A later version of the type than the program knows.
    Newer,
    /// The same version of the type has other fields.
    Changed,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, stored, wanted, why } = self;
        let place = if path.is_empty() { String::new() } else { format!("in `{path}`, ") };
        match why {
            Why::Other => write!(
                f,
                "{place}{stored} is stored and {wanted} is wanted: give the type around it a new version that is made `from` the stored one, or give the state another name"
            ),
            Why::Newer => write!(
                f,
                "{place}{stored} is stored, which is newer than {wanted}, the newest that this program knows: run the version of the job that wrote it, or a later one"
            ),
            Why::Changed => write!(
                f,
                "{place}{stored} is stored and has other fields than {wanted} in this program, though the version is the same: \
                 give the type a new version that is made from the stored one, `#[record(version = N, from = ..)]`"
            ),
        }
    }
}

impl std::error::Error for Mismatch {}

impl StoredSchema {
    /// Checks whether records of this schema can be [made](crate::record::Record::from_value) records of a type: all that is stored is of a type and a version that
    /// the type has, or that one of its versions is made from.
    ///
    /// # Errors
    ///
    /// Says where it is not.
    pub fn check(&self, wanted: &'static Schema) -> Result<(), Mismatch> {
        check(self, wanted, &mut Vec::new())
    }
}

fn check(stored: &StoredSchema, wanted: &'static Schema, path: &mut Vec<String>) -> Result<(), Mismatch> {
    let other = |path: &[String]| Err(mismatch(stored, wanted, path, Why::Other));
    let (version, body) = match wanted {
        Schema::Versioned(version, of, before) => {
            if let Some((name, older)) = stored.named()
                && Some(name) == wanted.name()
                && older < *version
            {
                return check(stored, before, path);
            }
            (*version, *of)
        }
        first => (1, first),
    };
    if let (Some((name, found)), Some(wanted_name)) = (stored.named(), body.name()) {
        if name != wanted_name {
            return other(path);
        }
        if found != version {
            let why = if found > version { Why::Newer } else { Why::Other };
            return Err(mismatch(stored, wanted, path, why));
        }
    }
    let changed = |path: &[String]| Err(mismatch(stored, wanted, path, Why::Changed));
    match (stored.shape(), body) {
        (Shape::Primitive(stored), Schema::Primitive(name)) if stored.name() == *name => Ok(()),
        (Shape::Option(stored), Schema::Option(of)) => check(stored, of, path),
        (Shape::List(stored), Schema::List(of)) => part("[]".into(), stored, of, path),
        (Shape::Array(stored, found), Schema::Array(of, len)) if found == len => part("[]".into(), stored, of, path),
        (Shape::Map(stored_key, stored_value), Schema::Map(key, value)) => {
            part("key".into(), stored_key, key, path)?;
            part("value".into(), stored_value, value, path)
        }
        (Shape::Tuple(stored), Schema::Tuple(parts)) if stored.len() == parts.len() => {
            let mut both = stored.iter().zip(*parts).enumerate();
            both.try_for_each(|(i, (stored, of))| part(i.to_string(), stored, of, path))
        }
        (Shape::Struct(stored), Schema::Struct(_, fields)) => match same_names(&stored.fields, fields) {
            true => check_fields(&stored.fields, fields, path),
            false => changed(path),
        },
        (Shape::Enum(stored), Schema::Enum(_, variants)) => {
            let same =
                stored.variants.len() == variants.len()
                    && stored.variants.iter().zip(*variants).all(|(stored, variant)| {
                        stored.name == variant.name && same_names(&stored.fields, variant.fields)
                    });
            if !same {
                return changed(path);
            }
            for (stored, variant) in stored.variants.iter().zip(*variants) {
                path.push(stored.name.clone());
                check_fields(&stored.fields, variant.fields, path)?;
                path.pop();
            }
            Ok(())
        }
        _ => other(path),
    }
}

fn same_names(stored: &[StoredField], fields: &[Field]) -> bool {
    stored.iter().map(|field| field.name.as_str()).eq(fields.iter().map(|field| field.name))
}

fn check_fields(stored: &[StoredField], fields: &'static [Field], path: &mut Vec<String>) -> Result<(), Mismatch> {
    let mut both = stored.iter().zip(fields);
    both.try_for_each(|(stored, field)| part(stored.name.clone(), &stored.schema, field.schema, path))
}

fn part(name: String, stored: &StoredSchema, wanted: &'static Schema, path: &mut Vec<String>) -> Result<(), Mismatch> {
    path.push(name);
    check(stored, wanted, path)?;
    path.pop();
    Ok(())
}

fn mismatch(stored: &StoredSchema, wanted: &Schema, path: &[String], why: Why) -> Mismatch {
    let text = |named: Option<(&str, u32)>, other: &dyn fmt::Display| match named {
        Some((name, version)) => format!("`{name}` (version {version})"),
        None => format!("`{other}`"),
    };
    Mismatch {
        path: path.join("."),
        stored: text(stored.named(), &format_args!("{stored:#}")),
        wanted: text(wanted.name().map(|name| (name, wanted.version())), wanted),
        why,
    }
}
