//! [`Client`]: asks the leader over HTTP.

use std::{fmt, future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{Either, select};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1,
    header::{self, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    io::Io,
    problem::Problem,
    service::COMMAND_PATIENCE,
    submission::{CheckpointMade, Ordered, Rescale, SavepointMade, SavepointWanted, Submission, Submitted},
    token::Token,
    views::{Checkpoints, ClusterOverview, Exceptions, JobDetail, Jobs, TaskManagers},
};
use crate::env::Env;

/// A connection is there within this time.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// The answer to a question is there within this time.
const QUESTION_PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer, in bytes.
const ANSWER_BYTES_LIMIT: usize = 64 << 20;
/// So many other processes are asked, one after the other, if each says that another leads.
const REDIRECTS_LIMIT: usize = 3;

/// Where a cluster answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `host:port`.
    authority: String,
    /// It is asked by TLS.
    is_tls: bool,
}

impl Address {
    /// Where a cluster answers unless one says otherwise.
    pub(crate) const DEFAULT: &str = "http://127.0.0.1:8081";

    /// Reads `http://host:port`, `https://host:port`, or `host:port`.
    ///
    /// # Errors
    ///
    /// Says what is expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| Err(format!("`{text}` is not the address of a cluster: {why}, as in {}", Self::DEFAULT));
        let (is_tls, authority) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, rest) => (false, rest.unwrap_or(text)),
        };
        let authority = authority.trim_end_matches('/');
        let is_port = |port: &str| !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0);
        match authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) && is_host(host) => {
                Ok(Self { authority: authority.to_owned(), is_tls })
            }
            _ => wrong("a host and a port are expected"),
        }
    }

    /// The same, asked by TLS if this is true.
    pub(crate) fn by_tls(self, is_tls: bool) -> Self {
        Self { is_tls: self.is_tls || is_tls, ..self }
    }

    /// True if it is asked by TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.authority)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody can be reached: nothing was asked.
    Unreachable(String),
    /// There is no answer, or half of one. Whether a command was carried out is not known.
    Lost(String),
    /// What was asked for was refused.
    Refused(Box<Problem>),
    /// What answers is no cluster.
    Malformed(String),
}

impl ClientError {
    /// True if asking again may help: a leader that is gone is followed by another.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Refused(problem) => matches!(problem.status, 307 | 408 | 502 | 503 | 504),
            Self::Malformed(_) => false,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(message) | Self::Lost(message) | Self::Malformed(message) => f.write_str(message),
            Self::Refused(problem) => problem.fmt(f),
        }
    }
}

/// Asks a cluster. Each request has a connection of its own. Dropping a future gives up the request; a command may be carried out nevertheless.
#[derive(Clone)]
pub(crate) struct Client {
    address: Address,
    token: Option<Token>,
    env: Arc<dyn Env>,
}

type Answered<T> = Result<T, ClientError>;

impl Client {
    pub(crate) fn new(address: Address, token: Option<Token>, env: Arc<dyn Env>) -> Self {
        Self { address, token, env }
    }

