//! The client of the tests: hyper's, with connections that are kept.

use std::{convert::Infallible, error::Error, fmt, net::SocketAddr};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Uri, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// An answer that is longer is none.
const ANSWER_BYTES_LIMIT: usize = 4 << 10;

/// Asks for numbers.
pub(crate) struct Asker {
    client: Client<HttpConnector, Empty<Bytes>>,
    address: SocketAddr,
}

/// Why there is no answer: the error and what caused it.
#[derive(Debug)]
pub(crate) struct NoAnswer(String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NoAnswer {
    fn because(error: &(dyn Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        Self(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

impl Asker {
    pub(crate) fn of(address: SocketAddr) -> Result<Self, Infallible> {
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), address })
    }

    pub(crate) async fn ask(&self, number: u64) -> Result<u64, NoAnswer> {
        let uri: Uri = format!("http://{}/{number}", self.address).parse().expect("an address and a number are a URI");
        let answer = self.client.get(uri).await.map_err(|error| NoAnswer::because(&error))?;
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_LIMIT).collect().await;
        let body = body.map_err(|error| NoAnswer::because(&*error))?.to_bytes();
        let text = std::str::from_utf8(&body).map_err(|error| NoAnswer::because(&error))?;
        text.parse().map_err(|error| NoAnswer::because(&error))
    }
}
