//! The client of the weather service: each subtask has one, with connections that are kept for the next request.

use std::{convert::Infallible, error::Error, fmt, net::SocketAddr};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{StatusCode, Uri, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use millstream::Timestamp;
use serde::Deserialize;

/// An answer that is longer is none.
const ANSWER_BYTES_LIMIT: usize = 4 << 10;

/// What the service answers, as JSON.
#[derive(Deserialize)]
pub(crate) struct Weather {
    /// In degrees Fahrenheit.
    pub(crate) temp: Option<f64>,
    /// In miles per hour.
    pub(crate) wind_speed: Option<f64>,
    /// In miles.
    pub(crate) visib: Option<f64>,
}

pub(crate) struct WeatherService {
    client: Client<HttpConnector, Empty<Bytes>>,
    address: SocketAddr,
}

impl WeatherService {
    /// Connects when it is asked.
    pub(crate) fn at(address: SocketAddr) -> Result<Self, Infallible> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), address })
    }

    pub(crate) async fn ask(&self, origin: &str, hour: Timestamp) -> Result<Weather, NoWeather> {
        let uri = format!("http://{}/{origin}/{hour}", self.address);
        let uri: Uri = uri.parse().map_err(|error| NoWeather::broken(&error))?;
        let answer = self.client.get(uri).await.map_err(|error| NoWeather::broken(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_LIMIT).collect().await;
        let body = body.map_err(|error| NoWeather::broken(&*error))?.to_bytes();
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(|error| NoWeather::broken(&error)),
            StatusCode::NOT_FOUND => Err(NoWeather::Unknown(String::from_utf8_lossy(&body).into_owned())),
            status => Err(NoWeather::Refused(status)),
        }
    }
}

/// Why there is no weather.
pub(crate) enum NoWeather {
    /// The service does not know it.
    Unknown(String),
    /// The service has no time.
    Refused(StatusCode),
    /// There was no answer, or none that can be read.
    Broken(String),
}

impl NoWeather {
    /// True if a further attempt is worth it.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// With all causes: those of hyper say at the top no more than that there was an error.
    fn broken(error: &(dyn Error + 'static)) -> Self {
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        Self::Broken(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

impl fmt::Display for NoWeather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(what) => f.write_str(what),
            Self::Refused(status) => write!(f, "the weather service answers {status}"),
            Self::Broken(why) => write!(f, "the weather service does not answer: {why}"),
        }
    }
}
