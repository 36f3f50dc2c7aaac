//! Runs an example, and looks at what it said and left behind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The workspace's root, where examples are started.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The binary of an example; `cargo test` builds all of them.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its binary");
    let target = test.ancestors().nth(2).expect("tests lie in `deps`, beside `examples`");
    let binary = target.join("examples").join(name);
    assert!(binary.exists(), "there is no {}: build it with `cargo build --examples`", binary.display());
    binary
}

/// Runs an example to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Ran {
    start(Command::new(binary(name)).args(["run", "--quiet"]).args(arguments))
}

/// Runs a command that ends in an example.
pub(crate) fn start(command: &mut Command) -> Ran {
    let output = command.current_dir(ROOT).env("NO_COLOR", "1").output();
    Ran(output.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}")))
}

/// An example that came to its end.
pub(crate) struct Ran(Output);

impl Ran {
    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// It ended well.
    #[track_caller]
    pub(crate) fn well(&self) {
        assert!(self.0.status.success(), "ended with {}: {}", self.0.status, self.stderr());
    }

    /// It failed, and told it in one message with all of these words in it.
    #[track_caller]
    pub(crate) fn failed_saying(&self, words: &[&str]) {
        let stderr = self.stderr();
        let code = self.0.status.code().unwrap_or_else(|| panic!("ended with {}: {stderr}", self.0.status));
        assert!(code == 1 || code == 2, "ended with code {code}: {stderr}");
        let messages: Vec<_> = stderr.lines().filter(|line| line.starts_with("error")).collect();
        assert_eq!(messages.len(), 1, "one message is told: {stderr}");
        for word in words {
            assert!(messages[0].contains(word), "`{word}` is not in the message: {stderr}");
        }
    }
}

/// Nothing in a directory looks like output that is complete.
#[track_caller]
pub(crate) fn holds_nothing_complete(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("a directory can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(path.is_dir() || name.starts_with('.'), "{} looks complete", path.display());
        if !name.starts_with('.') {
            holds_nothing_complete(&path);
        }
    }
}
