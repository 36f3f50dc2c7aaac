//! State many times larger than the memory it may have: the process stays within that, and nothing is lost.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use millstream_testkit::budget;

use crate::campaign::{PROGRAM, tell};

/// What the job is told that it may have.
const MEMORY_MIB: u64 = 64;
/// What a key's state takes at least, in bytes: twice its text.
const KEY_BYTES: u64 = 800;
/// How many times its memory the state is.
const TIMES: u64 = 5;
/// The backends that are tried.
const SHORT: &[&str] = &["redb"];
const FULL: &[&str] = &["redb", "memory"];
/// What it may take more than it was told, as a part of that: for the heap's own waste, what a checkpoint has on its way, and because it is looked only now and then
/// whether state in memory takes too much.
const SLACK: u64 = 2;
/// How often it is looked what a process has.
const LOOK: Duration = Duration::from_millis(20);

/// The most memory of its own that a process had, in MiB: not the program, which lies in a file.
fn run(program: &mut Command) -> u64 {
    // By itself the heap has an arena for each few threads, and what is free in one is of no use to the others.
    program.env("MALLOC_ARENA_MAX", "2");
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let ended = loop {
        if let Ok(status) = fs::read_to_string(&status)
            && let Some(line) = status.lines().find(|line| line.starts_with("RssAnon:"))
        {
            let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB");
            most = most.max(kib >> 10);
        }
        match child.try_wait().expect("a process that was started") {
            Some(status) => break status,
            None => thread::sleep(LOOK),
        }
    };
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert!(ended.success(), "{ended}: {said}");
    assert!(most > 0, "it was seen what the process has");
    most
}

fn count(folder: &Path, word: &str) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |path: PathBuf| match path.is_dir() {
        true => count(&path, word),
        false => fs::read_to_string(&path).map_or(0, |text| text.lines().filter(|line| *line == word).count() as u64),
    };
    entries.flatten().map(|entry| of(entry.path())).sum()
}

#[test]
fn state_five_times_as_large_as_memory_stays_within_it() {
    let keys = TIMES * (MEMORY_MIB << 20) / KEY_BYTES;
    for backend in budget::choose(SHORT, FULL) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let mut program = Command::new(PROGRAM);
        program.args(["run", "hoard", "--quiet", "--keys", &keys.to_string(), "--output"]).arg(at("output"));
        for setting in [
            format!("memory={MEMORY_MIB}MiB"),
            format!("state.backend={backend}"),
            format!("state.dir={}", at("state").display()),
            format!("checkpoint.dir={}", at("checkpoints").display()),
            "checkpoint.interval=5s".to_owned(),
            "parallelism=2".to_owned(),
            "restart=none".to_owned(),
        ] {
            program.arg("-D").arg(setting);
        }
        let most = run(&mut program);
        tell(&format!("{keys} keys, {TIMES} times {MEMORY_MIB} MiB, {backend}: {most} MiB resident at most"));
        assert_eq!((count(&at("output"), "kept"), count(&at("output"), "lost")), (keys, 0));
        assert!(most <= MEMORY_MIB + MEMORY_MIB / SLACK, "{most} MiB resident of {MEMORY_MIB} MiB ({backend})");
    }
}
