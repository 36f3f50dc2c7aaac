//! A limit on the size of files is a failure of the job that names the file and the repair, not the end of the process. The test starts itself anew under
//! the limit, as a program with one job.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test stands outside of the engine")]

use std::{
    fs,
    process::{Command, ExitCode},
};

use millstream::prelude::*;

/// Names the directory that the job writes to, in the process that is under the limit.
const OUTPUT: &str = "MILLSTREAM_LIMITED_OUTPUT";

/// Writes more than it may.
#[job]
fn large(job: &mut Job) {
    let output = std::env::var_os(OUTPUT).expect("the process was started with it");
    let lines = generate(100_000, 1, |_, n| format!("line {n}"));
    job.source(lines).sink(TextFiles::write(std::path::PathBuf::from(output)));
}

fn main() -> ExitCode {
    if std::env::var_os(OUTPUT).is_some() {
        return millstream::runtime::cli::main();
    }
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let output = directory.path().join("out");
    let program = std::env::current_exe().expect("the test knows its own file");
    // In blocks of 512 or 1024 bytes, as the shell likes.
    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 100 && exec \"$0\" run large --parallelism 1"])
        .arg(program)
        .env(OUTPUT, &output)
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&limited.stderr);
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write ") && said.contains("(`ulimit -f`)"), "{said}");
    assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0, "nothing is left");
    ExitCode::SUCCESS
}
