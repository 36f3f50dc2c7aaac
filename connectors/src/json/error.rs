//! What is wrong with a text that should be the JSON of a record.

use std::{fmt, str::Utf8Error};

use millstream_core::document::Scratch;

/// How much of a wrong string a message repeats, in characters.
const TEXT_LIMIT: usize = 40;

/// Why a text is not the JSON of a record: ``column 14: field `price`: expected a number, found the string "abc"``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// How far reading got, in bytes, from 1.
    pub column: usize,
    /// The path to the field, as `lines[2].price`; empty if the record as a whole is concerned, or the text.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

impl JsonError {
    #[cold]
    pub(super) fn new(error: &serde_json::Error, scratch: &Scratch) -> Self {
        Self { column: error.column(), field: scratch.path(), reason: reason(error) }
    }

    #[cold]
    pub(super) fn not_utf8(text: &[u8], error: Utf8Error) -> Self {
        let valid = error.valid_up_to();
        Self {
            column: valid + 1,
            field: String::new(),
            reason: format!("the byte {:#04x} is not valid UTF-8", text[valid]),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: ", self.column)?;
        if !self.field.is_empty() {
            write!(f, "field `{}`: ", self.field)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for JsonError {}

/// The parser's message in the words of all other messages. What is not known here stays as it is.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let wrong = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    // A string that was found may hold anything; what was wanted is text of ours or serde's, and comes last.
    if let Some((found, wanted)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
        return format!("expected {}, found {}", self::wanted(wanted), self::found(found));
    }
    if let Some((found, wanted)) = text.strip_prefix("invalid length ").and_then(|text| text.split_once(", expected "))
    {
        return format!("expected {wanted}, found {found}");
    }
    if let Some(within) = text.strip_prefix("EOF while parsing ") {
        return format!("the text ends within {within}; a record is one line, as `jq -c .` writes it");
    }
    match text {
        "expected value" => "expected a value".to_owned(),
        "trailing characters" => "there is more text after the record".to_owned(),
        other => other.to_owned(),
    }
}

fn wanted(wanted: &str) -> &str {
    match wanted {
        "unit" => "null",
        "newtype variant" | "tuple variant" | "struct variant" => "the variant with its data",
        other => other,
    }
}

fn found(found: &str) -> String {
    let quoted = |kind: &str| found.strip_prefix(kind)?.strip_prefix(" `")?.strip_suffix('`');
    if let Some(number) = quoted("integer").or_else(|| quoted("floating point")) {
        return format!("the number {number}");
    }
    if let Some(truth) = quoted("boolean") {
        return format!("`{truth}`");
    }
    if let Some(text) = found.strip_prefix("string ") {
        return format!("the string {}", shortened(text));
    }
    match found {
        "map" => "an object".to_owned(),
        "sequence" => "an array".to_owned(),
        "unit variant" => "its name alone".to_owned(),
        "integer" => "a number beyond it".to_owned(),
        other => other.to_owned(),
    }
}

/// A string in quotes, shortened if it is long.
fn shortened(quoted: &str) -> String {
    match quoted.char_indices().nth(TEXT_LIMIT + 1) {
        Some((end, _)) if end + 1 < quoted.len() => format!("{}…\"", &quoted[..end]),
        _ => quoted.to_owned(),
    }
}
