//! A disk without room for a checkpoint.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use super::{goes_on, has};
use crate::{
    campaign::{Campaign, Death, Ended, fails},
    input::Input,
};

/// The most blocks that a file may have, of 512 bytes: more than a part of the output, less than what changes in large state.
const BLOCKS: u32 = 48;

/// The job under that limit. The signal that says so is ignored, and the write fails as it does on a full disk.
fn limited(campaign: &Campaign<'_>, tolerated: &str) -> Command {
    let started = campaign.command(2);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$0\" \"$@\"")).arg(started.get_program());
    command.args(started.get_args()).args(["-D", "checkpoint.interval=500ms"]);
    command.args(["-D", &format!("checkpoint.tolerated-failures={tolerated}")]).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

#[test]
fn a_disk_that_is_full_fails_the_job_and_not_its_last_checkpoint() {
    let input = Input::new(11);
    let mut campaign = Campaign::large(&input);
    let early = Death::After(Duration::from_millis(800));
    assert_eq!(campaign.live(2, &early), Ok(Ended::Killed));
    let error = fails(&mut limited(&campaign, "1"));
    has(&error, &["checkpoint", &campaign.checkpoints().display().to_string(), "too large"]);
    campaign.look(false).expect("what is committed is right");
    goes_on(&mut campaign);
}
