//! No commit without a complete checkpoint: its entry exists, and every subtask of the job has acknowledged it, in one attempt of each region. So
//! acknowledgements of attempts that do not count never do.

use std::collections::BTreeMap;

use super::super::world::World;
use crate::control::ids::JobId;

/// A leader has told its sinks to commit.
pub(in super::super) fn commanded(world: &World, job: JobId, checkpoint: u64) {
    assert!(world.log.find(job, checkpoint).is_some(), "checkpoint {checkpoint} of job {job} has no entry");
}

/// An entry has been made.
pub(in super::super) fn stored(world: &World, job: JobId, checkpoint: u64) {
    let stored = world.log.find(job, checkpoint).expect("it was made");
    let topology = &stored.topology;
    let mut attempts = BTreeMap::new();
    let mut numbers: Vec<_> =
        stored.tasks.iter().map(|task| topology.task(task.subtask).expect("it is of the job")).collect();
    for (task, number) in stored.tasks.iter().zip(&numbers) {
        assert!(world.seen.passed.contains(&(job, *task, checkpoint)), "{task:?} has not acknowledged {checkpoint}");
        let attempt = *attempts.entry(topology.region_of(*number)).or_insert(task.attempt);
        assert_eq!(attempt, task.attempt, "checkpoint {checkpoint} has two attempts of a region");
    }
    numbers.sort();
    assert!(
        numbers.iter().map(|number| number.0).eq(0..topology.tasks()),
        "checkpoint {checkpoint} is not of all subtasks"
    );
}
