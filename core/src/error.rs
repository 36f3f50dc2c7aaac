//! Errors of the vocabulary itself.

use std::fmt;

/// A text that is not a value of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The text, shortened.
    pub text: String,
    /// What was wanted, as `a whole number from 0 to 255`.
    pub wanted: &'static str,
}

impl ParseError {
    /// How much of a wrong text a message repeats, in characters.
    const TEXT_LIMIT: usize = 40;

    /// Says that `text` is not what was wanted.
    pub fn new(text: &[u8], wanted: &'static str) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut short: String = text.chars().take(Self::TEXT_LIMIT).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        Self { text: short, wanted }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.text, self.wanted)
    }
}

impl std::error::Error for ParseError {}
