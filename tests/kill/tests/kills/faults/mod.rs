//! What goes wrong with a directory of checkpoints: each fault is one error that names what and where, and harms nothing that was complete.

mod damage;
mod directory;
mod disk;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::campaign::{Campaign, Death, Ended};

/// When some checkpoints are complete, and the job is not.
const SOMEWHERE: Duration = Duration::from_millis(1_200);

/// Kills a job in its midst.
#[track_caller]
fn killed_halfway(campaign: &mut Campaign<'_>) {
    assert_eq!(campaign.live(2, &Death::After(SOMEWHERE)), Ok(Ended::Killed));
    assert!(campaign.committed_files() > 0, "something has been committed by then");
}

/// Goes on with a job, up to its end.
#[track_caller]
fn goes_on(campaign: &mut Campaign<'_>) {
    assert_eq!(campaign.live(3, &Death::Never), Ok(Ended::Well));
}

/// All files below a directory, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Says that a message has all of these words in it.
#[track_caller]
fn has(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` is not in the message: {message}");
    }
}
