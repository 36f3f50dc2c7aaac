//! No slot is given twice: not by a leader to two of a job's subtasks or to two jobs, and no TaskManager lets two jobs into one. And nobody waits for slots
//! that are free.

use std::collections::BTreeMap;

use super::super::world::World;

pub(in super::super) fn check(world: &World) {
    for leader in world.managers.iter().filter_map(|manager| manager.leader.as_ref()) {
        assert!(leader.table().is_settled(), "a job waits for slots that are free");
        let mut owners = BTreeMap::new();
        for (job, master) in leader.jobs() {
            for slot in master.held() {
                let before = owners.insert(slot, job);
                assert_eq!(before, None, "{slot:?} is given twice, the second time to job {job}");
                assert_eq!(leader.table().owner(slot), Some(*job), "{slot:?} is not the job's");
            }
        }
    }
    for worker in world.workers.iter().filter(|worker| worker.up) {
        let mut owners = BTreeMap::new();
        for (job, task, slot) in worker.machine.alive() {
            let before = *owners.entry(slot).or_insert(job);
            assert_eq!(before, job, "{slot:?} of {} has {task:?} beside another job", worker.machine.id());
        }
    }
}
