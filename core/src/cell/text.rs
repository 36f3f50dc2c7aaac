//! Cells that are text: `String`, `bool`, `char`.

use std::str;

use super::Cell;
use crate::error::ParseError;

/// The text as it is, spaces included.
impl<'t> Cell<'t> for String {
    #[inline]
    fn parse(text: &'t [u8]) -> Result<&'t str, ParseError> {
        str::from_utf8(text).map_err(|_| ParseError::new(text, "valid UTF-8"))
    }

    #[inline]
    fn format(view: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(view.as_bytes());
    }
}

/// `true` or `false`; reads `1` and `0` too.
impl<'t> Cell<'t> for bool {
    #[inline]
    fn parse(text: &'t [u8]) -> Result<bool, ParseError> {
        match text {
            b"true" | b"1" => Ok(true),
            b"false" | b"0" => Ok(false),
            _ => Err(ParseError::new(text, "`true`, `false`, `1` or `0`")),
        }
    }

    #[inline]
    fn format(view: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if view { b"true" } else { b"false" });
    }
}

/// Exactly one character.
impl<'t> Cell<'t> for char {
    #[inline]
    fn parse(text: &'t [u8]) -> Result<char, ParseError> {
        let mut chars = str::from_utf8(text).unwrap_or_default().chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(ParseError::new(text, "a single character")),
        }
    }

    #[inline]
    fn format(view: char, out: &mut Vec<u8>) {
        out.extend_from_slice(view.encode_utf8(&mut [0; 4]).as_bytes());
    }
}
