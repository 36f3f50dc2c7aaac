//! Directories of checkpoints that are somebody else's, or cannot be written to.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use super::{SOMEWHERE, goes_on, has, killed_halfway};
use crate::{
    campaign::{Campaign, PROGRAM, fails},
    input::Input,
};

#[test]
fn the_checkpoints_of_another_job() {
    let input = Input::new(7);
    let mut campaign = Campaign::new(&input);
    killed_halfway(&mut campaign);
    let error = fails(&mut campaign.command_of("large", Path::new(PROGRAM), 2));
    has(&error, &["`events`", "`large`", "of its own"]);
    goes_on(&mut campaign);
}

#[test]
fn a_directory_in_use_by_a_live_process() {
    let input = Input::new(8);
    let mut campaign = Campaign::new(&input);
    let mut first = campaign.command(2).spawn().expect("the program can be started");
    thread::sleep(SOMEWHERE);
    let error = fails(&mut campaign.command(2));
    has(&error, &[&campaign.checkpoints().display().to_string(), "in use", &first.id().to_string()]);
    assert!(first.wait().expect("it is our child").success(), "the first process is not harmed");
    campaign.look(true).expect("nor is its output");
}

/// The program as it may be started by nobody in particular: to root, permissions mean nothing.
fn as_nobody(campaign: &Campaign<'_>) -> Command {
    let program = campaign.directory().join("program");
    if !program.exists() {
        fs::copy(PROGRAM, &program).expect("there is room for a copy");
    }
    let started = campaign.command_of("events", &program, 2);
    let is_root = chown(&program, Some(0), None).is_ok();
    if !is_root {
        return started;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).args(started.get_args());
    command.env("NO_COLOR", "1");
    command
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the directory is ours");
}

#[test]
fn a_directory_that_may_not_be_written_to() {
    let input = Input::new(9);
    let campaign = Campaign::new(&input);
    allow(input.path(), 0o755);
    allow(campaign.directory(), 0o777);
    let checkpoints = campaign.checkpoints();
    fs::create_dir(&checkpoints).expect("there is room for a directory");
    allow(&checkpoints, 0o555);
    let error = fails(&mut as_nobody(&campaign));
    has(&error, &[&checkpoints.display().to_string(), "ermission denied"]);
}

/// Takes the permission to write away in the midst of a job, and may give it back.
fn bar(campaign: &Campaign<'_>, for_good: bool) -> thread::JoinHandle<()> {
    let directories = ["log", "segments"].map(|directory| campaign.checkpoints().join(directory));
    thread::spawn(move || {
        thread::sleep(SOMEWHERE);
        directories.iter().for_each(|directory| allow(directory, 0o555));
        if !for_good {
            thread::sleep(SOMEWHERE / 4);
            directories.iter().for_each(|directory| allow(directory, 0o777));
        }
    })
}

/// A checkpoint that fails is no failure of the job.
#[test]
fn a_directory_that_may_not_be_written_to_for_a_while() {
    let input = Input::new(13);
    let mut campaign = Campaign::new(&input);
    allow(input.path(), 0o755);
    allow(campaign.directory(), 0o777);
    let mut command = as_nobody(&campaign);
    command.args(["-D", "checkpoint.tolerated-failures=1000"]).stdin(Stdio::null()).stderr(Stdio::piped());
    let running = command.spawn().expect("the program can be started");
    bar(&campaign, false).join().expect("the directories are there by then");
    let ended = running.wait_with_output().expect("it is our child");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    campaign.look(true).expect("the output is whole");
}

/// Too many in a row are.
#[test]
fn a_directory_that_may_not_be_written_to_any_more() {
    let input = Input::new(10);
    let mut campaign = Campaign::new(&input);
    allow(input.path(), 0o755);
    allow(campaign.directory(), 0o777);
    let mut running = as_nobody(&campaign);
    let barred = bar(&campaign, true);
    let error = fails(&mut running);
    barred.join().expect("the directories are there by then");
    has(&error, &["checkpoint", &campaign.checkpoints().display().to_string(), "ermission denied"]);
    campaign.look(false).expect("what is committed is right");
    for directory in ["log", "segments"] {
        allow(&campaign.checkpoints().join(directory), 0o777);
    }
    goes_on(&mut campaign);
}
