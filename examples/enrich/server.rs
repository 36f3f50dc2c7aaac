//! The weather service of the example: a small HTTP server on the loopback interface, which takes its time and sometimes refuses.
#![allow(clippy::disallowed_methods, reason = "the server stands outside of the job")]

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use millstream::{failure::Failure, prelude::*};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{Builder, Runtime},
    sync::Semaphore,
};

/// More wait until one is closed.
const CONNECTIONS_LIMIT: usize = 4096;

/// A row of the weather table.
#[derive(Record)]
struct Weather {
    origin: String,
    time_hour: Timestamp,
    temp: Option<f64>,
    wind_speed: Option<f64>,
    visib: Option<f64>,
}

struct Service {
    /// The answers by path, `/EWR/2013-01-01T10:00:00Z`.
    answers: HashMap<String, Bytes>,
    delay: Duration,
    failures: f64,
    /// How many requests could have been refused.
    asked: AtomicU64,
}

/// Serves the weather of a CSV file, on a thread of its own, until the process ends. Every answer takes so long, and of those that are known this share is refused at first.
pub(crate) fn start(weather: &str, delay: Duration, failures: f64) -> Result<SocketAddr, Failure> {
    let rows = CsvFiles::<Weather>::read(weather).load()?;
    let answers = rows.iter().map(|row| (format!("/{}/{}", row.origin, row.time_hour), json(row))).collect();
    let service = Arc::new(Service { answers, delay, failures, asked: AtomicU64::new(0) });
    let cannot = |error: io::Error| Failure::new(format!("the weather service cannot be started: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let listener = listen(&runtime).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    thread::spawn(move || runtime.block_on(serve(listener, service)));
    Ok(address)
}

fn listen(runtime: &Runtime) -> io::Result<TcpListener> {
    let _entered = runtime.enter();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(CONNECTIONS_LIMIT as u32)
}

async fn serve(listener: TcpListener, service: Arc<Service>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_LIMIT));
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await; // such as: too many open files
            continue;
        };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true); // it is but slower without
            let answer = service_fn(|request| answer(&service, request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await; // the client has gone
            drop(permit);
        });
    }
}

async fn answer(service: &Service, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    tokio::time::sleep(service.delay).await;
    let path = request.uri().path();
    let (status, text) = match service.answers.get(path) {
        None => (
            StatusCode::NOT_FOUND,
            format!("no weather is known of {}", path.trim_start_matches('/').replace('/', " at ")).into(),
        ),
        Some(_) if service.refuses() => (StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
        Some(text) => (StatusCode::OK, text.clone()),
    };
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    Ok(response)
}

impl Service {
    /// True for the share of requests that is to be refused, here and there among the others.
    fn refuses(&self) -> bool {
        let mut hasher = DefaultHasher::new();
        self.asked.fetch_add(1, Ordering::Relaxed).hash(&mut hasher);
        (hasher.finish() as f64) < self.failures * u64::MAX as f64
    }
}

fn json(row: &Weather) -> Bytes {
    serde_json::json!({ "temp": row.temp, "wind_speed": row.wind_speed, "visib": row.visib }).to_string().into()
}
