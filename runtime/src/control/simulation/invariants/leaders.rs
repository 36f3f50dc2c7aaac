//! A deposed leader commands nobody. A TaskManager that has seen a later one lets nothing of the earlier go on; and it never forgets whom it has seen.
//! (What a deposed leader would store, the log refuses: `Log::create`.)

use super::super::world::World;

pub(in super::super) fn check(world: &mut World) {
    for worker in world.workers.iter().filter(|worker| worker.up) {
        let Some(epoch) = worker.machine.epoch() else {
            assert!(worker.tasks.is_empty(), "it has never seen a leader");
            continue;
        };
        let highest = world.seen.epochs.entry(worker.machine.id()).or_default();
        assert!(*highest <= epoch.get(), "{} goes back to leader {epoch}", worker.machine.id());
        *highest = epoch.get();
        for ((job, task), state) in &worker.tasks {
            let is_old = task.attempt.epoch != epoch;
            assert!(!is_old || state.cancelled, "{task:?} of job {job} runs on under leader {epoch}");
        }
        if worker.machine.is_registered() {
            let is_of = |task: &crate::control::message::TaskRef| task.attempt.epoch == epoch;
            assert!(worker.tasks.keys().all(|(_, task)| is_of(task)), "slots are offered with old tasks in them");
        }
    }
    for leader in world.managers.iter().filter_map(|manager| manager.leader.as_ref()) {
        assert!(!leader.is_deposed(), "a deposed leader goes on");
    }
}
