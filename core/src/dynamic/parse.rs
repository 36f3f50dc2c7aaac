//! Reads the text of a [`StoredSchema`].

use std::str::FromStr;

use super::schema::{
    LIMIT_DEPTH, LIMIT_NODES, Primitive, Shape, StoredEnum, StoredField, StoredSchema, StoredStruct, StoredVariant,
    is_bare,
};

/// Why a text is not that of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotASchema {
    /// Where reading it stopped, in bytes from its beginning.
    pub at: usize,
}

impl std::fmt::Display for NotASchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this is not the text of a schema: it cannot be read from byte {} on", self.at)
    }
}

impl std::error::Error for NotASchema {}

impl FromStr for StoredSchema {
    type Err = NotASchema;

    fn from_str(text: &str) -> Result<Self, NotASchema> {
        let mut parser = Parser { rest: text, nodes: 0 };
        let schema = parser.schema(0).filter(|_| parser.rest.is_empty());
        schema.ok_or(NotASchema { at: text.len() - parser.rest.len() })
    }
}

struct Parser<'t> {
    rest: &'t str,
    nodes: usize,
}

impl<'t> Parser<'t> {
    fn schema(&mut self, depth: usize) -> Option<StoredSchema> {
        self.nodes += 1;
        if depth >= LIMIT_DEPTH || self.nodes > LIMIT_NODES {
            return None;
        }
        let inner = depth + 1;
        let shape = if self.takes("(") {
            Shape::Tuple(self.tuple(inner)?)
        } else if self.takes("[") {
            let of = self.schema(inner)?;
            self.expect("; ")?;
            let len = self.number()?;
            self.expect("]")?;
            Shape::Array(Box::new(of), len)
        } else {
            match self.word()? {
                "Option" => Shape::Option(Box::new(self.argument(inner)?)),
                "Vec" => Shape::List(Box::new(self.argument(inner)?)),
                "Map" => {
                    self.expect("<")?;
                    let key = self.schema(inner)?;
                    self.expect(", ")?;
                    let value = self.schema(inner)?;
                    self.expect(">")?;
                    Shape::Map(Box::new(key), Box::new(value))
                }
                "struct" => {
                    let (name, version) = self.title()?;
                    Shape::Struct(StoredStruct { name, version, fields: self.fields(inner)? })
                }
                "enum" => {
                    let (name, version) = self.title()?;
                    let variants = self.braces(|parser| {
                        let name = parser.name()?;
                        parser.expect(" ")?;
                        Some(StoredVariant { name, fields: parser.fields(inner)? })
                    })?;
                    Shape::Enum(StoredEnum { name, version, variants })
                }
                word => Shape::Primitive(Primitive::named(word)?),
            }
        };
        StoredSchema::new(shape)
    }

    fn argument(&mut self, depth: usize) -> Option<StoredSchema> {
        self.expect("<")?;
        let of = self.schema(depth)?;
        self.expect(">")?;
        Some(of)
    }

    fn tuple(&mut self, depth: usize) -> Option<Vec<StoredSchema>> {
        let mut parts = Vec::new();
        while !self.takes(")") {
            if !parts.is_empty() {
                self.expect(", ")?;
            }
            parts.push(self.schema(depth)?);
            if parts.len() == 1 && self.takes(",)") {
                break;
            }
        }
        Some(parts)
    }

    fn fields(&mut self, depth: usize) -> Option<Vec<StoredField>> {
        self.braces(|parser| {
            let name = parser.name()?;
            parser.expect(": ")?;
            Some(StoredField { name, schema: parser.schema(depth)? })
        })
    }

    fn braces<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.expect("{")?;
        let mut items = Vec::new();
        while !self.takes("}") {
            if !items.is_empty() {
                self.expect(", ")?;
            }
            self.nodes += 1;
            if self.nodes > LIMIT_NODES {
                return None;
            }
            items.push(item(self)?);
        }
        Some(items)
    }

    /// ` Name v2 `, the version being left out where it is the first.
    fn title(&mut self) -> Option<(String, u32)> {
        self.expect(" ")?;
        let name = self.name()?;
        self.expect(" ")?;
        let version = if self.takes("v") {
            let version = u32::try_from(self.number()?).ok().filter(|version| *version > 1)?;
            self.expect(" ")?;
            version
        } else {
            1
        };
        Some((name, version))
    }

    fn name(&mut self) -> Option<String> {
        if !self.takes("\"") {
            return self.word().map(str::to_owned);
        }
        let mut name = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => name.push(chars.next()?),
                c => name.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(name)
    }

    fn number(&mut self) -> Option<usize> {
        self.word()?.parse().ok()
    }

    fn word(&mut self) -> Option<&'t str> {
        let end = self.rest.find(|c| !is_bare(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn takes(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.takes(text).then_some(())
    }
}
