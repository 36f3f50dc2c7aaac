//! Checkpoints that are not what was written.

use std::{fs, path::PathBuf};

use super::{files, goes_on, has, killed_halfway};
use crate::{
    campaign::{Campaign, fails},
    input::Input,
};

/// Where the version of an entry of the log stands.
const ENTRY_VERSION: usize = 8;

/// Changes files of a job's checkpoints, lets the job fail by that, and lets it go on with the files as they were.
#[track_caller]
fn refused_until_repaired(
    which: impl FnOnce(&Campaign<'_>) -> Vec<PathBuf>,
    change: impl Fn(&mut Vec<u8>),
    words: &[&str],
) {
    let input = Input::new(6);
    let mut campaign = Campaign::new(&input);
    killed_halfway(&mut campaign);
    let changed = which(&campaign);
    assert!(!changed.is_empty(), "there is something to change");
    let originals: Vec<_> = changed.iter().map(|path| fs::read(path).expect("it is there")).collect();
    for (path, original) in changed.iter().zip(&originals) {
        let mut bytes = original.clone();
        change(&mut bytes);
        fs::write(path, bytes).expect("it can be written to");
    }
    let error = fails(&mut campaign.command(2));
    has(&error, words);
    campaign.look(false).expect("what is committed stays as it is");
    // Nothing was thrown away that is wanted again.
    for (path, original) in changed.iter().zip(&originals) {
        fs::write(path, original).expect("it can be written to");
    }
    goes_on(&mut campaign);
}

fn segments(campaign: &Campaign<'_>) -> Vec<PathBuf> {
    files(&campaign.checkpoints().join("segments"))
}

fn entries(campaign: &Campaign<'_>) -> Vec<PathBuf> {
    files(&campaign.checkpoints().join("log"))
}

/// All segments are changed: which of them the job reads is its own affair.
#[test]
fn segments_with_a_flipped_bit() {
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
    };
    refused_until_repaired(segments, flip, &["segments/", "checkpoints in ", "begin anew"]);
}

#[test]
fn segments_that_are_cut_off() {
    refused_until_repaired(
        segments,
        |bytes| bytes.truncate(bytes.len() / 2),
        &["segments/", "checkpoints in ", "begin anew"],
    );
}

#[test]
fn a_log_that_is_damaged() {
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
    };
    refused_until_repaired(entries, flip, &["entry ", "damaged"]);
}

#[test]
fn a_log_of_a_later_version() {
    let later = |bytes: &mut Vec<u8>| bytes[ENTRY_VERSION] = 99;
    refused_until_repaired(entries, later, &["version 99", "version of Millstream that wrote it"]);
}

/// The job goes on from the one before, and files take back what was committed since.
#[test]
fn a_newest_checkpoint_that_is_damaged() {
    let input = Input::new(6);
    let mut campaign = Campaign::new(&input);
    killed_halfway(&mut campaign);
    let newest = entries(&campaign).pop().expect("there are checkpoints");
    let mut bytes = fs::read(&newest).expect("it is there");
    bytes.pop();
    fs::write(&newest, bytes).expect("it can be written to");
    campaign.expect_taken_back();
    goes_on(&mut campaign);
}
