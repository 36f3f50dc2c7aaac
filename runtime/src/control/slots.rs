//! [`Slots`]: the ResourceManager's table. Which slots there are, which job has which, and who waits for some.
//!
//! - A request is granted as a whole or not at all, so no two jobs wait for each other with half of what they need.
//! - Older requests are looked at first. One that does not fit does not hold up those behind it: a region that has to come back for want of one slot
//!   does not wait behind a job that is too large for the cluster. (Each has its timeout.)
//! - A slot goes to who had it before, if it is wished for and free; otherwise to the TaskManager with the smallest share of its slots in use.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use super::{
    ids::{JobId, SlotId, SlotIndex, TaskManagerId},
    topology::SharedSlot,
};
use crate::{env::Instant, settings::show_duration};

/// A TaskManager that offers more slots is refused.
pub(crate) const SLOTS_PER_TASKMANAGER_LIMIT: u32 = 1 << 15;

/// A slot that a job wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// What the job wants it for.
    pub(crate) slot: SharedSlot,
    /// Where it was before, if it was anywhere: there may be state on a disk there.
    pub(crate) prefers: Option<SlotId>,
}

/// A slot that a job gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) slot: SharedSlot,
    pub(crate) id: SlotId,
    /// Where its TaskManager takes data connections.
    pub(crate) endpoint: Arc<str>,
}

/// How things stand with a request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotStatus {
    /// How many slots it wants.
    pub(crate) wanted: usize,
    /// How many the cluster has.
    pub(crate) there: usize,
    /// How many of these nobody has.
    pub(crate) free: usize,
    /// Since when it waits.
    pub(crate) since: Instant,
    /// How long it may.
    pub(crate) timeout: Duration,
}

impl fmt::Display for SlotStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, there, free, timeout, .. } = self;
        let timeout = show_duration(*timeout);
        write!(
            f,
            "{wanted} slots are wanted, the cluster has {there}, and {free} of these are free (timeout: {timeout})"
        )
    }
}

#[derive(Debug)]
struct Member {
    endpoint: Arc<str>,
    /// Who has which slot.
    slots: Vec<Option<JobId>>,
    used: u32,
}

impl Member {
    /// How much of it is in use: less is nearer to the front.
    fn load(&self) -> u64 {
        (u64::from(self.used) << 32) / self.slots.len() as u64
    }

    fn is_full(&self) -> bool {
        self.used as usize == self.slots.len()
    }
}

#[derive(Debug)]
struct Pending {
    job: JobId,
    wants: Vec<Want>,
    since: Instant,
    timeout: Duration,
}

/// The slots of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    members: BTreeMap<TaskManagerId, Member>,
    /// TaskManagers that have a free slot, the least loaded first.
    open: BTreeSet<(u64, TaskManagerId)>,
    there: usize,
    free: usize,
    /// One of each job at most, the oldest first.
    pending: Vec<Pending>,
}

impl Slots {
    /// A TaskManager offers its slots, all of them free.
    ///
    /// # Errors
    ///
    /// It offers none or too many; says how many it may.
    pub(crate) fn add(&mut self, id: TaskManagerId, slots: u32, endpoint: Arc<str>) -> Result<(), String> {
        if slots == 0 || slots > SLOTS_PER_TASKMANAGER_LIMIT {
            return Err(format!("a TaskManager offers from 1 to {SLOTS_PER_TASKMANAGER_LIMIT} slots, not {slots}"));
        }
        self.remove(id);
        let member = Member { endpoint, slots: vec![None; slots as usize], used: 0 };
        self.open.insert((member.load(), id));
        self.members.insert(id, member);
        self.there += slots as usize;
        self.free += slots as usize;
        Ok(())
    }

    /// A TaskManager is lost, and its slots with it. Says which jobs had some.
    pub(crate) fn remove(&mut self, id: TaskManagerId) -> BTreeSet<JobId> {
        let Some(member) = self.members.remove(&id) else { return BTreeSet::new() };
        self.open.remove(&(member.load(), id));
        self.there -= member.slots.len();
        self.free -= member.slots.len() - member.used as usize;
        member.slots.into_iter().flatten().collect()
    }

    /// A job wants slots, besides those that it has. Replaces what it wanted before.
    pub(crate) fn request(&mut self, now: Instant, job: JobId, wants: Vec<Want>, timeout: Duration) {
        self.withdraw(job);
        self.pending.push(Pending { job, wants, since: now, timeout });
    }

    /// A job wants no more.
    pub(crate) fn withdraw(&mut self, job: JobId) {
        self.pending.retain(|pending| pending.job != job);
    }

