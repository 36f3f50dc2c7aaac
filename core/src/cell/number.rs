//! Cells that are numbers, read straight from the bytes.

use std::io::Write;

use super::Cell;
use crate::error::ParseError;

/// Whole numbers: digits, with a sign in front or not. A `-` is for signed types only.
macro_rules! integer {
    ($($type:ty, $negative:literal, $wanted:literal;)*) => { $(
        impl<'t> Cell<'t> for $type {
            #[inline]
            fn parse(text: &'t [u8]) -> Result<$type, ParseError> {
                let (negative, digits) = match text {
                    [b'-', digits @ ..] if $negative => (true, digits),
                    [b'+', digits @ ..] => (false, digits),
                    digits => (false, digits),
                };
                let number = if digits.is_empty() {
                    None
                } else {
                    // Negative numbers are counted downwards: the lowest one has no positive counterpart.
                    digits.iter().try_fold(0, |number: $type, byte| {
                        let digit = byte.wrapping_sub(b'0');
                        if digit > 9 {
                            return None;
                        }
                        let tens = number.checked_mul(10)?;
                        if negative { tens.checked_sub(digit as $type) } else { tens.checked_add(digit as $type) }
                    })
                };
                number.ok_or_else(|| ParseError::new(text, $wanted))
            }

            #[inline]
            fn format(view: $type, out: &mut Vec<u8>) {
                out.extend_from_slice(itoa::Buffer::new().format(view).as_bytes());
            }
        }
    )* };
}

integer! {
    u8, false, "a whole number from 0 to 255";
    u16, false, "a whole number from 0 to 65535";
    u32, false, "a whole number from 0 to 4294967295";
    u64, false, "a whole number from 0 to 18446744073709551615";
    u128, false, "a whole number from 0 to 2^128 - 1";
    i8, true, "a whole number from -128 to 127";
    i16, true, "a whole number from -32768 to 32767";
    i32, true, "a whole number from -2147483648 to 2147483647";
    i64, true, "a whole number from -9223372036854775808 to 9223372036854775807";
    i128, true, "a whole number from -2^127 to 2^127 - 1";
}

/// Floating-point numbers in decimal or scientific notation, and the three values that have no digits, spelt as they are written: `NaN`,
/// `inf`, `-inf`.
macro_rules! float {
    ($($type:ty)*) => { $(
        impl<'t> Cell<'t> for $type {
            #[inline]
            fn parse(text: &'t [u8]) -> Result<$type, ParseError> {
                float_text(text)
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| ParseError::new(text, "a number, as `12`, `-0.5` or `1.5e-7`"))
            }

            /// The shortest text that reads back as the same number.
            #[inline]
            fn format(view: $type, out: &mut Vec<u8>) {
                write!(out, "{view}").expect("writing to a vector cannot fail");
            }
        }
    )* };
}

float! { f32 f64 }

/// The text, if it may be a number: `str::parse` alone would also take `Infinity` and `nan`, which in a table are more likely names.
#[inline]
fn float_text(text: &[u8]) -> Option<&str> {
    let is_number = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if is_number || matches!(text, b"NaN" | b"inf" | b"-inf") { std::str::from_utf8(text).ok() } else { None }
}
