//! The members of a group within one process, and what each says of itself, for one attempt to run the job.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
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
    /// Those of the members here, and one more for all that are in other processes, if some are.
    slots: Arc<[Slot]>,
    /// How many members are here.
    here: usize,
    /// How many of them have joined.
    joined: usize,
    /// The least of what its sources ask for.
    update_interval: Duration,
}

/// The members of a group that are not in this process, as those that are here see them.
pub(crate) struct Elsewhere {
    pub(crate) group: String,
    /// How many members are here.
    pub(crate) members: u32,
    /// How often they are to hear of the others.
    pub(crate) update_interval: Duration,
    slots: Arc<[Slot]>,
}

impl Elsewhere {
    /// How far those that are here have come; `None` if nobody has to wait for one of them.
    pub(crate) fn here(&self) -> Option<Timestamp> {
        minimum(self.slots[..self.members as usize].iter().map(Slot::report))
    }

    /// The others have come so far; `None` if nobody has to wait for one of them.
    pub(crate) fn others(&self, at: Option<Timestamp>) {
        self.slots[self.members as usize].at.store(at.unwrap_or(Timestamp::MAX).millis(), Relaxed);
    }
}

impl Groups {
    /// One slot for every subtask of a source that is aligned and in this process, and one for all others.
    pub(crate) fn of(graph: &JobGraph, is_here: impl Fn((VertexId, usize)) -> bool) -> Self {
        let mut groups = HashMap::<&str, (usize, usize, Duration)>::new();
        for (id, vertex) in graph.vertices.iter().enumerate() {
            if let Some(alignment) = &vertex.alignment {
                let subtasks = graph.parallelism(VertexId(id));
                let (here, all, interval) = groups.entry(alignment.group()).or_insert((0, 0, Duration::MAX));
                *here += (0..subtasks).filter(|subtask| is_here((VertexId(id), *subtask))).count();
                *all += subtasks;
                *interval = alignment.update_interval.min(*interval);
            }
        }
        let group = |(name, (here, all, interval)): (&str, _)| (name.to_owned(), Group::new(here, all, interval));
        Self(groups.into_iter().map(group).collect())
    }

    /// What there is to be told of members in other processes, for each group that has some there and some here.
    pub(crate) fn elsewhere(&self) -> Vec<Elsewhere> {
        let divided = self.0.iter().filter(|(_, group)| group.here > 0 && group.slots.len() > group.here);
        let of_group = |(name, group): (&String, &Group)| Elsewhere {
            group: name.clone(),
            members: group.here as u32,
            update_interval: group.update_interval,
            slots: Arc::clone(&group.slots),
        };
        divided.map(of_group).collect()
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
        assert!(group.joined <= group.here, "every subtask joins once");
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
    fn new(here: usize, all: usize, update_interval: Duration) -> Self {
        let slot = || Slot { at: AtomicI64::new(Timestamp::MIN.millis()), waits: AtomicBool::new(false) };
        let slots = (0..here + usize::from(here < all)).map(|_| slot());
        Self { slots: slots.collect(), here, joined: 0, update_interval }
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
            _ => Duration::ZERO,
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
        let slots = Group::new(alignments.len(), alignments.len(), Duration::MAX).slots;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_wait_for_those_elsewhere_until_they_are_heard_of() {
        let group = Group::new(1, 3, Duration::from_secs(1));
        let alignment = Alignment::new("g", Duration::from_millis(10));
        let mut groups = Groups(HashMap::from([("g".to_owned(), group)]));
        let member = groups.join(&alignment, &Registry::default(), "source", 0);
        let [elsewhere] = &groups.elsewhere()[..] else { panic!("there is one group") };
        assert_eq!((elsewhere.here(), elsewhere.members), (Some(Timestamp::MIN), 1));
        member.report(Report::At(Timestamp::from_millis(50)));
        assert_eq!(elsewhere.here(), Some(Timestamp::from_millis(50)));
        assert_eq!(member.limit(), Timestamp::MIN + Duration::from_millis(10));
        elsewhere.others(Some(Timestamp::from_millis(30)));
        assert_eq!(member.limit(), Timestamp::from_millis(40));
        elsewhere.others(Some(Timestamp::from_millis(300)));
        assert_eq!(member.limit(), Timestamp::from_millis(60));
        elsewhere.others(None);
        assert_eq!(member.limit(), Timestamp::from_millis(60));
        member.report(Report::LeftOut);
        assert_eq!((elsewhere.here(), member.limit()), (None, Timestamp::MAX));
    }
}
