//! The routes, one row each: what is asked, what comes back, and which method of the [`Dispatcher`] knows. The server and the OpenAPI document both read this table.

use hyper::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    dispatcher::{Dispatcher, Refusal, Refused},
    openapi::{self, Described, described},
    prometheus,
    resolve::resolve,
    submission::{CheckpointMade, Ordered, Rescale, SavepointMade, SavepointWanted, Submission, Submitted},
    views::{BinaryJobs, Checkpoints, ClusterConfig, ClusterOverview, Exceptions, JobDetail, Jobs, TaskManagers},
};
use crate::{control::JobId, env::BoxFuture};

/// What stands for a job in paths.
pub(super) const JOB: &str = "{job}";

/// A method on a path.
pub(super) struct Route {
    pub(super) method: Method,
    /// Segments, of which one may be [`JOB`].
    pub(super) path: &'static str,
    /// Its name in the document.
    pub(super) operation: &'static str,
    /// What it does, in one line.
    pub(super) summary: &'static str,
    pub(super) kind: Kind,
    /// What it wants to be sent, as JSON.
    pub(super) takes: Option<Described>,
    /// The status if all is well.
    pub(super) status: StatusCode,
    pub(super) gives: Gives,
    pub(super) handler: Handler,
}

/// How long an answer may take, and who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Answered from what is known.
    Question,
    /// Answered when what it orders is done or sure.
    Command,
    /// A question that anybody may ask, without a token.
    Open,
}

/// What a route answers with.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    Json(Described),
    /// The OpenAPI document.
    Document,
    /// Text of this media type.
    Text(&'static str),
}

pub(super) type Handler = for<'a> fn(Call<'a>) -> BoxFuture<'a, Result<Reply, Refused>>;

/// A request whose route is found.
pub(super) struct Call<'a> {
    pub(super) dispatcher: &'a dyn Dispatcher,
    /// What stands in the path for [`JOB`], or nothing.
    pub(super) job: &'a str,
    /// What was sent.
    pub(super) body: &'a [u8],
}

impl Call<'_> {
    async fn job(&self) -> Result<JobId, Refused> {
        resolve(self.dispatcher, self.job).await
    }

    fn sent<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_json::from_slice(self.body)
            .map_err(|error| Refused::new(Refusal::Invalid, format!("the body of the request: {error}")))
    }
}

/// What a handler gives. The rest of the answer follows from its route.
pub(super) struct Reply {
    pub(super) body: Vec<u8>,
    /// Where what was made can be looked at.
    pub(super) location: Option<String>,
    /// False for an answer that says no: it has the status of something that is unavailable.
    pub(super) is_well: bool,
}

impl Reply {
    fn json<T: Serialize>(value: &T) -> Result<Self, Refused> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Refused::new(Refusal::Internal, format!("the answer cannot be written: {error}")))?;
        Ok(Self { body, location: None, is_well: true })
    }

    fn text(text: impl Into<Vec<u8>>) -> Self {
        Self { body: text.into(), location: None, is_well: true }
    }
}

const TEXT: Gives = Gives::Text("text/plain; charset=utf-8");

