//! [`Run`]: the job `events` on a cluster, with its committed output looked at.

use std::{path::PathBuf, time::Duration};

use crate::{
    cluster::Cluster,
    input::Input,
    output::{EVENTS, Output, Sinks},
};

/// A job that was submitted.
pub(crate) struct Run<'i> {
    pub(crate) id: String,
    input: &'i Input,
    output: PathBuf,
    sinks: Sinks,
    committed: Output,
}

/// How a job is run.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) parallelism: usize,
    /// How long a subtask of a source rests before it reads on.
    pub(crate) rest: Duration,
    pub(crate) checkpoint_interval: Duration,
    /// The names of its directories.
    pub(crate) name: String,
}

impl Wish {
    /// Over in some seconds.
    pub(crate) fn quick(parallelism: usize) -> Self {
        let (rest, checkpoint_interval) = (Duration::from_millis(120), Duration::from_millis(100));
        Self { parallelism, rest, checkpoint_interval, name: "out".to_owned() }
    }

    pub(crate) fn arguments(&self, cluster: &Cluster, input: &Input) -> (PathBuf, Vec<String>) {
        let output = cluster.directory().join(&self.name);
        let args = [
            ("--input", input.path().display().to_string()),
            ("--output", output.display().to_string()),
            ("--rest", self.rest.as_micros().to_string()),
        ];
        (output, args.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect())
    }
}

impl<'i> Run<'i> {
    /// Submits the job. It is started again however often it fails: what is wrong is seen by its output.
    #[track_caller]
    pub(crate) fn submit(cluster: &Cluster, input: &'i Input, wish: &Wish) -> Self {
        Self::submit_with(cluster, input, wish, &[])
    }

    /// With more settings.
    #[track_caller]
    pub(crate) fn submit_with(cluster: &Cluster, input: &'i Input, wish: &Wish, more: &[(&str, &str)]) -> Self {
        Self::submit_job(cluster, input, wish, ("events", EVENTS), more)
    }

    /// Another job over the same input.
    #[track_caller]
    pub(crate) fn submit_job(
        cluster: &Cluster,
        input: &'i Input,
        wish: &Wish,
        (job, sinks): (&str, Sinks),
        more: &[(&str, &str)],
    ) -> Self {
        let (output, args) = wish.arguments(cluster, input);
        let (parallelism, interval) =
            (wish.parallelism.to_string(), format!("{}ms", wish.checkpoint_interval.as_millis()));
        let mut settings = vec![
            ("parallelism", parallelism.as_str()),
            ("checkpoint.interval", interval.as_str()),
            ("restart", "fixed-delay(1000000, 100ms)"),
        ];
        settings.extend(more);
        let id = cluster.submit(job, &args, &settings);
        Self { id, input, output, sinks, committed: Output::default() }
    }

    /// Looks at what is committed: it must be right as far as it goes, or as a whole, and what was there earlier must be there still.
    ///
    /// # Errors
    ///
    /// Says what is wrong.
    pub(crate) fn look(&mut self, is_whole: bool) -> Result<(), String> {
        let now = Output::of(&self.output);
        now.keeps(&self.committed)?;
        now.compare(&self.output, self.sinks, &self.input.expected, is_whole)?;
        self.committed = now;
        Ok(())
    }

    /// How many files are committed, as of the last look.
    pub(crate) fn committed_files(&self) -> usize {
        self.committed.len()
    }

    /// Waits until it has ended well, and looks at its output.
    #[track_caller]
    pub(crate) fn finish(&mut self, cluster: &mut Cluster) {
        let ended = cluster.wait_for(&self.id, &["finished", "failed", "cancelled"]);
        let exceptions = cluster.ask(&format!("/v1/jobs/{}/exceptions", self.id));
        assert_eq!(ended, "finished", "{exceptions:?}");
        self.look(true).unwrap_or_else(|why| panic!("{why}"));
    }
}
