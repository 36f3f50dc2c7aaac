//! The lock file as data: what it has of which version of which type, and what comes of it when types are added.

use std::fmt::Write as _;

use millstream_core::schema::{Field, Schema};

/// What the file begins with.
const INTRODUCTION: &str = "\
# The types of the state of this package's jobs, by `schema lock`. Commit this file.
# A type whose layout is not that of its version here does not compile: it needs a new version.
";
/// Types of Millstream's own that stand in many others, and do not change.
const BUILT_IN: [&str; 2] = ["Window", "Rolling"];

/// One version of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Locked {
    /// Its name in schemas, escaped to be on one line.
    pub(super) name: String,
    pub(super) version: u32,
    /// [`Schema::lock_hash`].
    pub(super) hash: u64,
    /// What it is made of, for people.
    pub(super) layout: String,
}

/// What a lock file lacks, or has in another way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Types and versions that are not in it.
    pub(super) new: Vec<Locked>,
    /// Versions that are in it with another layout, which no type has any more.
    pub(super) changed: Vec<Locked>,
}

/// The contents of a lock file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LockFile(Vec<Locked>);

impl Locked {
    fn is_version_of(&self, other: &Self) -> bool {
        (&self.name, self.version) == (&other.name, other.version)
    }

    fn is(&self, other: &Self) -> bool {
        self.is_version_of(other) && self.hash == other.hash
    }
}

/// Adds the structs and enums that a type consists of, and the versions before them.
pub(super) fn collect(schema: &'static Schema, found: &mut Vec<Locked>) {
    if let Some(name) = schema.name() {
        let locked = Locked {
            name: name.escape_debug().to_string(),
            version: schema.version(),
            hash: schema.lock_hash(),
            layout: layout(schema),
        };
        if BUILT_IN.contains(&name) || found.contains(&locked) {
            return;
        }
        found.push(locked);
    }
    let mut fields = |fields: &'static [Field]| fields.iter().for_each(|field| collect(field.schema, found));
    match schema {
        Schema::Primitive(_) => {}
        Schema::Option(of) | Schema::List(of) | Schema::Array(of, _) => collect(of, found),
        Schema::Map(key, value) => [key, value].into_iter().for_each(|of| collect(of, found)),
        Schema::Tuple(parts) => parts.iter().for_each(|of| collect(of, found)),
        Schema::Struct(_, of) => fields(of),
        Schema::Enum(_, variants) => variants.iter().for_each(|variant| fields(variant.fields)),
        Schema::Versioned(_, of, before) => {
            match of {
                Schema::Struct(_, of) => fields(of),
                Schema::Enum(_, variants) => variants.iter().for_each(|variant| fields(variant.fields)),
                _ => {}
            }
            collect(before, found);
        }
    }
}

fn layout(schema: &Schema) -> String {
    let fields = |fields: &[Field]| {
        let fields: Vec<_> =
            fields.iter().map(|field| format!("{}: {}", field.name.escape_debug(), field.schema)).collect();
        if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
    };
    match schema {
        Schema::Versioned(_, of, _) => layout(of),
        Schema::Struct(_, of) => format!("struct {}", fields(of)),
        Schema::Enum(_, variants) => {
            let variants: Vec<_> = variants
                .iter()
                .map(|variant| format!("{} {}", variant.name.escape_debug(), fields(variant.fields)))
                .collect();
            format!("enum {{ {} }}", variants.join(", "))
        }
        other => other.to_string(),
    }
}

impl LockFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// Names the line that is none of a lock file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut entries: Vec<Locked> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let (Some(layout), Some(last)) = (line.strip_prefix("  "), entries.last_mut()) {
                last.layout = layout.to_owned();
                continue;
            }
            let entry = entry(line);
            let entry = entry.ok_or_else(|| {
                format!("line {} is none of a lock file: `{line}`. If two branches have changed the file, keep the lines of both, and run `schema lock` again", number + 1)
            })?;
            entries.push(entry);
        }
        Ok(Self(entries))
    }

    /// What is to be done about the types that were found.
    pub(super) fn compare(&self, found: &[Locked]) -> Differences {
        let mut differences = Differences::default();
        for one in found {
            if self.0.iter().any(|locked| locked.is(one)) {
                continue;
            }
            // Two types may have one name: another layout is a change only where the locked one has gone.
            let gone = |locked: &Locked| locked.is_version_of(one) && !found.iter().any(|found| found.is(locked));
            let part = if self.0.iter().any(gone) { &mut differences.changed } else { &mut differences.new };
            part.push(one.clone());
        }
        differences
    }

    /// Adds types; what the file has of a version that has changed is taken out.
    pub(super) fn add(&mut self, differences: Differences, found: &[Locked]) {
        let Differences { new, changed } = differences;
        self.0.retain(|locked| {
            let replaced = changed.iter().any(|changed| changed.is_version_of(locked));
            !replaced || found.iter().any(|found| found.is(locked))
        });
        self.0.extend(new.into_iter().chain(changed));
        self.0.sort();
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let mut text = INTRODUCTION.to_owned();
        for Locked { name, version, hash, layout } in &self.0 {
            let _ = write!(text, "\nv{version} {hash:016x} {name}\n  {layout}\n"); // a string takes everything
        }
        text
    }
}

