//! That these tests would notice: jobs that are not exactly once are found out.

use std::{fs, time::Duration};

use crate::{
    campaign::{Campaign, Death, Ended},
    input::Input,
};

/// When most of the job is behind it, and not all.
const LATE: Duration = Duration::from_millis(1_000);

/// Kills a process late, lets something happen, and lets another one end: what is said of it.
fn found_out(wrong: Option<&'static str>, between: impl FnOnce(&Campaign<'_>)) -> String {
    let input = Input::new(5);
    let mut campaign = Campaign::new(&input);
    campaign.wrong = wrong;
    assert_eq!(campaign.live(2, &Death::After(LATE)), Ok(Ended::Killed));
    assert!(campaign.committed_files() > 0, "something has been committed by then");
    between(&campaign);
    campaign.live(2, &Death::Never).expect_err("a job that is wrong is found out")
}

#[test]
fn state_that_is_not_in_checkpoints_is_missed() {
    let said = found_out(Some("closure"), |_| {});
    assert!(said.contains("+ running: "), "{said}");
}

#[test]
fn a_job_that_has_lost_its_checkpoints_does_not_pass_for_whole() {
    found_out(None, |campaign| fs::remove_dir_all(campaign.checkpoints()).expect("they are there"));
}
