//! [`BinaryJobs`]: the jobs of this binary, as the cluster builds them.

use std::sync::{Arc, Mutex};

use crate::{
    cluster::spec::{JobSpec, Jobs, SharedGraph},
    registry::{BuildOptions, JobEntry},
    rest::submission::{Chosen, Submission},
    settings::Settings,
};

/// The jobs of this binary.
pub(crate) struct BinaryJobs(pub(crate) Vec<&'static JobEntry>);

impl Jobs for BinaryJobs {
    fn build(&self, spec: &JobSpec) -> Result<SharedGraph, String> {
        let JobSpec { job, args, settings, defaults, .. } = spec.clone();
        let submission = Submission { job: Some(job), args, settings, name: None };
        let Chosen { job, matches, outside } = submission.choose(&self.0).map_err(|refused| match refused.hint {
            Some(hint) => format!("{}\nhint: {hint}", refused.message),
            None => refused.message,
        })?;
        // Not what this machine suggests: all processes build the same graph.
        let mut settings = Settings { parallelism: 1, ..Settings::default() };
        for (key, value) in &defaults {
            settings.set(key, value)?;
        }
        let graph = (job.build)(&matches, BuildOptions { settings, outside }).map_err(|error| error.to_string())?;
        Ok(Arc::new(Mutex::new(graph)))
    }
}
