//! Checkpoints in an object store: an S3 server on loopback, asked directly and through one that fails.

mod conformance;
mod faulty;
mod jobs;
mod server;
