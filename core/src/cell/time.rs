//! Cells that are times.

use super::Cell;
use crate::{
    error::ParseError,
    time::{Timestamp, Window},
};

/// As [`Timestamp`] reads and writes itself.
impl<'t> Cell<'t> for Timestamp {
    #[inline]
    fn parse(text: &'t [u8]) -> Result<Timestamp, ParseError> {
        Timestamp::parse(text)
    }

    #[inline]
    fn format(view: Timestamp, out: &mut Vec<u8>) {
        view.append_to(out);
    }
}

/// An ISO 8601 interval, `2024-05-01T12:00:00Z/2024-05-01T12:01:00Z`: it needs no quotes, unlike the form with brackets and a comma.
impl<'t> Cell<'t> for Window {
    fn parse(text: &'t [u8]) -> Result<Window, ParseError> {
        const WANTED: &str = "a window, as `2024-05-01T12:00:00Z/2024-05-01T12:01:00Z`";
        let slash = text.iter().position(|byte| *byte == b'/').ok_or_else(|| ParseError::new(text, WANTED))?;
        let window = Window { start: Timestamp::parse(&text[..slash])?, end: Timestamp::parse(&text[slash + 1..])? };
        if window.start <= window.end { Ok(window) } else { Err(ParseError::new(text, WANTED)) }
    }

    fn format(view: Window, out: &mut Vec<u8>) {
        view.start.append_to(out);
        out.push(b'/');
        view.end.append_to(out);
    }
}
