//! `#[job]`: functions that a binary knows by name.

mod runtime;

use millstream_macros::job;

use runtime::{
    Job,
    registry::{Command, JobEntry, Matches},
};

/// What emitted code names, at a path of this test.
#[doc(hidden)]
pub(crate) mod __private {
    pub(crate) use ::inventory;

    pub(crate) use crate::runtime;
}

struct ExactlyOnce;

struct Args {
    input: String,
}

impl runtime::registry::Args for Args {
    const NAMES: &'static [&'static str] = &["input"];

    fn from_matches(matches: &Matches) -> Self {
        Self { input: matches.0.into() }
    }
}

/// Trades per industry.
///
/// Reads a directory of files.
#[job(crate = crate)]
fn volume_by_industry(job: &mut Job<ExactlyOnce>, Args { input }: Args) {
    job.add(&input);
}

#[job(crate = crate)]
fn nothing(_job: &mut Job) {}

#[job(crate = crate)]
fn refused(job: &mut Job, args: Args) -> Result<(), String> {
    job.add("before the error");
    Err(format!("no such directory: {}", args.input))
}

#[job(crate = crate)]
fn accepted(job: &mut Job) -> Result<(), std::num::ParseIntError> {
    let number: u64 = "7".parse()?;
    job.add(&number.to_string());
    Ok(())
}

fn entry(name: &str) -> &'static JobEntry {
    inventory::iter::<JobEntry>().find(|entry| entry.name == name).expect("the job is registered")
}

#[test]
fn every_job_is_registered_once() {
    let mut names: Vec<_> = inventory::iter::<JobEntry>().map(|entry| entry.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["accepted", "nothing", "refused", "volume_by_industry"]);
}

#[test]
fn an_entry_has_the_doc_comment_and_the_place() {
    let entry = entry("volume_by_industry");
    assert_eq!(entry.doc, "Trades per industry.\n\nReads a directory of files.");
    let line = include_str!("main.rs").lines().position(|line| line.starts_with("fn volume")).expect("it is above");
    assert_eq!((entry.location.line as usize, entry.location.column), (line + 1, 4));
    assert!(entry.location.file.ends_with("main.rs"));
}

#[test]
fn an_entry_adds_the_arguments_of_the_job_and_builds_with_them() {
    let volume = entry("volume_by_industry");
    assert_eq!((volume.augment)(Command::default()).0, ["input"]);
    assert_eq!((volume.build)(&Matches("files"), ()), Ok(vec!["volume_by_industry: files".to_owned()]));
    let nothing = entry("nothing");
    assert_eq!((nothing.augment)(Command::default()).0, [""; 0]);
    assert_eq!((nothing.build)(&Matches(""), ()), Ok(vec![]));
}

#[test]
fn a_job_may_fail() {
    assert_eq!((entry("refused").build)(&Matches("x"), ()), Err("refused: no such directory: x".to_owned()));
    assert_eq!((entry("accepted").build)(&Matches("x"), ()), Ok(vec!["accepted: 7".to_owned()]));
}
