//! A committed checkpoint is never lost: what a new attempt restores is the newest entry of its job in the log, up to the end of its leader's reign.

use super::super::world::World;
use crate::control::{ids::Epoch, message::Deploy};

pub(in super::super) fn deployed(world: &World, epoch: Epoch, deploy: &Deploy) {
    assert_eq!(deploy.attempt.epoch, epoch, "a leader deploys its own attempts");
    let newest = world.log.newest(deploy.job, world.log.reign_ends(epoch)).map(|stored| stored.checkpoint);
    assert_eq!(deploy.restore, newest, "attempt {} of job {} restores something else", deploy.attempt, deploy.job);
}
