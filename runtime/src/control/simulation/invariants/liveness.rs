//! When faults stop, every job runs again, makes checkpoints, or has come to an end that it was allowed; and whoever asked for something was answered.

use super::super::world::World;
use crate::control::job::lifecycle::JobState;

pub(in super::super) fn check(world: &World) {
    let leader = world.leader().expect("there is a leader");
    let jobs = world.manager(leader).leader.as_ref().expect("it leads").jobs();
    for (job, kept) in &world.log.jobs {
        if kept.result.is_some_and(JobState::is_terminal) {
            continue;
        }
        let master = jobs.get(job).unwrap_or_else(|| panic!("job {job} has not ended, and nobody runs it"));
        assert_eq!(master.state(), JobState::Running, "job {job}: {master:#?}");
        assert!(kept.settings.checkpoints.is_some(), "job {job} has come to its end long ago");
        let last = master.history().last_completed().and_then(|stats| stats.ended);
        let recent = last.is_some_and(|ended| ended.nanos() + 15 * super::super::world::SECOND > world.now);
        assert!(recent, "job {job} makes no checkpoints: {master:#?}");
    }
    assert!(world.unanswered.is_empty(), "nobody has answered {:?}", world.unanswered);
}
