//! The REST interface of the leader: JSON over HTTP/1.1 below `/v1`, described by `/v1/openapi.json`.
//!
//! ```text
//! Listener -> server: connections, limits --> service: token, route, body, time, panics --> routes: one row a route
//!                                                                                             |
//! Client <------------------------ JSON, or problem+json ------------------ views <-- Dispatcher (the leader)
//! ```
//!
//! [`server::serve`] takes any listener of the [environment](crate::env) and asks a [`Dispatcher`]; it neither decides nor remembers anything. [`client::Client`] is the
//! other end, for the command line. What is wrong with a request is always answered, as [`problem::Problem`], or the connection is closed; the server goes on.
//!
//! **Bounds.** [`CONNECTIONS_LIMIT`](server::CONNECTIONS_LIMIT) connections, of which each has one request at a time; [`HEAD_BYTES_LIMIT`](server::HEAD_BYTES_LIMIT) and
//! [`BODY_BYTES_LIMIT`](service::BODY_BYTES_LIMIT) of it; and for every wait a limit of its own: a head, a body, an answer, a reader that does not read.

pub(crate) mod client;
pub(crate) mod dispatcher;
mod io;
mod openapi;
mod problem;
pub(crate) mod prometheus;
mod resolve;
mod routes;
pub(crate) mod server;
mod service;
pub(crate) mod submission;
mod timer;
pub(crate) mod token;
pub(crate) mod views;

#[cfg(test)]
pub(crate) mod tests;
