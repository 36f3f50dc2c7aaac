//! Metrics: counters, gauges and histograms by operator and subtask. Updating one is an atomic store; tasks do it once per batch.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use serde::{Deserialize, Serialize};

/// A number that only grows.
#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds to it.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Adds to it, or takes away from it.
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How many buckets a [`Histogram`] has: one per power of two.
const BUCKETS: usize = 65;

/// The distribution of a non-negative number, in buckets by power of two.
#[derive(Clone)]
pub struct Histogram(Arc<[AtomicU64; BUCKETS]>);

impl Default for Histogram {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&self, value: u64) {
        self.0[(u64::BITS - value.leading_zeros()) as usize].fetch_add(1, Relaxed);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// A bound that at least this share (0 to 1) of the values does not exceed: less than twice the true quantile. 0 if there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.count() as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bits, bucket) in self.0.iter().enumerate() {
            seen += bucket.load(Relaxed);
            if seen >= wanted {
                return if bits == 0 { 0 } else { u64::MAX >> (u64::BITS as usize - bits) };
            }
        }
        0
    }
}

/// A metric of any kind.
#[derive(Clone)]
pub enum Metric {
    /// A number that only grows.
    Counter(Counter),
    /// A number that goes up and down.
    Gauge(Gauge),
    /// A distribution.
    Histogram(Histogram),
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(counter) => write!(f, "{}", counter.get()),
            Self::Gauge(gauge) => write!(f, "{}", gauge.get()),
            Self::Histogram(histogram) => {
                write!(f, "n {} p50 {} p99 {}", histogram.count(), histogram.quantile(0.5), histogram.quantile(0.99))
            }
        }
    }
}

/// What a metric has been at a moment, as other processes are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MetricValue {
    Counter(u64),
    Gauge(i64),
    /// The buckets that have anything, by number.
    Histogram(Vec<(u8, u64)>),
}

impl Metric {
    fn value(&self) -> MetricValue {
        match self {
            Self::Counter(counter) => MetricValue::Counter(counter.get()),
            Self::Gauge(gauge) => MetricValue::Gauge(gauge.get()),
            Self::Histogram(histogram) => {
                let buckets = histogram.0.iter().map(|bucket| bucket.load(Relaxed)).zip(0..);
                MetricValue::Histogram(buckets.filter(|(n, _)| *n > 0).map(|(n, bucket)| (bucket, n)).collect())
            }
        }
    }
}

/// Which metric: of which operator and subtask, under which name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricId {
    /// The operator's name.
    pub operator: String,
    /// The number of the subtask, from 0.
    pub subtask: usize,
    /// The metric's name.
    pub name: String,
}

/// How many metrics a job may register; further ones work but are not listed. Bounds a user function that makes up names.
pub const METRICS_LIMIT: usize = 100_000;

/// All metrics of a job.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<MetricId, Metric>>>);

impl Registry {
    fn get_or<M: Clone>(&self, id: MetricId, wrap: fn(M) -> Metric, unwrap: fn(&Metric) -> Option<&M>, new: M) -> M {
        let mut metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match metrics.get(&id).map(unwrap) {
            Some(Some(metric)) => metric.clone(),
            None if metrics.len() < METRICS_LIMIT => {
                metrics.insert(id, wrap(new.clone()));
                new
            }
            _ => new,
        }
    }

    /// The counter of this id; made if it is new.
    pub fn counter(&self, id: MetricId) -> Counter {
        self.get_or(id, Metric::Counter, as_counter, Counter::default())
    }

    /// The gauge of this id; made if it is new.
    pub fn gauge(&self, id: MetricId) -> Gauge {
        self.get_or(id, Metric::Gauge, as_gauge, Gauge::default())
    }

    /// The histogram of this id; made if it is new.
    pub fn histogram(&self, id: MetricId) -> Histogram {
        self.get_or(id, Metric::Histogram, as_histogram, Histogram::default())
    }

    /// What all metrics are at this moment, sorted by id.
    pub(crate) fn values(&self) -> Vec<(MetricId, MetricValue)> {
        let metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.iter().map(|(id, metric)| (id.clone(), metric.value())).collect()
    }

    /// Adds metrics as another process had them.
    pub(crate) fn put(&self, values: Vec<(MetricId, MetricValue)>) {
        for (id, value) in values {
            match value {
                MetricValue::Counter(value) => self.counter(id).add(value),
                MetricValue::Gauge(value) => self.gauge(id).set(value),
                MetricValue::Histogram(buckets) => {
                    let histogram = self.histogram(id);
                    for (bucket, n) in buckets {
                        if let Some(bucket) = histogram.0.get(usize::from(bucket)) {
                            bucket.fetch_add(n, Relaxed);
                        }
                    }
                }
            }
        }
    }

    /// All metrics with their present values, sorted by id.
    pub fn snapshot(&self) -> Vec<(MetricId, Metric)> {
        let metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.iter().map(|(id, metric)| (id.clone(), metric.clone())).collect()
    }
}

fn as_counter(metric: &Metric) -> Option<&Counter> {
    if let Metric::Counter(counter) = metric { Some(counter) } else { None }
}

fn as_gauge(metric: &Metric) -> Option<&Gauge> {
    if let Metric::Gauge(gauge) = metric { Some(gauge) } else { None }
}

fn as_histogram(metric: &Metric) -> Option<&Histogram> {
    if let Metric::Histogram(histogram) = metric { Some(histogram) } else { None }
}

/// The metrics that every chain keeps, one of each per subtask.
#[derive(Clone, Default)]
pub struct TaskMetrics {
    /// Records taken from inputs, or read by a source.
    pub records_in: Counter,
    /// Bytes taken from inputs, or read by a source.
    pub bytes_in: Counter,
    /// Records put out to other chains, or written by a sink.
    pub records_out: Counter,
    /// Bytes put out to other chains, or written by a sink.
    pub bytes_out: Counter,
    /// Time spent working, in nanoseconds.
    pub busy_nanos: Counter,
    /// Time spent waiting for input, in nanoseconds.
    pub idle_nanos: Counter,
    /// Time spent waiting for an output or a sink to take more, in nanoseconds.
    pub backpressured_nanos: Counter,
    /// How often a fused operator put out so much that its thread had to wait (see `OVERDRAFT_BYTES`).
    pub overdraft_waits: Counter,
    /// The watermark, in milliseconds since the epoch; `i64::MIN` before the first.
    pub watermark: Gauge,
}

impl TaskMetrics {
    pub(crate) fn new(registry: &Registry, operator: &str, subtask: usize) -> Self {
        let id = |name: &str| MetricId { operator: operator.to_owned(), subtask, name: name.to_owned() };
        let watermark = registry.gauge(id("watermark_ms"));
        watermark.set(i64::MIN);
        Self {
            records_in: registry.counter(id("records_in")),
            bytes_in: registry.counter(id("bytes_in")),
            records_out: registry.counter(id("records_out")),
            bytes_out: registry.counter(id("bytes_out")),
            busy_nanos: registry.counter(id("busy_ns")),
            idle_nanos: registry.counter(id("idle_ns")),
            backpressured_nanos: registry.counter(id("backpressured_ns")),
            overdraft_waits: registry.counter(id("overdraft_waits")),
            watermark,
        }
    }
}
