//! Requests and answers: JSON, one line each. `docs/internals/control.md` specifies them.

use serde_json::{Value, json};

use crate::rest::submission::AfterSavepoint;

/// The version of the protocol. It stands in every line.
pub(super) const VERSION: u64 = 1;
/// The longest request, in bytes.
pub(super) const REQUEST_BYTES_LIMIT: usize = 4 << 10;
/// The longest answer, in bytes.
pub(super) const ANSWER_BYTES_LIMIT: usize = 16 << 20;

/// What is asked of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Request {
    Status,
    Checkpoint,
    Stop,
    Savepoint { to: Option<String>, then: AfterSavepoint },
    Set { key: String, value: String },
}

impl Request {
    /// As a line, without its end.
    pub(super) fn line(&self) -> String {
        let mut line = json!({ "version": VERSION, "request": self.name() });
        if let Self::Set { key, value } = self {
            (line["key"], line["value"]) = (key.as_str().into(), value.as_str().into());
        }
        if let Self::Savepoint { to, then } = self {
            (line["to"], line["then"]) = (json!(to), json!(then));
        }
        line.to_string()
    }

    /// Reads a line.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let request = of_this_version(line)?;
        let text = |field: &str| {
            let text = request[field].as_str().map(str::to_owned);
            text.ok_or_else(|| format!("the request has no `{field}`"))
        };
        match text("request")?.as_str() {
            "status" => Ok(Self::Status),
            "checkpoint" => Ok(Self::Checkpoint),
            "stop" => Ok(Self::Stop),
            "savepoint" => {
                let mut request = request;
                let to = request["to"].as_str().map(str::to_owned);
                let then = serde_json::from_value(request["then"].take());
                let then = then.map_err(|_| "the request has no `then` that is go_on, stop or drain".to_owned())?;
                Ok(Self::Savepoint { to, then })
            }
            "set" => Ok(Self::Set { key: text("key")?, value: text("value")? }),
            other => {
                Err(format!("there is no request `{other}`; there are status, checkpoint, savepoint, stop and set"))
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Checkpoint => "checkpoint",
            Self::Stop => "stop",
            Self::Savepoint { .. } => "savepoint",
            Self::Set { .. } => "set",
        }
    }
}

/// An answer as a line, without its end.
pub(super) fn answer(result: Result<Value, String>) -> String {
    let line = match result {
        Ok(result) => json!({ "version": VERSION, "result": result }).to_string(),
        Err(error) => json!({ "version": VERSION, "error": error }).to_string(),
    };
    match line.len() {
        0..ANSWER_BYTES_LIMIT => line,
        _ => answer(Err(format!("the answer is longer than {ANSWER_BYTES_LIMIT} bytes"))),
    }
}

/// Reads an answer.
pub(super) fn read_answer(line: &str) -> Result<Value, String> {
    let mut answer = of_this_version(line)?;
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    let result = answer.get_mut("result").map(Value::take);
    result.ok_or_else(|| "the answer has neither a result nor an error".to_owned())
}

fn of_this_version(line: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("the line is not JSON: {error}"))?;
    match value["version"].as_u64() {
        Some(VERSION) => Ok(value),
        Some(other) => Err(format!(
            "the other side speaks version {other} of the control protocol, this one version {VERSION}: use the binary that runs the job"
        )),
        None => Err("the line has no `version`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_they_are_written() {
        let set = Request::Set { key: "checkpoint.interval".into(), value: "2s\n\"".into() };
        let savepoint = Request::Savepoint { to: Some("s3://bucket/a".into()), then: AfterSavepoint::Stop };
        let by_setting = Request::Savepoint { to: None, then: AfterSavepoint::GoOn };
        for request in [Request::Status, Request::Checkpoint, Request::Stop, savepoint, by_setting, set] {
            let line = request.line();
            assert!(!line.contains('\n') && line.len() < REQUEST_BYTES_LIMIT, "{line}");
            assert_eq!(Request::parse(&line), Ok(request));
        }
    }

    #[test]
    fn answers_read_as_they_are_written() {
        for result in [Ok(json!({ "checkpoint": 7 })), Ok(Value::Null), Err("no\nroom".to_owned())] {
            let line = answer(result.clone());
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(read_answer(&line), result);
        }
        let long = answer(Ok("x".repeat(ANSWER_BYTES_LIMIT).into()));
        assert_eq!(read_answer(&long), Err(format!("the answer is longer than {ANSWER_BYTES_LIMIT} bytes")));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for (line, message) in [
            ("", "the line is not JSON: "),
            ("{\"version\":1", "the line is not JSON: "),
            ("[]", "the line has no `version`"),
            ("{\"request\":\"stop\"}", "the line has no `version`"),
            ("{\"version\":2,\"request\":\"stop\"}", "the other side speaks version 2 of the control protocol"),
            ("{\"version\":1}", "the request has no `request`"),
            ("{\"version\":1,\"request\":\"halt\"}", "there is no request `halt`; there are status,"),
            ("{\"version\":1,\"request\":\"set\",\"key\":\"a\"}", "the request has no `value`"),
        ] {
            let error = Request::parse(line).expect_err(line);
            assert!(error.starts_with(message), "{error}");
        }
        assert!(read_answer("{\"version\":1}").is_err());
    }
}
