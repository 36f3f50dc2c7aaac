//! [`BinaryJobs`]: the jobs of this binary, as the cluster builds them.

use clap::Command;

use crate::{
    cluster::spec::{JobSpec, Jobs},
    graph::JobGraph,
    registry::{BuildOptions, JobEntry},
    settings::{Origin, Outside, Settings},
};

/// The jobs of this binary.
pub(crate) struct BinaryJobs(pub(crate) Vec<&'static JobEntry>);

impl Jobs for BinaryJobs {
    fn build(&self, spec: &JobSpec) -> Result<JobGraph, String> {
        let Some(job) = self.0.iter().find(|job| job.name == spec.job) else {
            return Err(format!("this binary has no job `{}`", spec.job));
        };
        let command = (job.augment)(Command::new(job.name)).no_binary_name(true);
        let matches = command.try_get_matches_from(&spec.args).map_err(|error| {
            let error = error.to_string();
            format!("the arguments of job `{}`: {}", job.name, error.trim_start_matches("error: ").trim())
        })?;
        // Not what this machine suggests: all processes build the same graph.
        let mut settings = Settings { parallelism: 1, ..Settings::default() };
        for (key, value) in &spec.defaults {
            settings.set(key, value)?;
        }
        let mut outside = Outside::default();
        for (key, value) in &spec.settings {
            outside.put(key, value, Origin::Define)?;
        }
        (job.build)(&matches, BuildOptions { settings, outside }).map_err(|error| error.to_string())
    }
}
