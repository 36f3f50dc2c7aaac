//! From a request to its answer: token, route, body, time, panics. Whatever is wrong comes back as a [`Problem`].

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{Either, select};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Body,
    header::{self, HeaderValue},
};
use tracing::{info, warn};

use super::{
    dispatcher::Dispatcher,
    problem::Problem,
    routes::{Call, Gives, Kind, ROUTES, Reply, Route},
    token::Token,
};
use crate::{env::Env, task::contain::Contained};

/// The largest body of a request, in bytes.
pub(crate) const BODY_BYTES_LIMIT: usize = 64 << 10;
/// A body is there within this time.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// A question is answered within this time.
const QUESTION_PATIENCE: Duration = Duration::from_secs(10);
/// A command is answered within this time: it may wait for a checkpoint.
pub(super) const COMMAND_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What answers requests.
pub(super) struct Service {
    pub(super) dispatcher: Arc<dyn Dispatcher>,
    pub(super) token: Option<Token>,
    pub(super) env: Arc<dyn Env>,
}

impl Service {
    /// Answers a request. Its body may be of any size, and may never come.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let result = match self.find(&head.method, path, head.uri.query(), &head.headers) {
            Ok((route, job)) => self.run(route, &job, &head.headers, body).await.map(|reply| (route, reply)),
            Err(failed) => Err(failed),
        };
        match result {
            Ok((route, reply)) => well(route, reply),
            Err(failed) => {
                let Failed { problem, .. } = &failed;
                let (method, status, detail) = (&head.method, problem.status, &problem.detail);
                // The path is the client's: it is told with what it has of control characters escaped.
                match status {
                    500 => warn!(%method, path = ?path, status, %detail, "a request has failed"),
                    _ => info!(%method, path = ?path, status, %detail, "a request was refused"),
                }
                failed.response(path)
            }
        }
    }

    /// The route that is meant, and what stands for the job, if whoever asks may.
    fn find(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(&'static Route, String), Failed> {
        let there: Vec<_> = ROUTES.iter().filter_map(|route| Some((route, route.matches(path)?))).collect();
        if !there.iter().any(|(route, _)| route.kind == Kind::Open) {
            self.may_ask(headers)?;
        }
        if there.is_empty() {
            let problem = Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at `{path}`"));
            return Err(problem.with_hint("GET /v1/openapi.json says what there is").into());
        }
        // What a HEAD is answered with is what a GET is, without the body.
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let Some((route, job)) = there.iter().find(|(route, _)| route.method == *wanted) else {
            return Err(Failed {
                allow: Some(allowed(&there)),
                ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{path}` does not take {method}")).into()
            });
        };
        if query.is_some_and(|query| !query.is_empty()) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, format!("`{path}` takes no parameters")).into());
        }
        match unescaped(job) {
            Some(job) => Ok((route, job)),
            None => Err(Problem::new(StatusCode::BAD_REQUEST, format!("`{job}` is not percent-encoded UTF-8")).into()),
        }
    }

    /// Refuses who does not bear the token, and pages of other sites: a browser that reaches this server sends their requests, too.
    fn may_ask(&self, headers: &HeaderMap) -> Result<(), Failed> {
        if let Some(token) = &self.token
            && !token.is_borne_by(headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes))
        {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "the request does not bear the token of this cluster");
            return Err(problem
                .with_hint("send it as `Authorization: Bearer ..`; on the command line, --token-file")
                .into());
        }
        let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
        let Some(origin) = headers.get(header::ORIGIN).map(HeaderValue::as_bytes) else { return Ok(()) };
        let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        if authority.is_none() || authority != host {
            return Err(Problem::new(StatusCode::FORBIDDEN, "pages of other sites may not ask").into());
        }
        Ok(())
    }

    async fn run<B>(&self, route: &Route, job: &str, headers: &HeaderMap, body: B) -> Result<Reply, Failed>
    where
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send,
    {
        let body = self.read(route, headers, body).await?;
        let patience = if route.kind == Kind::Command { COMMAND_PATIENCE } else { QUESTION_PATIENCE };
        let call = Call { dispatcher: &*self.dispatcher, job, body: &body };
        let contained = Contained::new(async move { Ok((route.handler)(call).await) });
        match self.in_time(patience, contained).await {
            Some(Ok(Ok(reply))) => Ok(reply),
            Some(Ok(Err(refused))) => Err(Problem::from(refused).into()),
            Some(Err(panicked)) => {
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the engine has failed: {panicked}"))
                    .into())
            }
            None => {
                let late = format!("there is no answer within {} s", patience.as_secs());
                Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, late).into())
            }
        }
    }

    /// The body, if it is what the route takes.
    async fn read<B>(&self, route: &Route, headers: &HeaderMap, body: B) -> Result<Bytes, Failed>
    where
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send,
    {
        if route.takes.is_some() && !is_json(headers) {
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("`{}` takes JSON", route.path));
            return Err(problem.with_hint("send it with `Content-Type: application/json`").into());
        }
        let too_long = || {
            let detail = format!("the body is larger than {BODY_BYTES_LIMIT} bytes");
            Failed::from(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        };
        // What says that it is too long is not waited for.
        if body.size_hint().lower() > BODY_BYTES_LIMIT as u64 {
            return Err(too_long());
        }
        let collected = self.in_time(BODY_PATIENCE, Limited::new(body, BODY_BYTES_LIMIT).collect()).await;
        let body = match collected {
            Some(Ok(body)) => body.to_bytes(),
            Some(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long()),
            Some(Err(error)) => {
                return Err(Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")).into());
            }
            None => {
                let late = format!("the body has not come within {} s", BODY_PATIENCE.as_secs());
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, late).into());
            }
        };
        if route.takes.is_none() && !body.is_empty() {
            return Err(Problem::new(StatusCode::BAD_REQUEST, format!("`{}` takes no body", route.path)).into());
        }
        Ok(body)
    }

    /// What a future gives, unless it takes too long.
    async fn in_time<T>(&self, patience: Duration, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), self.env.sleep(patience)).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }
}

/// Why a request has come to nothing, and what else there is to say.
struct Failed {
    problem: Box<Problem>,
    /// The methods that would be taken.
    allow: Option<String>,
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), allow: None }
    }
}

impl Failed {
    fn response(self, path: &str) -> Response<Full<Bytes>> {
        let Self { problem, allow } = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = response(status, Problem::MEDIA_TYPE, problem.json());
        let headers = response.headers_mut();
        let mut put = |name, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        };
        put(header::ALLOW, allow);
        put(header::WWW_AUTHENTICATE, (problem.status == 401).then(|| "Bearer".to_owned()));
        put(header::RETRY_AFTER, (problem.status == 503).then(|| "1".to_owned()));
        put(header::LOCATION, problem.leader.map(|leader| format!("{}{path}", leader.trim_end_matches('/'))));
        response
    }
}

fn well(route: &Route, reply: Reply) -> Response<Full<Bytes>> {
    let status = if reply.is_well { route.status } else { StatusCode::SERVICE_UNAVAILABLE };
    let media_type = match route.gives {
        Gives::Json(_) | Gives::Document => "application/json",
        Gives::Text(media_type) => media_type,
    };
    let mut response = response(status, media_type, reply.body);
    if let Some(location) = reply.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn response(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The methods of routes, as the header names them.
fn allowed(routes: &[(&Route, &str)]) -> String {
    let methods = routes.iter().flat_map(|(route, _)| match route.method {
        Method::GET => vec!["GET", "HEAD"],
        _ => vec![route.method.as_str()],
    });
    methods.collect::<Vec<_>>().join(", ")
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.map(|given| given.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

/// A segment of a path without its percent signs; `None` if they do not stand for UTF-8.
fn unescaped(segment: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None; // a sign would be a number, too
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}
