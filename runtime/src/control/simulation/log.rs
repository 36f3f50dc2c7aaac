//! The log that all leaders share, in memory: numbered entries, each created on the condition that nobody has used its number. And what is kept beside it:
//! the jobs that were submitted, and what became of them.

use std::{collections::BTreeMap, sync::Arc};

use millstream_state::manifest::CheckpointKind;

use crate::control::{
    ids::{Epoch, JobId},
    job::{lifecycle::JobState, machine::JobSettings},
    message::TaskRef,
    topology::Topology,
};

/// A complete checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) job: JobId,
    pub(super) checkpoint: u64,
    pub(super) kind: CheckpointKind,
    pub(super) tasks: Vec<TaskRef>,
    pub(super) topology: Arc<Topology>,
}

#[derive(Debug, Clone)]
pub(super) enum Entry {
    Claim,
    Manifest(Stored),
}

/// A job that was submitted.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) topology: Topology,
    pub(super) settings: JobSettings,
    /// Somebody has submitted it.
    pub(super) offered: bool,
    /// What it came to.
    pub(super) result: Option<JobState>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Vec<Entry>,
    pub(super) jobs: BTreeMap<JobId, Kept>,
}

impl Log {
    /// How many entries there are: the number of the last.
    pub(super) fn tail(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn claim(&mut self) -> Epoch {
        self.entries.push(Entry::Claim);
        Epoch::new(self.tail()).expect("there is an entry")
    }

    /// Creates the entry behind the one that is thought to be the last. False if it is not.
    pub(super) fn create(&mut self, behind: u64, stored: Stored) -> bool {
        let is_next = behind == self.tail();
        if is_next {
            self.entries.push(Entry::Manifest(stored));
        }
        is_next
    }

    /// Entries with their numbers, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().enumerate().rev().map(|(index, entry)| (index as u64 + 1, entry))
    }

    /// The newest manifest of a job before an entry.
    pub(super) fn newest(&self, job: JobId, before: u64) -> Option<&Stored> {
        self.newest_first().filter(|(number, _)| *number < before).find_map(|(_, entry)| match entry {
            Entry::Manifest(stored) if stored.job == job => Some(stored),
            _ => None,
        })
    }

    /// A manifest of a job.
    pub(super) fn find(&self, job: JobId, checkpoint: u64) -> Option<&Stored> {
        self.newest_first().find_map(|(_, entry)| match entry {
            Entry::Manifest(stored) if (stored.job, stored.checkpoint) == (job, checkpoint) => Some(stored),
            _ => None,
        })
    }

    /// The number of the first claim behind an epoch's own; one more than there are entries if there is none.
    pub(super) fn reign_ends(&self, epoch: Epoch) -> u64 {
        let later = self.entries.iter().enumerate().skip(epoch.get() as usize);
        let mut claims = later.filter(|(_, entry)| matches!(entry, Entry::Claim));
        claims.next().map_or(self.tail() + 1, |(index, _)| index as u64 + 1)
    }
}
