//! The members of a group within one process, and what each says of itself, for one attempt to run the job.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
};

use millstream_core::time::Timestamp;

use super::{Alignment, Report, limit, minimum};
use crate::{
    graph::{JobGraph, VertexId},
    metrics::{Counter, Gauge, MetricId, Registry},
};

/// What one member says. Nothing else is told through it, so nothing has to be ordered.
struct Slot {
    /// [`Timestamp::MAX`] if the member is left out: no watermark but the last is that.
    at: AtomicI64,
    waits: AtomicBool,
}

/// All groups of a job.
pub(crate) struct Groups(HashMap<String, Group>);

struct Group {
    slots: Arc<[Slot]>,
    /// How many of them are taken.
    joined: usize,
}

impl Groups {
    /// One slot for every subtask of a source that is aligned and in this process: sources of other processes are not waited for.
    pub(crate) fn of(graph: &JobGraph, is_here: impl Fn((VertexId, usize)) -> bool) -> Self {
        let mut sizes = HashMap::<&str, usize>::new();
        for (id, vertex) in graph.vertices.iter().enumerate() {
            if let Some(alignment) = &vertex.alignment {
                let subtasks = 0..graph.parallelism(VertexId(id));
                *sizes.entry(alignment.group()).or_default() +=
                    subtasks.filter(|subtask| is_here((VertexId(id), *subtask))).count();
            }
        }
        let group = |(name, size): (&str, usize)| (name.to_owned(), Group::new(size));
        Self(sizes.into_iter().map(group).collect())
    }

    /// Makes a subtask a member of its group.
    ///
    /// # Panics
    ///
    /// If more subtasks join than the graph has.
    pub(crate) fn join(&mut self, alignment: &Alignment, registry: &Registry, task: &str, subtask: usize) -> Member {
        let group = self.0.get_mut(alignment.group()).expect("groups are made of the same graph");
        let number = group.joined;
        group.joined += 1;
        assert!(group.joined <= group.slots.len(), "every subtask joins once");
        let id = |name: &str| MetricId { operator: task.to_owned(), subtask, name: name.to_owned() };
        Member {
            slots: Arc::clone(&group.slots),
            number,
            alignment: alignment.clone(),
            drift: registry.gauge(id("watermark_alignment_drift_ms")),
            paused: registry.counter(id("watermark_alignment_paused_ns")),
        }
    }
}

impl Group {
    fn new(size: usize) -> Self {
        let slot = || Slot { at: AtomicI64::new(Timestamp::MIN.millis()), waits: AtomicBool::new(false) };
        Self { slots: (0..size).map(|_| slot()).collect(), joined: 0 }
    }
}

/// A subtask in its group. Clones are the same member: the stage that makes its watermarks reports, and its source waits.
#[derive(Clone)]
pub(crate) struct Member {
    slots: Arc<[Slot]>,
    number: usize,
    alignment: Alignment,
    drift: Gauge,
    /// Nanoseconds for which the source waited.
    paused: Counter,
}

impl Member {
    /// Says how far it has come.
    pub(crate) fn report(&self, report: Report) {
        let at = match report {
            Report::At(at) => at,
            Report::LeftOut => Timestamp::MAX,
        };
        // Writing would take the cache line from those who read it.
        if self.slots[self.number].at.load(Relaxed) != at.millis() {
            self.slots[self.number].at.store(at.millis(), Relaxed);
        }
    }

    /// What it has said last.
    pub(crate) fn reported(&self) -> Report {
        self.slots[self.number].report()
    }

    /// How far it may come as things stand; shows how far it is ahead.
    pub(crate) fn limit(&self) -> Timestamp {
        let minimum = minimum(self.slots.iter().map(Slot::report));
        let drift = match (self.reported(), minimum) {
            // As long as somebody has said nothing there is no number for it.
            (Report::At(own), Some(minimum)) if minimum > Timestamp::MIN => own - minimum,
            _ => std::time::Duration::ZERO,
        };
        self.drift.set(i64::try_from(drift.as_millis()).unwrap_or(i64::MAX));
        limit(minimum, self.alignment.max_drift)
    }

    pub(crate) fn alignment(&self) -> &Alignment {
        &self.alignment
    }

    /// True if its source waits for others: that it is silent then does not mean that it is idle.
    pub(crate) fn waits(&self) -> bool {
        self.slots[self.number].waits.load(Relaxed)
    }

    pub(crate) fn set_waits(&self, waits: bool) {
        self.slots[self.number].waits.store(waits, Relaxed);
    }

    pub(super) fn paused(&self) -> &Counter {
        &self.paused
    }

    /// Members of one group, for tests.
    #[cfg(test)]
    pub(crate) fn of_one_group(alignments: &[Alignment]) -> Vec<Self> {
        let slots = Group::new(alignments.len()).slots;
        let member = |(number, alignment): (usize, &Alignment)| Self {
            slots: Arc::clone(&slots),
            number,
            alignment: alignment.clone(),
            drift: Gauge::default(),
            paused: Counter::default(),
        };
        alignments.iter().enumerate().map(member).collect()
    }

    /// What its gauge shows, for tests.
    #[cfg(test)]
    pub(crate) fn drift(&self) -> i64 {
        self.drift.get()
    }
}

impl Slot {
    fn report(&self) -> Report {
        match Timestamp::from_millis(self.at.load(Relaxed)) {
            Timestamp::MAX => Report::LeftOut,
            at => Report::At(at),
        }
    }
}