    /// Where it asks.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) async fn overview(&self) -> Answered<ClusterOverview> {
        self.get("/v1/overview").await
    }

    pub(crate) async fn jobs(&self) -> Answered<Jobs> {
        self.get("/v1/jobs").await
    }

    /// A job, by its id, the beginning of that, or its name; so in all other methods.
    pub(crate) async fn job(&self, job: &str) -> Answered<JobDetail> {
        self.get(&of_job(job, "")).await
    }

    pub(crate) async fn exceptions(&self, job: &str) -> Answered<Exceptions> {
        self.get(&of_job(job, "/exceptions")).await
    }

    pub(crate) async fn checkpoints(&self, job: &str) -> Answered<Checkpoints> {
        self.get(&of_job(job, "/checkpoints")).await
    }

    pub(crate) async fn taskmanagers(&self) -> Answered<TaskManagers> {
        self.get("/v1/taskmanagers").await
    }

    #[cfg(test)]
    pub(crate) async fn binary_jobs(&self) -> Answered<super::views::BinaryJobs> {
        self.get("/v1/binary").await
    }

    #[cfg(test)]
    pub(crate) async fn config(&self) -> Answered<super::views::ClusterConfig> {
        self.get("/v1/config").await
    }

    pub(crate) async fn submit(&self, submission: &Submission) -> Answered<Submitted> {
        self.post("/v1/jobs", Some(submission)).await
    }

    pub(crate) async fn cancel(&self, job: &str) -> Answered<Ordered> {
        self.post(&of_job(job, "/cancel"), None::<&()>).await
    }

    pub(crate) async fn stop(&self, job: &str) -> Answered<CheckpointMade> {
        self.post(&of_job(job, "/stop"), None::<&()>).await
    }

    pub(crate) async fn checkpoint(&self, job: &str) -> Answered<CheckpointMade> {
        self.post(&of_job(job, "/checkpoints"), None::<&()>).await
    }

    pub(crate) async fn savepoint(&self, job: &str, wanted: &SavepointWanted) -> Answered<SavepointMade> {
        self.post(&of_job(job, "/savepoints"), Some(wanted)).await
    }

    pub(crate) async fn rescale(&self, job: &str, rescale: &Rescale) -> Answered<Ordered> {
        self.post(&of_job(job, "/rescale"), Some(rescale)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Answered<T> {
        self.ask(Method::GET, path, Bytes::new(), QUESTION_PATIENCE).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: Option<&(impl Serialize + Sync)>) -> Answered<T> {
        let body = body.map_or_else(Vec::new, |body| serde_json::to_vec(body).expect("requests are JSON"));
        self.ask(Method::POST, path, body.into(), COMMAND_PATIENCE + QUESTION_PATIENCE).await
    }

    /// Asks, and asks the leader if that is another.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Answered<T> {
        let mut address = self.address.clone();
        for _ in 0..=REDIRECTS_LIMIT {
            let exchanged = self.exchange(&address, &method, path, body.clone());
            let (status, answer) = match self.in_time(patience, exchanged).await {
                Some(exchanged) => exchanged?,
                None => {
                    let message = format!("the cluster at {address} has not answered within {} s", patience.as_secs());
                    return Err(ClientError::Lost(message));
                }
            };
            if status.is_success() {
                return serde_json::from_slice(&answer).map_err(|error| {
                    ClientError::Malformed(format!("what {address} answered to {path} is not understood: {error}"))
                });
            }
            let Ok(problem) = serde_json::from_slice::<Problem>(&answer) else {
                let message = format!("what answers at {address} is no Millstream cluster: its status is {status}");
                return Err(ClientError::Malformed(message));
            };
            // Who has the token is believed where to send it, but not that it may go unprotected.
            match problem.leader.as_deref().map(Address::parse) {
                Some(Ok(leader))
                    if status == StatusCode::TEMPORARY_REDIRECT
                        && leader != address
                        && leader.is_tls == address.is_tls =>
                {
                    address = leader;
                }
                _ => return Err(ClientError::Refused(Box::new(problem))),
            }
        }
        Err(ClientError::Unreachable(format!(
            "{REDIRECTS_LIMIT} processes say that another leads; the last was {address}"
        )))
    }

    /// Sends one request and takes the answer.
    async fn exchange(
        &self,
        address: &Address,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Answered<(StatusCode, Bytes)> {
        let unreachable = |why: String| ClientError::Unreachable(format!("no cluster answers at {address}: {why}"));
        let lost = |error: hyper::Error| ClientError::Lost(format!("the connection to {address} was lost: {error}"));
        let connecting = self.env.network().connect(&address.authority);
        let connection = match self.in_time(CONNECT_PATIENCE, connecting).await {
            Some(connected) => connected.map_err(|error| unreachable(error.to_string()))?,
            None => return Err(unreachable(format!("there is no connection within {} s", CONNECT_PATIENCE.as_secs()))),
        };
        let request = self.request(address, method, path, body)?;
        let io = Io::client(connection, Arc::clone(&self.env));
        let (mut sender, driver) = http1::handshake(io).await.map_err(lost)?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(lost)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_LIMIT).collect().await;
            let body =
                body.map_err(|error| ClientError::Lost(format!("the answer of {address} is cut off: {error}")))?;
            Ok((status, body.to_bytes()))
        };
        // The connection has to be driven for the exchange to go on, and may end before the exchange knows.
        match select(pin!(exchange), pin!(driver)).await {
            Either::Left((exchanged, _)) => exchanged,
            Either::Right((_, exchange)) => exchange.await,
        }
    }

    fn request(&self, address: &Address, method: &Method, path: &str, body: Bytes) -> Answered<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &address.authority)
            .header(header::CONNECTION, "close")
            .header(header::USER_AGENT, concat!("millstream/", env!("CARGO_PKG_VERSION")));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(token.authorization()).expect("a token is visible ASCII");
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let malformed = |error| ClientError::Malformed(format!("`{path}` cannot be asked for: {error}"));
        request.body(Full::new(body)).map_err(malformed)
    }

    /// What a future gives, unless it takes too long.
    async fn in_time<T>(&self, patience: Duration, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), self.env.sleep(patience)).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }
}

/// A path of a job, its name escaped.
fn of_job(job: &str, rest: &str) -> String {
    let mut path = "/v1/jobs/".to_owned();
    for byte in job.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => path.push(byte.into()),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for text in ["http://127.0.0.1:8081", "localhost:1", "http://[::1]:65535/", "node-1.example:80"] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                address.to_string(),
                format!("http://{}", text.trim_start_matches("http://").trim_end_matches('/'))
            );
        }
        for text in [
            "",
            "http://",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            ":80",
            "a b:1",
            "h/x:1",
            "[1]:1",
            "::1:80",
            "a@b:1",
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(error.contains("a host and a port are expected, as in http://127.0.0.1:8081"), "{error}");
        }
        let address = Address::parse("https://[::1]:1/").expect("it is one");
        assert!(address.is_tls() && address.to_string() == "https://[::1]:1");
    }

    #[test]
    fn names_are_escaped_in_paths() {
        assert_eq!(of_job("a b/../größe%", "/stop"), "/v1/jobs/a%20b%2F%2E%2E%2Fgr%C3%B6%C3%9Fe%25/stop");
    }
}
