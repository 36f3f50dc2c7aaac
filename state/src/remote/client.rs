//! How requests to object stores are made: their time limits, how often they are made again, and what protects them.

use std::time::Duration;

use object_store::{BackoffConfig, ClientConfigKey, RetryConfig};

use crate::{location::Remote, store::StoreError};

/// How long it may take until a connection is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take, with its answer: parts of segments have some MiB.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an answer may pause.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a request is made again, if the store is overloaded, fails, or is not reached.
const RETRIES_LIMIT: usize = 8;
/// No request is made again later than this after it was first made.
const RETRY_TIMEOUT: Duration = Duration::from_secs(90);
/// The shortest pause before a request is made again; each is up to twice as long as the one before, by chance.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

pub(super) fn retries() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: BACKOFF_MIN, max_backoff: BACKOFF_MAX, base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES_LIMIT, retry_timeout: RETRY_TIMEOUT }
}

/// What is set of a client that asks at this endpoint; `None` for the service's own. What the environment says of proxies stays.
pub(super) fn options(
    remote: &Remote,
    endpoint: Option<&str>,
    allow_http: bool,
) -> Result<[(ClientConfigKey, String); 4], StoreError> {
    // Refused only where the process has chosen one already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    if is_plain && !allow_http && !endpoint.is_some_and(is_loopback) {
        let problem = "its endpoint is reached without TLS, so others could read and change what is kept there: use `https://`, or allow it by \
                       the setting `object-store.allow-http`";
        return Err(StoreError::Location { location: remote.to_string(), problem: problem.to_owned() });
    }
    let seconds = |time: Duration| format!("{}s", time.as_secs());
    Ok([
        (ClientConfigKey::AllowHttp, is_plain.to_string()),
        (ClientConfigKey::ConnectTimeout, seconds(CONNECT_TIMEOUT)),
        (ClientConfigKey::Timeout, seconds(REQUEST_TIMEOUT)),
        (ClientConfigKey::ReadTimeout, seconds(READ_TIMEOUT)),
    ])
}

/// True for the URL of a server on this machine.
fn is_loopback(endpoint: &str) -> bool {
    let Some((_, rest)) = endpoint.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

pub(super) fn failed(remote: &Remote, source: object_store::Error) -> StoreError {
    StoreError::objects(format!("open {remote}"), source)
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_servers_of_this_machine_are_reached_without_tls_unasked() {
        for url in ["http://127.0.0.1:9000", "http://127.8.0.1/a", "http://[::1]:9000", "http://localhost:9000"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in
            ["http://10.0.0.1:9000", "http://localhost.example", "http://127.0.0.1@host/", "127.0.0.1", "http://"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
