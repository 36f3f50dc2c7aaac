//! What an async operator counts.

use crate::{
    metrics::{Counter, Gauge, Histogram},
    operator::OpenContext,
};

/// The metrics of the calls of a subtask.
#[derive(Default)]
pub(super) struct FlightMetrics {
    /// Records, or batches, whose answers have not been put out.
    pub(super) in_flight: Gauge,
    /// From the first call for a record to its answer, in nanoseconds; of calls that were not answered at once.
    pub(super) latency: Histogram,
    pub(super) retried: Counter,
    pub(super) timed_out: Counter,
    pub(super) cache_hits: Counter,
    pub(super) cache_misses: Counter,
}

impl FlightMetrics {
    pub(super) fn of(cx: &OpenContext<'_>, has_cache: bool) -> Self {
        let mut metrics = Self {
            in_flight: cx.gauge("calls_in_flight"),
            latency: cx.histogram("call_latency_nanos"),
            retried: cx.counter("calls_retried"),
            timed_out: cx.counter("calls_timed_out"),
            ..Self::default()
        };
        if has_cache {
            metrics.cache_hits = cx.counter("cache_hits");
            metrics.cache_misses = cx.counter("cache_misses");
        }
        metrics
    }
}