fn entry(line: &str) -> Option<Locked> {
    let mut parts = line.splitn(3, ' ');
    let version = parts.next()?.strip_prefix('v')?.parse().ok().filter(|version| *version > 0)?;
    let hash = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some(Locked { name: parts.next()?.to_owned(), version, hash, layout: String::new() })
}

#[cfg(test)]
mod tests {
    use millstream_core::record::Record;

    use super::*;

    const fn field(name: &'static str, schema: &'static Schema) -> Field {
        Field { name, schema }
    }

    const ITEM: &Schema = &Schema::Struct("my item", &[field("id", u64::SCHEMA)]);
    const ITEM_2: &Schema = &Schema::Versioned(2, &Schema::Struct("my item", &[field("name", String::SCHEMA)]), ITEM);
    const CART: &Schema = &Schema::Struct("Cart", &[field("items", &Schema::List(ITEM))]);
    const CART_OF_2: &Schema = &Schema::Struct("Cart", &[field("items", &Schema::List(ITEM_2))]);
    const CHANGED: &Schema = &Schema::Struct("Cart", &[field("items", &Schema::List(ITEM)), field("n", u8::SCHEMA)]);

    fn found(schema: &'static Schema) -> Vec<Locked> {
        let mut found = Vec::new();
        collect(schema, &mut found);
        found
    }

    fn locked(schema: &'static Schema) -> LockFile {
        let (mut file, found) = (LockFile::default(), found(schema));
        file.add(file.compare(&found), &found);
        file
    }

    #[test]
    fn a_file_reads_as_it_was_written() {
        let file = locked(CART);
        let text = file.text();
        let wanted = format!(
            "{INTRODUCTION}\nv1 {:016x} Cart\n  struct {{ items: Vec<my item> }}\n\nv1 {:016x} my item\n  struct {{ id: u64 }}\n",
            CART.lock_hash(),
            ITEM.lock_hash()
        );
        assert_eq!((text.as_str(), LockFile::parse(&text)), (wanted.as_str(), Ok(file)));
        for wrong in ["<<<<<<< HEAD", "v0 00 Cart", "1 00 Cart", "v1 xyz Cart", "v1 00"] {
            let error = LockFile::parse(&format!("{text}{wrong}\n")).expect_err(wrong);
            assert!(error.contains("line 9 ") && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn versions_are_added_and_the_older_ones_stay() {
        let mut file = locked(CART);
        assert_eq!(file.compare(&found(CART)), Differences::default());
        let differences = file.compare(&found(CART_OF_2));
        assert_eq!(differences.changed, []);
        let new: Vec<_> = differences.new.iter().map(|locked| (locked.name.as_str(), locked.version)).collect();
        assert_eq!(new, [("my item", 2)], "the cart is the same, and the first version of the item is there");
        file.add(differences, &found(CART_OF_2));
        assert_eq!(file.compare(&found(CART)), Differences::default(), "nothing was taken out");
    }

    #[test]
    fn a_changed_version_is_replaced_only_on_purpose() {
        let mut file = locked(CART);
        let differences = file.compare(&found(CHANGED));
        assert_eq!((differences.new.len(), differences.changed.len()), (0, 1));
        file.add(differences, &found(CHANGED));
        assert_eq!(file.compare(&found(CHANGED)), Differences::default());
        assert_eq!(file.compare(&found(CART)).changed.len(), 1, "the layout of before is gone");
        // Two types of one name.
        let mut both = found(CART);
        both.extend(found(CHANGED));
        assert_eq!(locked(CART).compare(&both).changed, []);
    }
}
