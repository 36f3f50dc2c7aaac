//! [`SchemaName`]: the type of what is stored, and whether it is that of the program.

use std::fmt;

use millstream_core::{
    dynamic::{Mismatch, StoredSchema},
    record::Record,
};

/// A record type as it stands beside what is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName {
    /// The text of its [`StoredSchema`]. Before that was stored it was the type alone, as one would write it.
    pub text: String,
    /// [`Record::HASH`].
    pub hash: u64,
}

/// How what is stored becomes records of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// It is of this type.
    Same,
    /// It is of an earlier version of it, or has one in it: each record is [made](Record::from_value) from the value that it was.
    Migrates(StoredSchema),
}

/// Why what is stored cannot become records of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It is known what does not fit.
    Mismatch(Mismatch),
    /// What is stored is of another type, and does not say what that is made of: it was written before stored types said so.
    Unknown {
        /// The stored type.
        stored: SchemaName,
        /// The program's.
        wanted: SchemaName,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Unknown { stored, wanted } => write!(
                f,
                "{stored} is stored and {wanted} is wanted, and what is stored does not say what it is made of: it has to be that of the type, or of a version that it is made \
                 from. Give the state another name to begin it anew, or run the version of the job that wrote it"
            ),
        }
    }
}

impl std::error::Error for Unfit {}

impl SchemaName {
    /// That of a record type.
    pub fn of<T: Record>() -> Self {
        // A type that is too large to be described is told by its hash alone.
        let text = StoredSchema::of(T::SCHEMA).map_or_else(|| T::SCHEMA.to_string(), |schema| schema.to_string());
        Self { text, hash: T::HASH }
    }

    /// What the type is made of, if that is stored.
    pub fn schema(&self) -> Option<StoredSchema> {
        self.text.parse().ok().filter(|schema: &StoredSchema| schema.hash() == self.hash)
    }

    /// The type as one would write it.
    pub fn short(&self) -> String {
        self.schema().map_or_else(|| self.text.clone(), |schema| format!("{schema:#}"))
    }

    /// Whether records of a type can be read from what is stored, and how.
    ///
    /// # Errors
    ///
    /// Says why not.
    pub fn fit<T: Record>(&self) -> Result<Fit, Unfit> {
        if self.hash == T::HASH {
            return Ok(Fit::Same);
        }
        let schema = self.schema().or_else(|| StoredSchema::of_past(T::SCHEMA, self.hash));
        let unknown = || Unfit::Unknown { stored: self.clone(), wanted: Self::of::<T>() };
        let schema = schema.ok_or_else(unknown)?;
        schema.check(T::SCHEMA).map_err(Unfit::Mismatch)?;
        Ok(Fit::Migrates(schema))
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({:016x})", self.short(), self.hash)
    }
}
