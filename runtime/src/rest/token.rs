//! [`Token`]: the secret that requests bear, if the server wants one.

use std::{fmt, hint::black_box};

/// The longest token, in bytes.
const TOKEN_BYTES_LIMIT: usize = 4_096;

/// A bearer token. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// A token, without blanks around it.
    ///
    /// # Errors
    ///
    /// It is empty, too long, or has characters that a header cannot carry. It is not repeated in the message.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.len() > TOKEN_BYTES_LIMIT || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("a token is from 1 to {TOKEN_BYTES_LIMIT} visible ASCII characters without blanks"));
        }
        Ok(Self(text.to_owned()))
    }

    /// What a request says that bears it.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// True if a request bears it. How long this takes depends on the length of what is given alone.
    pub(crate) fn is_borne_by(&self, authorization: Option<&[u8]>) -> bool {
        let Some((scheme, given)) = authorization.and_then(|text| text.split_at_checked("Bearer ".len())) else {
            return false;
        };
        let secret = self.0.as_bytes();
        let differences =
            given.iter().enumerate().fold(0, |found, (i, byte)| found | (byte ^ secret[i % secret.len()]));
        scheme.eq_ignore_ascii_case(b"Bearer ") & (black_box(differences) == 0) & (given.len() == secret.len())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_accepted() {
        let token = Token::new(" s3cret\n").expect("it is a token");
        for (given, accepted) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Bearer s3cre", false),
            ("Bearer s3crets", false),
            ("Bearer s3crets3cret", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic s3cret", false),
            ("s3cret", false),
        ] {
            assert_eq!(token.is_borne_by(Some(given.as_bytes())), accepted, "{given}");
        }
        assert!(!token.is_borne_by(None));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn what_a_header_cannot_carry_is_no_token() {
        for text in ["", " \n", "two words", "größe", &"x".repeat(5_000)] {
            let refused = Token::new(text).expect_err("it is no token");
            assert!(text.trim().is_empty() || !refused.contains(text.trim()), "{refused}");
        }
    }
}
