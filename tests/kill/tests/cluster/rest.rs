//! Asks a JobManager over HTTP, with a connection for each request.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// How long a request may take to be connected, and for each part of its answer. A process that is stopped takes connections and says nothing.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long a command may take: it is answered when what it orders is done.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Asks a question.
///
/// # Errors
///
/// Nobody answers, or not in time.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    exchange(address, "GET", path, "", PATIENCE)
}

/// Gives an order.
///
/// # Errors
///
/// Nobody answers, or not in time. The order may be carried out nevertheless.
pub(crate) fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Answer, String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    exchange(address, "POST", path, &body, COMMAND_PATIENCE)
}

fn exchange(address: SocketAddr, method: &str, path: &str, body: &str, patience: Duration) -> Result<Answer, String> {
    let answer = || {
        let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
        connection.set_read_timeout(Some(patience))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    let text = answer().map_err(|error| format!("{method} {path} at {address}: {error}"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no HTTP answer: {text}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("no HTTP answer: {text}"))?;
    Ok(Answer { status, body: serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())) })
}
