//! What a JobManager shows over HTTP of its binary and its settings.

use super::options::NodeOptions;
use crate::{
    registry::JobEntry,
    rest::views::{self, ConfigEntry},
    settings::{
        KEYS, Settings,
        cluster::{CLUSTER_KEYS, Role},
    },
};

/// What can be submitted.
pub(super) fn binary_jobs(jobs: &[&'static JobEntry]) -> views::BinaryJobs {
    let shown = |job: &&'static JobEntry| views::BinaryJob {
        name: job.name.to_owned(),
        doc: job.doc.to_owned(),
        file: job.location.file.to_owned(),
        line: job.location.line,
        column: job.location.column,
    };
    views::BinaryJobs { jobs: jobs.iter().map(shown).collect() }
}

/// What the process runs with, and what jobs start from. Secrets are named by their files alone.
pub(super) fn config(options: &NodeOptions) -> views::ClusterConfig {
    let (cluster, outside) = (&options.settings, &options.jobs.all);
    let mut of_jobs = Settings { parallelism: cluster.parallelism as usize, ..Settings::default() };
    outside.apply(&mut of_jobs);
    let of_cluster = CLUSTER_KEYS.iter().filter(|key| Role::JobManager.has(key.role)).map(|key| ConfigEntry {
        key: format!("cluster.{}", key.name),
        value: key.show(cluster),
        default: key.default_text(),
        origin: options.given.origin(key),
        doc: key.doc.to_owned(),
        live: false,
    });
    let of_jobs = KEYS.iter().map(|key| ConfigEntry {
        key: key.name.to_owned(),
        value: key.show(&of_jobs),
        default: key.default_text(),
        origin: outside.get(key.name).map_or_else(|| "default".to_owned(), |given| given.origin_of(key)),
        doc: key.doc.to_owned(),
        live: key.live,
    });
    views::ClusterConfig { settings: of_jobs.chain(of_cluster).collect() }
}
