//! Tests of the REST interface: a leader that answers from a script, served on loopback, and asked by the client or by bytes of any kind.
#![allow(clippy::disallowed_methods, reason = "the other end of the connections is outside of any environment")]

mod client;
pub(crate) mod fake;
mod fuzz;
mod limits;
pub(crate) mod random;
mod routes;
pub(crate) mod sim;
mod simulated;
mod views;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use self::fake::Fake;
use super::{
    client::{Address, Client},
    server::{Options, serve},
    token::Token,
};
use crate::{
    env::{Env, TokioEnv},
    task::flag::Flag,
};

/// No test waits for longer than this for bytes that do not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many connections a server takes here.
const CONNECTIONS_LIMIT: usize = 24;

/// A server on loopback, asking a [`Fake`]. It ends when this is dropped.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) fake: Arc<Fake>,
    runtime: Option<tokio::runtime::Runtime>,
    closing: Flag,
    done: Option<tokio::task::JoinHandle<()>>,
}

impl Served {
    pub(crate) fn new(fake: Fake, token: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads are to be had");
        let (fake, closing) = (Arc::new(fake), Flag::default());
        let options = Options {
            token: token.map(|token| Token::new(token).expect("it is a token")),
            connections_limit: CONNECTIONS_LIMIT,
        };
        let (address, done) = runtime.block_on(async {
            let env = TokioEnv::current();
            let listener = env.network().listen("127.0.0.1:0").await.expect("a port is free");
            let address = listener.address().to_owned();
            let serving = serve(listener, Arc::clone(&fake) as _, options, env, closing.clone());
            (address, tokio::runtime::Handle::current().spawn(serving))
        });
        Self { address, fake, runtime: Some(runtime), closing, done: Some(done) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does something with a client of this server.
    pub(crate) fn ask<T>(&self, token: Option<&str>, ask: impl AsyncFnOnce(Client) -> T) -> T {
        let address = Address::parse(&self.url()).expect("it is an address");
        let token = token.map(|token| Token::new(token).expect("it is a token"));
        self.runtime().block_on(async { ask(Client::new(address, token, TokioEnv::current())).await })
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        self.runtime.as_ref().expect("it is there until the end")
    }

    /// Sends bytes, closes that direction if told so, and gives what comes back until the connection is closed.
    pub(crate) fn send(&self, bytes: &[u8], close: bool) -> Vec<u8> {
        self.send_pieces(&[bytes], close)
    }

    /// The same in pieces, each of which goes out by itself.
    fn send_pieces(&self, pieces: &[&[u8]], close: bool) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a time");
        stream.set_nodelay(true).expect("the connection is there");
        for piece in pieces {
            let _ = stream.write_all(piece); // the server may have had enough before the end
        }
        if close {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // A connection that is closed with bytes unread is reset.
            Ok(_) => answer,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => answer,
            Err(error) => {
                panic!("neither an answer nor an end: {error}; {:?}", String::from_utf8_lossy(&pieces.concat()))
            }
        }
    }

    /// Sends a request and takes its answer apart.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        Answer::parse(&self.send(format!("{request}\r\n{body}").as_bytes(), false))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        let headers: &[_] = if body.is_empty() { &[] } else { &["content-type: application/json"] };
        self.request("POST", path, headers, body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.closing.set();
        if let (Some(done), Some(runtime)) = (self.done.take(), self.runtime.take()) {
            let ended = runtime.block_on(done);
            if !std::thread::panicking() {
                ended.expect("the server ends in good order");
            }
            runtime.shutdown_background();
        }
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = status.strip_prefix("HTTP/1.1 ").and_then(|status| status.get(..3));
        let headers = headers.lines().filter_map(|line| line.split_once(": "));
        Self {
            status: status.and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {head:?}")),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that it is a problem of this status, which says this.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, says: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["type"]), (&status.into(), &"about:blank".into()), "{self:?}");
        let told = [&problem["detail"], &problem["hint"], &problem["candidates"]].map(ToString::to_string).join(" ");
        assert!(told.contains(says), "`{says}` is not in {told}");
    }
}
