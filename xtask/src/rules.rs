//! House rules that no lint knows: every file says what it is for, nothing is left half done, files stay small, and tokio stays behind its door.

use std::{fs, path::Path, process::Command};

use crate::{paths, step::Failed};

/// The longest that a source file may be, in lines.
const LINES_LIMIT: usize = 700;

/// Where `tokio::` may be named. Everything else reaches time, tasks and files through `Env`, or it could not be simulated.
const TOKIO_ALLOWED: &[&str] = &["runtime/src/env", "runtime/src/cli", "testkit/src/golden", "benches", "examples"];
/// A directory or file of this name may name it too, wherever it is.
const TESTS: &str = "tests";

/// What must not stay in a file, in two halves so that this file may name it.
const UNFINISHED: &[&str] =
    &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Checks every Rust file of the repository and reports all that is wrong.
pub(crate) fn check() -> Result<(), Failed> {
    let mut complaints = Vec::new();
    for file in rust_files()? {
        let path = paths::root().join(&file);
        if !path.exists() {
            continue; // deleted, but not committed yet
        }
        let text = fs::read_to_string(&path)
            .map_err(|error| Failed::new(format!("{} cannot be read: {error}", path.display())))?;
        check_file(&file, &text, &mut complaints);
    }
    if complaints.is_empty() {
        return Ok(());
    }
    complaints.sort();
    Err(Failed::new(format!("{} house rules are broken:\n{}", complaints.len(), complaints.join("\n"))))
}

/// The files that git knows, and those that it would take.
fn rust_files() -> Result<Vec<String>, Failed> {
    let listed = Command::new("git")
        .current_dir(paths::root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rs"])
        .output()
        .map_err(|error| Failed::new(format!("`git` could not be started: {error}")))?;
    if !listed.status.success() {
        return Err(Failed::new(format!("`git ls-files` failed: {}", String::from_utf8_lossy(&listed.stderr).trim())));
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

fn check_file(file: &str, text: &str, complaints: &mut Vec<String>) {
    if !text.starts_with("//! ") {
        complaints.push(format!("{file}:1: open the file with a `//!` sentence that says what it is for"));
    }
    let lines = text.lines().count();
    if lines > LINES_LIMIT {
        complaints.push(format!(
            "{file}:{LINES_LIMIT}: {lines} lines, at most {LINES_LIMIT} are allowed: split the file by purpose"
        ));
    }
    let tokio_allowed = may_name_tokio(Path::new(file));
    for (number, line) in (1..).zip(text.lines()) {
        for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
            complaints.push(format!(
                "{file}:{number}: `{word}`: finish it, or open an issue and say here what is not covered"
            ));
        }
        let is_comment = line.trim_start().starts_with("//");
        if !tokio_allowed && !is_comment && line.contains(concat!("tokio", "::")) {
            complaints.push(format!("{file}:{number}: names tokio: go through `millstream_runtime::env::Env`"));
        }
    }
}

fn may_name_tokio(file: &Path) -> bool {
    let module = file.with_extension("");
    module.iter().any(|part| part == TESTS)
        || TOKIO_ALLOWED.iter().any(|allowed| file.starts_with(allowed) || module.starts_with(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, text: &str, wanted: &[&str]) {
        let mut complaints = Vec::new();
        check_file(file, text, &mut complaints);
        assert_eq!(complaints.len(), wanted.len(), "{complaints:?}");
        for (complaint, wanted) in complaints.iter().zip(wanted) {
            assert!(complaint.starts_with(wanted), "`{complaint}` does not start with `{wanted}`");
        }
    }

    #[test]
    fn a_file_must_say_what_it_is_for() {
        check("core/src/a.rs", "//! The a.\nfn a() {}\n", &[]);
        check("core/src/a.rs", "fn a() {}\n", &["core/src/a.rs:1: open"]);
        check("tests/a.rs", "", &["tests/a.rs:1: open"]);
    }

    #[test]
    fn unfinished_work_is_named_with_its_line() {
        let text = ["//! A.\n", "// FIX", "ME later\n", "fn a() { to", "do!() }\n"].concat();
        check("core/src/a.rs", &text, &["core/src/a.rs:2: `FIX", "core/src/a.rs:3: `to"]);
    }

    #[test]
    fn files_have_a_bound() {
        let text = |lines| format!("//! A.\n{}", "\n".repeat(lines - 1));
        check("core/src/a.rs", &text(LINES_LIMIT), &[]);
        check("core/src/a.rs", &text(LINES_LIMIT + 1), &["core/src/a.rs:700: 701 lines"]);
    }

    #[test]
    fn tokio_stays_behind_its_door() {
        let text = concat!("//! A.\nuse tokio", "::time;\n");
        check("runtime/src/task/run.rs", text, &["runtime/src/task/run.rs:2: names tokio"]);
        check("runtime/src/environment.rs", text, &["runtime/src/environment.rs:2: names tokio"]);
        for allowed in [
            "runtime/src/env.rs",
            "runtime/src/env/tokio_net.rs",
            "runtime/src/cli/progress.rs",
            "tests/golden/main.rs",
        ] {
            check(allowed, text, &[]);
        }
        check("core/src/a.rs", concat!("//! A.\n/// Like `tokio", "::spawn`.\n"), &[]);
    }
}
