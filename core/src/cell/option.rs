//! Cells that may be empty.

use super::Cell;
use crate::error::ParseError;

/// An empty cell, or `NA`, is `None`; `None` is written as an empty cell. The text of a `Some` that is empty or `NA` itself therefore
/// reads back as `None`.
impl<'t, T: Cell<'t>> Cell<'t> for Option<T> {
    #[inline]
    fn parse(text: &'t [u8]) -> Result<Option<T::View<'t>>, ParseError> {
        match text {
            b"" | b"NA" => Ok(None),
            text => T::parse(text).map(Some),
        }
    }

    #[inline]
    fn format(view: Option<T::View<'_>>, out: &mut Vec<u8>) {
        if let Some(value) = view {
            T::format(value, out);
        }
    }
}
