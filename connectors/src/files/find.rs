//! From what the user wrote (a file, a directory, a pattern) to files.

use std::{
    fmt, io,
    path::{Component, Path, PathBuf},
};

use glob::{MatchOptions, Pattern};
use millstream_runtime::{env::Files, failure::Failure};

use super::{compression::Compression, error::cannot_read};

/// How many files a source may have.
pub const FILES_LIMIT: usize = 100_000;
/// How many directory entries a pattern may lead past.
const ENTRIES_LIMIT: usize = 10_000_000;
/// How deep `**` looks.
const DEPTH_LIMIT: usize = 64;

/// As in a shell: a leading dot must be written, so that what is being written (`.staging-..`) is not read.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What a user wrote, and which files of a directory are meant.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    /// The extensions of files in a directory; all files if empty.
    pub(super) extensions: &'static [&'static str],
}

impl Wanted {
    /// The files that the path stands for: itself, those of a directory with one of the extensions, or what matches a pattern; sorted, at least one. Blocks.
    pub(super) fn find(&self, files: &dyn Files) -> Result<Vec<PathBuf>, Failure> {
        let path = &self.path;
        let found = self.find_any(files)?;
        if !found.is_empty() {
            return Ok(found);
        }
        Err(Failure::new(if !files.is_dir(path) {
            format!("no file matches {}", path.display())
        } else if self.extensions.is_empty() {
            format!("there is no file in directory {}", path.display())
        } else {
            format!("there is no {} file in directory {}", Extensions(self.extensions), path.display())
        }))
    }

    /// As [`Wanted::find`], but a directory may be empty, and a pattern match nothing. Blocks.
    pub(super) fn find_any(&self, files: &dyn Files) -> Result<Vec<PathBuf>, Failure> {
        let path = &self.path;
        if files.is_dir(path) {
            let mut found = list(files, path)?;
            found.retain(|path| self.has_extension(path) && !is_hidden(path) && !files.is_dir(path));
            return bounded(found, path);
        }
        // A file whose name looks like a pattern is a file.
        if !is_pattern(path) || files.len(path).is_ok() {
            return files.len(path).map(|_| vec![path.clone()]).map_err(|error| cannot_read(path, &error));
        }
        let mut found = expand(files, path)?;
        found.retain(|path| !files.is_dir(path));
        found.sort();
        found.dedup();
        bounded(found, path)
    }

    /// True if it may stand for other files later than now. Blocks.
    pub(super) fn may_grow(&self, files: &dyn Files) -> bool {
        files.is_dir(&self.path) || (is_pattern(&self.path) && files.len(&self.path).is_err())
    }

    fn has_extension(&self, path: &Path) -> bool {
        let stem = if Compression::of(path).is_some() { path.file_stem().map(Path::new) } else { Some(path) };
        let extension = stem.and_then(Path::extension).and_then(|extension| extension.to_str());
        self.extensions.is_empty() || extension.is_some_and(|extension| self.extensions.contains(&extension))
    }
}

/// `*.csv`, or `*.jsonl or *.ndjson`.
struct Extensions(&'static [&'static str]);

impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, extension)| {
            let or = if i == 0 { "" } else { " or " };
            write!(f, "{or}*.{extension}")
        })
    }
}

fn bounded(found: Vec<PathBuf>, path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if found.len() > FILES_LIMIT {
        return Err(Failure::new(format!(
            "{} stands for {} files, more than the {FILES_LIMIT} that a source may have",
            path.display(),
            found.len()
        )));
    }
    Ok(found)
}

fn list(files: &dyn Files, directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    files.list(directory).map_err(|error| cannot_read(directory, &error))
}

/// True for names that say "not for you": `.staging-..`, `_SUCCESS`, `_temporary`.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| matches!(name.as_encoded_bytes(), [b'.' | b'_', ..]))
}

fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// Everything that matches, component by component: only directories that may hold a match are listed.
fn expand(files: &dyn Files, pattern: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = vec![PathBuf::new()];
    let mut entries = 0;
    for component in pattern.components() {
        let text = match component {
            Component::Normal(text) if is_pattern(Path::new(text)) => text,
            literal => {
                for path in &mut found {
                    path.push(literal);
                }
                continue;
            }
        };
        let text = text.to_str().ok_or_else(|| Failure::new(format!("{} is not UTF-8", pattern.display())))?;
        let mut next = Vec::new();
        if text == "**" {
            for path in found {
                descend(files, path, DEPTH_LIMIT, &mut entries, &mut next)?;
            }
        } else {
            let names = Pattern::new(text)
                .map_err(|error| Failure::new(format!("{} is not a pattern: {error}", pattern.display())))?;
            for path in found {
                for entry in children(files, &path, &mut entries)? {
                    let name = entry.file_name().unwrap_or_default().to_string_lossy();
                    let named = text.starts_with('_') || !name.starts_with('_');
                    if named && names.matches_with(&name, MATCHING) {
                        next.push(entry);
                    }
                }
            }
        }
        found = next;
    }
    let mut there = Vec::with_capacity(found.len());
    for path in found {
        if files.is_dir(&path) || exists(files, &path)? {
            there.push(path);
        }
    }
    Ok(there)
}

/// True if there is something that is no directory. What cannot be looked at is an error: it must not be left out as if it were not there.
fn exists(files: &dyn Files, path: &Path) -> Result<bool, Failure> {
    match files.len(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        len => len.map(|_| true).map_err(|error| cannot_read(path, &error)),
    }
}

/// A directory and all directories below it.
fn descend(
    files: &dyn Files,
    directory: PathBuf,
    depth: usize,
    entries: &mut usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    if depth > 0 {
        for entry in children(files, &directory, entries)? {
            if !is_hidden(&entry) && files.is_dir(&entry) {
                descend(files, entry, depth - 1, entries, found)?;
            }
        }
    }
    found.push(directory);
    Ok(())
}

/// What is in a directory; nothing if it is none.
fn children(files: &dyn Files, directory: &Path, entries: &mut usize) -> Result<Vec<PathBuf>, Failure> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    if !files.is_dir(listed) {
        exists(files, listed)?;
        return Ok(Vec::new());
    }
    let children = list(files, listed)?;
    *entries += children.len();
    if *entries > ENTRIES_LIMIT {
        return Err(Failure::new(format!("a pattern leads past more than {ENTRIES_LIMIT} files; make it narrower")));
    }
    // Listed as `./name` where the pattern began with a name.
    Ok(children.into_iter().map(|path| directory.join(path.file_name().unwrap_or_default())).collect())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests lay out files of their own")]
mod tests {
    use std::fs;

    use millstream_runtime::env::Disk;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in ["a", "b/c", "empty", ".hidden"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        for file in [
            "a/1.csv",
            "a/2.csv",
            "a/.3.csv",
            "a/_4.csv",
            "a/notes.txt",
            "b/1.csv",
            "b/c/4.csv",
            ".hidden/5.csv",
            "x[1].csv",
        ] {
            fs::write(root.path().join(file), "").unwrap();
        }
        root
    }

    fn csv(path: PathBuf) -> Wanted {
        Wanted { path, extensions: &["csv"] }
    }

    #[track_caller]
    fn check(root: &Path, path: &str, expected: &[&str]) {
        let found = csv(root.join(path)).find(&Disk).unwrap();
        let found: Vec<_> = found.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_a_directory_or_a_pattern() {
        let root = tree();
        let root = root.path();
        check(root, "a/notes.txt", &["a/notes.txt"]);
        check(root, "a", &["a/1.csv", "a/2.csv"]);
        check(root, "a/*", &["a/1.csv", "a/2.csv", "a/notes.txt"]);
        check(root, "a/_*.csv", &["a/_4.csv"]);
        check(root, "?/[1-3].csv", &["a/1.csv", "a/2.csv", "b/1.csv"]);
        check(root, "*/c/*.csv", &["b/c/4.csv"]);
        check(root, "**/*.csv", &["a/1.csv", "a/2.csv", "b/1.csv", "b/c/4.csv", "x[1].csv"]);
        check(root, "*/1.csv", &["a/1.csv", "b/1.csv"]);
        check(root, "x[1].csv", &["x[1].csv"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = tree();
        let message = |path: &str| {
            let failure = csv(root.path().join(path)).find(&Disk).unwrap_err().to_string();
            failure.replace(&root.path().display().to_string(), "ROOT")
        };
        assert_eq!(message("c.csv"), "there is no file or directory ROOT/c.csv");
        assert_eq!(message("empty"), "there is no *.csv file in directory ROOT/empty");
        assert_eq!(message("empty/*.csv"), "no file matches ROOT/empty/*.csv");
        assert!(message("a/[*.csv").starts_with("ROOT/a/[*.csv is not a pattern: "));
    }
}
