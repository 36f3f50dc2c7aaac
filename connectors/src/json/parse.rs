//! One line of JSON as the view of a record.

use std::str;

use millstream_core::document::{Document, Scratch};

use super::JsonError;

/// Reads a record from a text that is nothing but its JSON; white space around it is all right. The view borrows strings from the text,
/// and the rest from the scratch, which is emptied first.
///
/// The text is checked to be UTF-8 as a whole, since that costs less than to check string by string.
///
/// # Errors
///
/// Says what is wrong, and where.
#[inline]
pub fn parse<'t, T: Document<'t>>(text: &'t [u8], scratch: &'t mut Scratch) -> Result<T::View<'t>, JsonError> {
    scratch.clear();
    let scratch = &*scratch;
    let text = str::from_utf8(text).map_err(|error| JsonError::not_utf8(text, error))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = T::deserialize(&mut json, scratch).and_then(|view| json.end().map(|()| view));
    read.map_err(|error| JsonError::new(&error, scratch))
}