    /// A job gives slots back. Those that it does not have are left alone.
    pub(crate) fn release(&mut self, job: JobId, slots: impl IntoIterator<Item = SlotId>) {
        for slot in slots {
            if self.owner(slot) == Some(job) {
                self.put(slot, None);
            }
        }
    }

    /// Who has a slot.
    pub(crate) fn owner(&self, slot: SlotId) -> Option<JobId> {
        *self.members.get(&slot.taskmanager)?.slots.get(slot.slot.0 as usize)?
    }

    /// Grants a request that fits, the oldest first. To be called until there is none.
    pub(crate) fn grant(&mut self) -> Option<(JobId, Vec<Grant>)> {
        let Pending { job, wants, .. } = self.pending.remove(self.fitting()?);
        let mut chosen = vec![None; wants.len()];
        for (want, chosen) in wants.iter().zip(&mut chosen) {
            *chosen = want.prefers.filter(|slot| self.is_free(*slot));
            chosen.iter().for_each(|slot| self.put(*slot, Some(job)));
        }
        let grants = wants.iter().zip(chosen).map(|(want, chosen)| {
            let id = chosen.unwrap_or_else(|| {
                let slot = self.least_loaded();
                self.put(slot, Some(job));
                slot
            });
            Grant { slot: want.slot, id, endpoint: Arc::clone(&self.members[&id.taskmanager].endpoint) }
        });
        let grants = grants.collect();
        Some((job, grants))
    }

    /// The oldest request that can be granted.
    fn fitting(&self) -> Option<usize> {
        self.pending.iter().position(|pending| pending.wants.len() <= self.free)
    }

    /// True if nobody waits who need not.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.fitting().is_none()
    }

    /// Takes out a request that has waited for too long.
    pub(crate) fn pop_overdue(&mut self, now: Instant) -> Option<(JobId, SlotStatus)> {
        let overdue = self.pending.iter().position(|pending| now >= pending.since + pending.timeout)?;
        let pending = self.pending.remove(overdue);
        Some((pending.job, self.status_of(&pending)))
    }

    /// When the next request has waited for too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.iter().map(|pending| pending.since + pending.timeout).min()
    }

    /// Every TaskManager, with where it takes data connections, how many slots it has, and how many of these are in use.
    pub(crate) fn members(&self) -> impl Iterator<Item = (TaskManagerId, &Arc<str>, u32, u32)> {
        self.members.iter().map(|(id, member)| (*id, &member.endpoint, member.slots.len() as u32, member.used))
    }

    /// How things stand with a job's request, if it waits.
    pub(crate) fn status(&self, job: JobId) -> Option<SlotStatus> {
        self.pending.iter().find(|pending| pending.job == job).map(|pending| self.status_of(pending))
    }

    /// How many slots are waited for, in all.
    pub(crate) fn wanted(&self) -> usize {
        self.pending.iter().map(|pending| pending.wants.len()).sum()
    }

    /// How many slots there are, and how many of them are free.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.there, self.free)
    }

    fn status_of(&self, pending: &Pending) -> SlotStatus {
        let Pending { wants, since, timeout, .. } = pending;
        SlotStatus { wanted: wants.len(), there: self.there, free: self.free, since: *since, timeout: *timeout }
    }

    fn is_free(&self, slot: SlotId) -> bool {
        let slots = self.members.get(&slot.taskmanager).map(|member| &member.slots);
        slots.and_then(|slots| slots.get(slot.slot.0 as usize)).is_some_and(Option::is_none)
    }

    /// A free slot of the TaskManager with the smallest share in use.
    fn least_loaded(&self) -> SlotId {
        let (_, taskmanager) = *self.open.first().expect("as many slots are free as are granted");
        let slots = &self.members[&taskmanager].slots;
        let slot = slots.iter().position(Option::is_none).expect("an open TaskManager has a free slot");
        SlotId { taskmanager, slot: SlotIndex(slot as u32) }
    }

    /// Gives a free slot to a job, or takes it back.
    fn put(&mut self, slot: SlotId, job: Option<JobId>) {
        let member = self.members.get_mut(&slot.taskmanager).expect("the slot is there");
        self.open.remove(&(member.load(), slot.taskmanager));
        member.slots[slot.slot.0 as usize] = job;
        if job.is_some() {
            (member.used, self.free) = (member.used + 1, self.free - 1);
        } else {
            (member.used, self.free) = (member.used - 1, self.free + 1);
        }
        if !member.is_full() {
            self.open.insert((member.load(), slot.taskmanager));
        }
    }
}
