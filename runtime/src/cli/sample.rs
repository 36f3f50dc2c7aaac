//! [`Sample`]: the counters of a running job at one moment, added up over subtasks. Progress and summary are made of samples.

use std::{collections::BTreeMap, time::Duration};

use millstream_core::time::Timestamp;

use crate::{
    checkpoint::{CheckpointHistory, CheckpointProgress},
    env::Instant,
    local::{ChainSummary, JobStatus},
    metrics::{Metric, MetricId},
};

/// A job at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Since the job began.
    pub(super) elapsed: Duration,
    /// In the order of the job.
    pub(super) chains: Vec<Chain>,
    /// How large the input is, in bytes, if all sources know.
    pub(super) input_bytes: Option<u64>,
    /// When it was taken, on the clock on the wall.
    pub(super) wall: Timestamp,
    /// True if the job ends by itself.
    pub(super) is_bounded: bool,
    /// How often the job was restarted.
    pub(super) restarts: u64,
    /// Its checkpoints, if one has ended.
    pub(super) checkpoints: Option<Checkpoints>,
    /// What operators count themselves, by operator and name; without zeros.
    pub(super) counters: Vec<(String, String, u64)>,
}

/// The checkpoints of a job, in brief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoints {
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) last: LastCheckpoint,
}

/// The checkpoint that ended last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastCheckpoint {
    pub(super) number: u64,
    pub(super) took: Duration,
    pub(super) bytes: u64,
    pub(super) has_failed: bool,
}

impl Checkpoints {
    fn of(history: &CheckpointHistory, now: Instant) -> Option<Self> {
        let last = history.last.back()?;
        let last = LastCheckpoint {
            number: last.checkpoint,
            took: last.duration(now),
            bytes: last.bytes(),
            has_failed: matches!(last.progress, CheckpointProgress::Failed(_)),
        };
        Some(Self { completed: history.completed, failed: history.failed, last })
    }
}

/// A chain, its subtasks added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) subtasks: usize,
    pub(super) is_source: bool,
    pub(super) records_in: u64,
    pub(super) bytes_in: u64,
    pub(super) records_out: u64,
    pub(super) bytes_out: u64,
    pub(super) busy_nanos: u64,
    pub(super) idle_nanos: u64,
    pub(super) backpressured_nanos: u64,
    /// The watermark of the subtask that is furthest behind; `None` if no subtask has one that says something.
    pub(super) watermark: Option<Timestamp>,
}

impl Chain {
    /// A counter that every chain keeps (see `TaskMetrics`); what else there is was made by an operator.
    fn counter(&mut self, name: &str) -> Option<&mut u64> {
        match name {
            "records_in" => Some(&mut self.records_in),
            "bytes_in" => Some(&mut self.bytes_in),
            "records_out" => Some(&mut self.records_out),
            "bytes_out" => Some(&mut self.bytes_out),
            "busy_ns" => Some(&mut self.busy_nanos),
            "idle_ns" => Some(&mut self.idle_nanos),
            "backpressured_ns" => Some(&mut self.backpressured_nanos),
            _ => None,
        }
    }
}

impl Sample {
    /// Adds up metrics.
    pub(super) fn new(elapsed: Duration, chains: &[ChainSummary], metrics: &[(MetricId, Metric)]) -> Self {
        let chain = |chain: &ChainSummary| Chain {
            name: chain.name.clone(),
            subtasks: chain.parallelism,
            is_source: chain.is_source,
            ..Chain::default()
        };
        let mut sample = Self { elapsed, chains: chains.iter().map(chain).collect(), ..Self::default() };
        let by_name: BTreeMap<_, _> = chains.iter().enumerate().map(|(i, chain)| (chain.name.as_str(), i)).collect();
        let mut counters = BTreeMap::<(&str, &str), u64>::new();
        let mut inputs = Vec::new();
        for (id, metric) in metrics {
            let chain = by_name.get(id.operator.as_str());
            match metric {
                Metric::Counter(counter) => {
                    let total = chain.and_then(|chain| sample.chains[*chain].counter(&id.name));
                    *total.unwrap_or_else(|| counters.entry((&id.operator, &id.name)).or_default()) += counter.get();
                }
                Metric::Gauge(gauge) if id.name == "input_bytes" => inputs.push(gauge.get()),
                Metric::Gauge(gauge) if id.name == "watermark_ms" => {
                    // Before the first watermark and after the last it says nothing of how far event time has come.
                    let said = Some(gauge.get()).filter(|at| *at != i64::MIN && *at != i64::MAX);
                    if let Some(chain) = chain.map(|chain| &mut sample.chains[*chain]) {
                        let said = said.map(Timestamp::from_millis);
                        chain.watermark = chain.watermark.into_iter().chain(said).min();
                    }
                }
                Metric::Gauge(_) | Metric::Histogram(_) => {}
            }
        }
        let counters = counters.into_iter().filter(|(_, count)| *count > 0);
        sample.counters = counters.map(|((operator, name), count)| (operator.into(), name.into(), count)).collect();
        let known =
            inputs.iter().all(|bytes| *bytes > 0) && inputs.len() == chains.iter().filter(|c| c.is_source).count();
        sample.input_bytes =
            known.then(|| inputs.iter().map(|bytes| bytes.unsigned_abs()).sum()).filter(|bytes| *bytes > 0);
        sample
    }

    /// With how the job has fared.
    pub(super) fn with(self, status: &JobStatus, now: Instant) -> Self {
        Self { restarts: status.restarts(), checkpoints: Checkpoints::of(&status.checkpoints, now), ..self }
    }

    /// Records read by all sources.
    pub(super) fn records_read(&self) -> u64 {
        self.sources().map(|chain| chain.records_in).sum()
    }

    /// Bytes read by all sources.
    pub(super) fn bytes_read(&self) -> u64 {
        self.sources().map(|chain| chain.bytes_in).sum()
    }

    /// The watermark of the chain that is furthest behind.
    pub(super) fn watermark(&self) -> Option<Timestamp> {
        self.chains.iter().filter_map(|chain| chain.watermark).min()
    }

    fn sources(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter(|chain| chain.is_source)
    }
}
