//! Base64 as of RFC 4648, section 4: the alphabet with `+` and `/`, padded.

use std::{fmt, str};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD: u8 = b'=';
/// Stands for a character that is not in the alphabet.
const NONE: u8 = 0xff;

/// The six bits of each character.
const BITS: [u8; 256] = {
    let mut bits = [NONE; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        bits[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    bits
};

/// Bytes that are displayed as base64.
pub(super) struct Encoded<'b>(pub(super) &'b [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.0.chunks(3) {
            let at = |i: usize| u32::from(*group.get(i).unwrap_or(&0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            let mut text = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize]);
            text[group.len() + 1..].fill(PAD);
            f.write_str(str::from_utf8(&text).expect("the alphabet is ASCII"))?;
        }
        Ok(())
    }
}

/// Hands out the bytes, up to three at a time. `None` if the text is not base64; what was handed out by then means nothing.
pub(super) fn decode(text: &[u8], mut out: impl FnMut(&[u8])) -> Option<()> {
    let (groups, []) = text.as_chunks::<4>() else { return None };
    for (i, group) in groups.iter().enumerate() {
        let padding = match group {
            [_, _, PAD, PAD] => 2,
            [_, _, _, PAD] => 1,
            _ => 0,
        };
        if padding > 0 && i + 1 < groups.len() {
            return None;
        }
        let mut bits = 0_u32;
        for character in &group[..4 - padding] {
            let six = BITS[usize::from(*character)];
            if six == NONE {
                return None;
            }
            bits = bits << 6 | u32::from(six);
        }
        let [_, bytes @ ..] = (bits << (6 * padding)).to_be_bytes();
        let (bytes, beyond) = bytes.split_at(3 - padding);
        // Bits beyond the last byte would make several texts of the same bytes.
        if beyond.iter().any(|byte| *byte != 0) {
            return None;
        }
        out(bytes);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Encoded, decode};

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        decode(text.as_bytes(), |chunk| bytes.extend_from_slice(chunk)).map(|()| bytes)
    }

    #[test]
    fn the_vectors_of_the_rfc_hold() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(Encoded(bytes.as_bytes()).to_string(), text);
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn every_byte_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&Encoded(&bytes).to_string()), Some(bytes));
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in
            ["Z", "Zg", "Zg=", "Zg==Zg==", "Z===", "====", "Zm9-", "Zm9_", "Zh==", "Zm9=", " Zg=", "Zg=A", "Zgé"]
        {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
