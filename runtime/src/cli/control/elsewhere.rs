//! Where there are no sockets with a path.

use std::{path::Path, sync::Arc};

use serde_json::Value;

use super::{job::JobControl, protocol::Request};
use crate::env::Env;

/// What would answer requests. Nobody can ask.
pub(in crate::cli) struct Server;

impl Server {
    pub(in crate::cli) fn start<J: JobControl>(
        _: &Path,
        _: J,
        _: impl Fn() -> Value + Send + Sync + 'static,
        _: Arc<dyn Env>,
    ) -> Self {
        Self
    }

    pub(in crate::cli) async fn close(self, _: &dyn Env) {}
}

pub(in crate::cli) fn ask(_: &Path, _: &Request) -> Result<Value, String> {
    Err("a running job can be asked on Unix only; Ctrl-C in its own terminal stops it".to_owned())
}
