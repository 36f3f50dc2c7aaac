//! Jobs that are edited are compiled again: compilers have given up on traits in which lifetimes have to be matched, but only in a build that follows another
//! one. So the examples are built, moved down by a line, and built again.
#![allow(clippy::disallowed_methods, reason = "the test starts the compiler and writes files as a user does")]

use std::{fs, path::Path, process::Command};

/// Those that need nothing but this crate; together they have keys of texts and of structs, windows, state and timers.
const JOBS: [&str; 5] = ["dedup", "flights", "inactivity_alert", "stock_trades", "word_count"];
/// How often they are edited. What compilers got wrong showed at the first or the second time.
const EDITS: usize = 2;

fn build(project: &Path) {
    // The one in which the guide is walked: what it depends on is compiled there.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newcomer");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--bins", "--keep-going"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "1")
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap_or_else(|error| panic!("there is no cargo: {error}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[test]
fn jobs_compile_again_after_each_edit() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = tempfile::tempdir().expect("there is room for a project");
    let sources = project.path().join("src/bin");
    fs::create_dir_all(&sources).expect("the project can be written to");
    let manifest = format!(
        "[package]\nname = \"edits\"\nedition = \"2024\"\n\n[dependencies]\nmillstream.path = {:?}\n",
        repository.display().to_string()
    );
    fs::write(project.path().join("Cargo.toml"), manifest).expect("the project can be written to");
    fs::copy(repository.join("Cargo.lock"), project.path().join("Cargo.lock")).expect("the project can be written to");
    let example = |job: &str| fs::read_to_string(repository.join(format!("examples/{job}.rs"))).expect("it is there");
    for edit in 0..=EDITS {
        for job in JOBS {
            let moved = format!("{}{}", "// One more line.\n".repeat(edit), example(job));
            fs::write(sources.join(format!("{job}.rs")), moved).expect("the project can be written to");
        }
        build(project.path());
    }
}