/// All routes.
pub(super) static ROUTES: &[Route] = &[
    get("/v1/overview", "overview", "How the cluster is", described::<ClusterOverview>, |call| {
        Box::pin(async move { Reply::json(&call.dispatcher.overview().await?) })
    }),
    get("/v1/jobs", "list_jobs", "The jobs, also those that have ended", described::<Jobs>, |call| {
        Box::pin(async move { Reply::json(&call.dispatcher.jobs().await?) })
    }),
    command("/v1/jobs", "submit_job", "Run a job of the binary", described::<Submitted>, StatusCode::CREATED, |call| {
        Box::pin(async move {
            let submission: Submission = call.sent()?;
            submission.check()?;
            let job = call.dispatcher.submit(submission).await?.to_string();
            Ok(Reply { location: Some(format!("/v1/jobs/{job}")), ..Reply::json(&Submitted { job })? })
        })
    })
    .taking(described::<Submission>),
    get("/v1/jobs/{job}", "show_job", "A job with its vertices and subtasks", described::<JobDetail>, |call| {
        Box::pin(async move { Reply::json(&call.dispatcher.job(call.job().await?).await?) })
    }),
    get("/v1/jobs/{job}/exceptions", "show_exceptions", "The failures of a job", described::<Exceptions>, |call| {
        Box::pin(async move { Reply::json(&call.dispatcher.exceptions(call.job().await?).await?) })
    }),
    get(
        "/v1/jobs/{job}/checkpoints",
        "show_checkpoints",
        "The checkpoints of a job",
        described::<Checkpoints>,
        |call| Box::pin(async move { Reply::json(&call.dispatcher.checkpoints(call.job().await?).await?) }),
    ),
    command(
        "/v1/jobs/{job}/checkpoints",
        "make_checkpoint",
        "Make a checkpoint, and wait until it is complete",
        described::<CheckpointMade>,
        StatusCode::CREATED,
        |call| {
            Box::pin(async move {
                let job = call.job().await?;
                let checkpoint = call.dispatcher.checkpoint(job).await?;
                Reply::json(&CheckpointMade { job: job.to_string(), checkpoint })
            })
        },
    ),
    command(
        "/v1/jobs/{job}/savepoints",
        "make_savepoint",
        "Make a savepoint, and wait until it is written",
        described::<SavepointMade>,
        StatusCode::CREATED,
        |call| {
            Box::pin(async move {
                let wanted: SavepointWanted = call.sent()?;
                wanted.check()?;
                let job = call.job().await?;
                let (checkpoint, savepoint) = call.dispatcher.savepoint(job, wanted).await?;
                Reply::json(&SavepointMade { job: job.to_string(), checkpoint, savepoint })
            })
        },
    )
    .taking(described::<SavepointWanted>),
    command(
        "/v1/jobs/{job}/stop",
        "stop_job",
        "Stop a job with a checkpoint, and wait until that is complete",
        described::<CheckpointMade>,
        StatusCode::OK,
        |call| {
            Box::pin(async move {
                let job = call.job().await?;
                let checkpoint = call.dispatcher.stop(job).await?;
                Reply::json(&CheckpointMade { job: job.to_string(), checkpoint })
            })
        },
    ),
    command(
        "/v1/jobs/{job}/cancel",
        "cancel_job",
        "End a job at once: nothing more is committed",
        described::<Ordered>,
        StatusCode::ACCEPTED,
        |call| {
            Box::pin(async move {
                let job = call.job().await?;
                call.dispatcher.cancel(job).await?;
                Reply::json(&Ordered { job: job.to_string() })
            })
        },
    ),
    command(
        "/v1/jobs/{job}/rescale",
        "rescale_job",
        "Give a job, or some of its operators, another parallelism",
        described::<Ordered>,
        StatusCode::ACCEPTED,
        |call| {
            Box::pin(async move {
                let rescale: Rescale = call.sent()?;
                rescale.check()?;
                let job = call.job().await?;
                call.dispatcher.rescale(job, rescale).await?;
                Reply::json(&Ordered { job: job.to_string() })
            })
        },
    )
    .taking(described::<Rescale>),
    get("/v1/taskmanagers", "list_taskmanagers", "The TaskManagers", described::<TaskManagers>, |call| {
        Box::pin(async move { Reply::json(&call.dispatcher.taskmanagers().await?) })
    }),
    get("/v1/binary", "list_binary_jobs", "The jobs that can be submitted", described::<BinaryJobs>, |call| {
        Box::pin(async move { Reply::json(&call.dispatcher.binary_jobs().await?) })
    }),
    get("/v1/config", "show_config", "The configuration that jobs start from", described::<ClusterConfig>, |call| {
        Box::pin(async move { Reply::json(&call.dispatcher.config().await?) })
    }),
    question("/v1/openapi.json", "openapi", "This document", Gives::Document, |_| {
        Box::pin(async { Ok(Reply::text(openapi::DOCUMENT.as_slice())) })
    }),
    question("/v1/metrics", "metrics", METRICS, Gives::Text(prometheus::MEDIA_TYPE), metrics),
    question("/metrics", "metrics_unversioned", METRICS, Gives::Text(prometheus::MEDIA_TYPE), metrics),
    question("/healthz", "healthz", "Whether the process answers", TEXT, |_| {
        Box::pin(async { Ok(Reply::text("ok\n")) })
    })
    .open(),
    question("/readyz", "readyz", "Whether the process leads and takes jobs (200), or not (503)", TEXT, |call| {
        Box::pin(async move {
            match call.dispatcher.is_ready().await {
                true => Ok(Reply::text("ready\n")),
                false => Ok(Reply { is_well: false, ..Reply::text("not ready\n") }),
            }
        })
    }),
];

const METRICS: &str = "All metrics, in Prometheus' text format";

fn metrics(call: Call<'_>) -> BoxFuture<'_, Result<Reply, Refused>> {
    Box::pin(async move { Ok(Reply::text(prometheus::text(&call.dispatcher.metrics().await?))) })
}

const fn question(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    gives: Gives,
    handler: Handler,
) -> Route {
    let (method, status, kind, takes) = (Method::GET, StatusCode::OK, Kind::Question, None);
    Route { method, path, operation, summary, kind, takes, status, gives, handler }
}

const fn get(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    gives: Described,
    handler: Handler,
) -> Route {
    question(path, operation, summary, Gives::Json(gives), handler)
}

const fn command(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    gives: Described,
    status: StatusCode,
    handler: Handler,
) -> Route {
    let (method, kind, takes, gives) = (Method::POST, Kind::Command, None, Gives::Json(gives));
    Route { method, path, operation, summary, kind, takes, status, gives, handler }
}

impl Route {
    const fn taking(mut self, takes: Described) -> Self {
        self.takes = Some(takes);
        self
    }

    const fn open(mut self) -> Self {
        self.kind = Kind::Open;
        self
    }

    /// What stands for the job if the path is this route's: nothing where it has none.
    pub(super) fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (mut wanted, mut given, mut job) = (self.path.split('/'), path.split('/'), "");
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some(job),
                (Some(JOB), Some(text)) if !text.is_empty() => job = text,
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return None,
            }
        }
    }
}
