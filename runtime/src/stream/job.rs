//! [`Job`]: where a job's streams begin.

use std::{marker::PhantomData, rc::Rc, sync::Arc};

use millstream_core::proof::When;

use super::{AtLeastOnce, BestEffort, ExactlyOnce, Guarantee, Pipeline};
use crate::{
    failure::Location,
    graph::{BuildError, Draft, JobGraph, OperatorInfo, SharedGraph},
    operators::source::{Driver, FailBad, From},
    settings::Settings,
    source::Source,
};

/// A job under construction. `G` is what it promises after a failure: [`BestEffort`] (the default), [`AtLeastOnce`] or [`ExactlyOnce`].
pub struct Job<G = BestEffort> {
    graph: SharedGraph,
    name: String,
    settings: Settings,
    guarantee: PhantomData<fn() -> G>,
}

impl<G: Guarantee> Job<G> {
    /// An empty job. (With `#[job]` and `main!` this is done for you.)
    pub fn new(name: impl Into<String>, settings: Settings) -> Self {
        Self { graph: Rc::default(), name: name.into(), settings, guarantee: PhantomData }
    }

    /// The job's settings, to read or to change. What the command line, the environment and files say has been applied already, and wins over what
    /// is set here: setting them in code gives the job defaults of its own.
    pub fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Begins a stream with a source.
    #[track_caller]
    pub fn source<S>(&mut self, source: S) -> When<S::Split, Pipeline<From<S>, S::Time, G>>
    where
        S: Source,
        S: SuitsGuarantee<G>,
    {
        let source = Arc::new(source);
        let mut draft = Draft::new(&self.graph).source(Box::new(Driver(Arc::clone(&source))));
        let index = draft.operator(OperatorInfo::new("source", &source.name(), Location::caller()).stateful());
        Pipeline::new(From { source, index, on_bad: FailBad }, draft)
    }

    /// The finished graph.
    ///
    /// # Errors
    ///
    /// All mistakes that only the whole graph shows: a stream that reaches no sink, two stateful operators with one id, a parallelism out of bounds.
    pub fn build(self) -> Result<JobGraph, BuildError> {
        self.graph.borrow_mut().finish(&self.name, G::NAME, (G::KEEPS_STATE, G::EXACTLY_ONCE), self.settings)
    }
}

/// A source whose splits can be read again from a position: what a job needs that promises more than best effort.
pub trait Replayable: Source {}

/// The check of `job.source(..)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be replayed, which a job with the guarantee `{G}` needs",
    label = "cannot be read again after a failure",
    note = "use a source that keeps positions (files, a log), or declare the job as `Job<BestEffort>`",
    note = "if your own source can go on from a position, say so: `impl Replayable for MySource {{}}`"
)]
pub trait SuitsGuarantee<G> {}
#[diagnostic::do_not_recommend]
impl<S: Source> SuitsGuarantee<BestEffort> for S {}
#[diagnostic::do_not_recommend]
impl<S: Replayable> SuitsGuarantee<AtLeastOnce> for S {}
#[diagnostic::do_not_recommend]
impl<S: Replayable> SuitsGuarantee<ExactlyOnce> for S {}
