//! The first page of the guide, walked literally in a fresh directory: its files are written, its commands run, and what they print is compared.
#![allow(clippy::disallowed_methods, reason = "the walk starts programs and writes files as a user does")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const PAGE: &str = include_str!("../docs/guide/first-job.md");

/// What the page tells to do.
#[derive(Debug, PartialEq)]
enum Step<'p> {
    /// Write a file.
    File { path: &'p str, text: String },
    /// Run a command; its output, if the page shows any.
    Run { command: &'p str, output: String },
}

/// The steps of a page: blocks below `<!-- file: path -->`, and the commands of `console` blocks.
fn steps(page: &str) -> Vec<Step<'_>> {
    let (mut steps, mut lines, mut path) = (Vec::new(), page.lines(), None);
    while let Some(line) = lines.next() {
        if let Some(named) = line.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->")) {
            path = Some(named);
        } else if let Some(language) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            match (path.take(), language) {
                (Some(path), _) => steps.push(Step::File { path, text: block.join("\n") + "\n" }),
                (None, "console") => steps.extend(commands(&block)),
                (None, _) => {}
            }
        }
    }
    steps
}

fn commands<'p>(block: &[&'p str]) -> Vec<Step<'p>> {
    let mut steps = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step::Run { command, output: String::new() }),
            (None, Some(Step::Run { output, .. })) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, _) => panic!("`{line}` stands before the first command of its block"),
        }
    }
    steps
}

/// Runs a command of the page in `directory`.
fn run(command: &str, directory: &Path, expected: &str) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newcomer");
    let ran = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", target)
        .env("LC_ALL", "C")
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap_or_else(|error| panic!("there is no shell: {error}"));
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "`{command}` ended with {}:\n{out}{err}", ran.status);
    if !expected.is_empty() {
        assert_eq!(out, expected, "what `{command}` prints, beside what the guide shows");
    }
}

#[test]
fn the_first_page_of_the_guide_leads_to_a_job() {
    let root = tempfile::tempdir().expect("there is room for a project");
    std::os::unix::fs::symlink(env!("CARGO_MANIFEST_DIR"), root.path().join("millstream"))
        .expect("the clone can be linked to");
    let mut directory = PathBuf::from(root.path());
    let mut ran = 0;
    for step in steps(PAGE) {
        match step {
            Step::File { path, text } => fs::write(directory.join(path), text).expect("the project can be written to"),
            Step::Run { command, output } => match command.strip_prefix("cd ") {
                Some(to) => directory.push(to),
                None => {
                    run(command, &directory, &output);
                    ran += 1;
                }
            },
        }
    }
    assert!(
        ran >= 6,
        "the page tells to make a project, to run it and to look at its output, but only {ran} commands ran"
    );
}

#[test]
fn files_and_commands_are_found_in_a_page() {
    let page = "Text\n<!-- file: a.csv -->\n```text\n1,2\n```\n```rust\nfn main() {}\n```\n```console\n$ ls\na.csv\n$ true\n```\n";
    let expected = [
        Step::File { path: "a.csv", text: "1,2\n".into() },
        Step::Run { command: "ls", output: "a.csv\n".into() },
        Step::Run { command: "true", output: String::new() },
    ];
    assert_eq!(steps(page), expected);
}
