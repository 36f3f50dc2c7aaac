//! The contracts that jobs are registered against, in the shape that the runtime gives them.

use std::{fmt::Display, marker::PhantomData};

pub(crate) struct BestEffort;

pub(crate) struct Job<G = BestEffort> {
    graph: Vec<String>,
    name: &'static str,
    guarantee: PhantomData<G>,
}

impl<G> Job<G> {
    pub(crate) fn add(&mut self, what: &str) {
        self.graph.push(format!("{}: {what}", self.name));
    }
}

pub(crate) mod operator {
    //! As `millstream_runtime::operator`.

    pub(crate) struct Location {
        pub(crate) file: &'static str,
        pub(crate) line: u32,
        pub(crate) column: u32,
    }
}

pub(crate) trait JobResult {
    fn result(self) -> Result<(), String>;
}

impl JobResult for () {
    fn result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> JobResult for Result<(), E> {
    fn result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

pub(crate) mod registry {
    //! As `millstream_runtime::registry`, without clap.

    use std::marker::PhantomData;

    use super::{Job, JobResult, operator::Location};

    #[derive(Default)]
    pub(crate) struct Command(pub(crate) Vec<&'static str>);

    pub(crate) struct Matches(pub(crate) &'static str);

    pub(crate) trait Args {
        const NAMES: &'static [&'static str];
        fn from_matches(matches: &Matches) -> Self;
    }

    type Built = Result<Vec<String>, String>;

    pub(crate) struct JobEntry {
        pub(crate) name: &'static str,
        pub(crate) doc: &'static str,
        pub(crate) location: Location,
        pub(crate) augment: fn(Command) -> Command,
        pub(crate) build: fn(&Matches, ()) -> Built,
    }

    inventory::collect!(JobEntry);

    pub(crate) fn augment_none(command: Command) -> Command {
        command
    }

    pub(crate) fn augment<A: Args>(mut command: Command) -> Command {
        command.0.extend(A::NAMES);
        command
    }

    pub(crate) fn build_with<G, A: Args, R: JobResult>(
        name: &'static str,
        location: Location,
        function: fn(&mut Job<G>, A) -> R,
        matches: &Matches,
        (): (),
    ) -> Built {
        build(name, location, |job| function(job, A::from_matches(matches)))
    }

    pub(crate) fn build_without<G, R: JobResult>(
        name: &'static str,
        location: Location,
        function: fn(&mut Job<G>) -> R,
        (): (),
    ) -> Built {
        build(name, location, function)
    }

    fn build<G, R: JobResult>(name: &'static str, at: Location, function: impl FnOnce(&mut Job<G>) -> R) -> Built {
        assert!(at.line > 0);
        let mut job = Job { graph: Vec::new(), name, guarantee: PhantomData };
        function(&mut job).result().map_err(|error| format!("{name}: {error}"))?;
        Ok(job.graph)
    }
}
