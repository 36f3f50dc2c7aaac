//! The check that a sink keeps what its job promises.
//!
//! Where the type of a stream tells that it is to be exactly once, methods of that type come before those of [`Stream`] and have the bound that is read out
//! to the user. Behind a helper that returns `impl Stream<Out = T>` the guarantee is hidden: there [`Stream::sink`] looks, once the compiler knows
//! all types.
//!
//! The five methods are written out: out of a macro, what the compiler says of them would point into that.

use super::{AtEndStream, Broadcasted, ExactlyOnce, Guarantee, Keyed, Pipeline, RollingStream, Stream};
use crate::sink::Sink;

/// The check of `.sink(..)` in a job that promises that each record counts once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot keep the guarantee `ExactlyOnce` of this job",
    label = "may write records again after a failure",
    note = "use a sink whose output appears with checkpoints, as files do: `TextFiles::write(\"out\")`",
    note = "or declare the job as `Job<AtLeastOnce>`",
    note = "if your own sink is transactional or idempotent, say so: `type Guarantee = ExactlyOnce;` in its `impl Sink`"
)]
pub trait WritesOnce {}

#[diagnostic::do_not_recommend]
impl<S: Sink<Guarantee = ExactlyOnce>> WritesOnce for S {}

/// Fails to compile for a sink of guarantee `S` in a job of guarantee `G` if it promises less.
pub(super) const fn check<S: Guarantee, G: Guarantee>() {
    assert!(
        S::EXACTLY_ONCE || !G::EXACTLY_ONCE,
        "the job promises that each record counts exactly once, and this sink may write records again after a failure; use a sink whose output \
         appears with checkpoints, as files do, or declare the job as `Job<AtLeastOnce>`"
    );
    assert!(
        S::KEEPS_STATE || !G::KEEPS_STATE,
        "the job promises that each record counts at least once, and this sink may lose records at a failure; use another one, or declare the \
         job as `Job<BestEffort>`"
    );
}

impl<P, Time> Pipeline<P, Time, ExactlyOnce>
where
    Self: Stream,
{
    /// Writes the stream out, as [`Stream::sink`] does, to a sink that keeps what the job promises.
    #[track_caller]
    pub fn sink<S>(self, sink: S)
    where
        S: Sink<In = <Self as Stream>::Out>,
        S: WritesOnce,
    {
        Stream::sink(self, sink);
    }
}

impl<P, K, Time> Keyed<P, K, Time, ExactlyOnce>
where
    Self: Stream,
{
    /// Writes the stream out, as [`Stream::sink`] does, to a sink that keeps what the job promises.
    #[track_caller]
    pub fn sink<S>(self, sink: S)
    where
        S: Sink<In = <Self as Stream>::Out>,
        S: WritesOnce,
    {
        Stream::sink(self, sink);
    }
}

impl<P, Time> Broadcasted<P, Time, ExactlyOnce>
where
    Self: Stream,
{
    /// Writes the stream out, as [`Stream::sink`] does, to a sink that keeps what the job promises.
    #[track_caller]
    pub fn sink<S>(self, sink: S)
    where
        S: Sink<In = <Self as Stream>::Out>,
        S: WritesOnce,
    {
        Stream::sink(self, sink);
    }
}

impl<P, K, Time, A> RollingStream<Keyed<P, K, Time, ExactlyOnce>, A>
where
    Self: Stream,
{
    /// Writes the stream out, as [`Stream::sink`] does, to a sink that keeps what the job promises.
    #[track_caller]
    pub fn sink<S>(self, sink: S)
    where
        S: Sink<In = <Self as Stream>::Out>,
        S: WritesOnce,
    {
        Stream::sink(self, sink);
    }
}

impl<P, K, Time, A> AtEndStream<Keyed<P, K, Time, ExactlyOnce>, A>
where
    Self: Stream,
{
    /// Writes the stream out, as [`Stream::sink`] does, to a sink that keeps what the job promises.
    #[track_caller]
    pub fn sink<S>(self, sink: S)
    where
        S: Sink<In = <Self as Stream>::Out>,
        S: WritesOnce,
    {
        Stream::sink(self, sink);
    }
}
