//! The markers that a stream carries in its type: whether it has event time, and what a job guarantees.

/// Whether the records of a stream have a time. Sealed: [`NoTime`] or [`EventTime`].
pub trait TimeDomain: sealed::Sealed + Send + Sync + 'static {
    /// True if timestamps travel with the records.
    const TIMED: bool;
}

/// No event time (yet): `.event_time(..)` gives it one.
#[derive(Debug, Clone, Copy)]
pub struct NoTime;

/// Every record has a timestamp, and watermarks flow.
#[derive(Debug, Clone, Copy)]
pub struct EventTime;

impl TimeDomain for NoTime {
    const TIMED: bool = false;
}

impl TimeDomain for EventTime {
    const TIMED: bool = true;
}

/// What a job promises of its results after a failure. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a job can promise",
    label = "not a guarantee",
    note = "write `Job<BestEffort>` (or just `Job`), `Job<AtLeastOnce>` or `Job<ExactlyOnce>`"
)]
pub trait Guarantee: sealed::Sealed + Send + Sync + 'static {
    /// For plans and messages.
    const NAME: &'static str;
    /// True if state is restored after a failure, so that every stateful operator needs an id that stays.
    const KEEPS_STATE: bool;
    /// True if each record counts exactly once.
    const EXACTLY_ONCE: bool;
}

/// No checkpoints: a job that fails starts again empty. The default.
#[derive(Debug, Clone, Copy)]
pub struct BestEffort;

/// Every record counts once in the committed output. Takes effect with checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct ExactlyOnce;

/// Every record counts once or more. Takes effect with checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct AtLeastOnce;

impl Guarantee for BestEffort {
    const NAME: &'static str = "best effort";
    const KEEPS_STATE: bool = false;
    const EXACTLY_ONCE: bool = false;
}

impl Guarantee for ExactlyOnce {
    const NAME: &'static str = "exactly once";
    const KEEPS_STATE: bool = true;
    const EXACTLY_ONCE: bool = true;
}

impl Guarantee for AtLeastOnce {
    const NAME: &'static str = "at least once";
    const KEEPS_STATE: bool = true;
    const EXACTLY_ONCE: bool = false;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::NoTime {}
    impl Sealed for super::EventTime {}
    impl Sealed for super::BestEffort {}
    impl Sealed for super::ExactlyOnce {}
    impl Sealed for super::AtLeastOnce {}
}
