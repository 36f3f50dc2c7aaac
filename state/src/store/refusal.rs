//! [`Refusal`]: what a store says when it refuses, in a line.

use std::{error::Error, fmt};

/// What a store says. Servers answer with documents: what people need of them is told, and they are not causes of it.
#[derive(Debug)]
pub struct Refusal(pub(super) object_store::Error);

impl Refusal {
    /// The error of the store itself.
    pub fn error(&self) -> &object_store::Error {
        &self.0
    }
}

impl Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = told(&self.0);
        match answer(&text) {
            None => f.write_str(&text)?,
            Some((code, message)) => write!(f, "{code}: {message}")?,
        }
        // When it lists, the store's client has no kind of its own for these.
        let is_refused = [" 401 Unauthorized", " 403 Forbidden"].iter().any(|status| text.contains(status));
        f.write_str(match answer(&text) {
            Some(("NoSuchBucket", _)) => " (nothing makes buckets: make it first, or check the name and the endpoint)",
            _ if is_refused => {
                " (the store refuses these credentials: check those in the environment, and what they may do there)"
            }
            _ => "",
        })
    }
}

/// An error with all its causes, each told once.
fn told(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Code and message of an answer in the form of S3, which the others have, too.
fn answer(text: &str) -> Option<(&str, &str)> {
    let of = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.trim())
    };
    Some((of("Code")?, of("Message")?))
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    fn refused(body: &str) -> String {
        let source = format!("Server returned non-2xx status code: 403 Forbidden: {body}").into();
        Refusal(object_store::Error::PermissionDenied { path: "log".to_owned(), source }).to_string()
    }

    #[test]
    fn of_an_answer_code_and_message_are_told_and_nothing_else() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>It does not match.</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        let text = refused(body);
        assert!(
            text.starts_with("SignatureDoesNotMatch: It does not match. (the store refuses these credentials"),
            "{text}"
        );
        assert!(!text.contains("AKIA"));
        assert!(refused("no").contains("403 Forbidden: no"));
    }
}
