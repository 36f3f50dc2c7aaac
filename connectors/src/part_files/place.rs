//! Where a sink writes: the names of its directory, its parts and its marker, and how they are told from what others left there.

use std::{
    io,
    path::{Path, PathBuf},
};

use millstream_runtime::{env::Files, failure::Failure};

use super::{fault::cannot_write, partition::PARTITION_DEPTH_LIMIT};

/// A finished part: its name in the sink's directory before it is committed, and the one it gets by that.
pub type FilePart = (String, String);

/// The marker of a directory whose parts are complete.
const SUCCESS: &str = "_SUCCESS";
/// How the names of parts begin.
const PART_PREFIX: &str = "part-";
/// How the names of directories begin that hold parts before they are committed.
const STAGING_PREFIX: &str = ".staging-";
/// How the name in a staging directory begins that says how many directories this run has made to get there.
const MADE_PREFIX: &str = "made-";
/// How far the numbers of two sinks may lie apart for them to be of one run of a job.
const SINKS_APART: u64 = 1 << 16;
/// How many entries of a directory are looked at for the output of an earlier run.
const ENTRIES_LIMIT: usize = 1_000_000;
/// How often the removal of a staging directory is tried: background work of a job that was cancelled may be making its last file.
const REMOVALS_LIMIT: usize = 100;

/// Where a sink writes.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    /// Tells this run of a job from all others.
    run: u64,
}

impl Place {
    pub(super) fn new(directory: PathBuf, run: u64) -> Self {
        Self { directory, run }
    }

    /// Where the parts go.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn success(&self) -> PathBuf {
        self.directory.join(SUCCESS)
    }

    /// The name of the directory inside of it that holds parts before they are committed.
    fn staging_name(&self) -> String {
        format!("{STAGING_PREFIX}{:016x}", self.run)
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.directory.join(self.staging_name())
    }

    /// A part by name: unique among all runs, subtasks and numbers, so parts never replace one another.
    pub(super) fn part(&self, partition: &str, subtask: usize, number: u64, ending: &str) -> FilePart {
        let name = format!("{PART_PREFIX}{:016x}-{subtask:05}-{number:06}.{ending}", self.run);
        let staged = format!("{}/{name}", self.staging_name());
        (staged, if partition.is_empty() { name } else { format!("{partition}/{name}") })
    }

    /// True if another sink of the same run of the job has made its staging directory here.
    pub(super) fn is_shared(&self, files: &dyn Files) -> Result<bool, Failure> {
        if !files.is_dir(&self.directory) {
            return Ok(false);
        }
        let there = files.list(&self.directory).map_err(|error| cannot_write(&self.directory, &error))?;
        Ok(there.iter().any(|path| {
            let run = name_of(path).strip_prefix(STAGING_PREFIX).and_then(|run| u64::from_str_radix(run, 16).ok());
            let apart = run.map(|run| run.wrapping_sub(self.run).min(self.run.wrapping_sub(run)));
            apart.is_some_and(|apart| (1..SINKS_APART).contains(&apart))
        }))
    }

    /// Makes the directory and the one inside of it that holds parts. A name in there says what is to be removed again if nothing comes of the
    /// run; it takes no space, so it can be left on a disk that is full.
    pub(super) fn make(&self, files: &dyn Files) -> Result<(), Failure> {
        let made = make_directories(files, &self.directory).map_err(|error| cannot_write(&self.directory, &error))?;
        let staging = self.staging();
        files.create_dir(&staging.join(format!("{MADE_PREFIX}{}", made.len()))).map_err(|error| {
            let _ = files.remove_empty_dir(&staging); // not there, or hidden
            remove_empty(files, made.iter().map(PathBuf::as_path));
            cannot_write(&staging, &error)
        })
    }

    /// Removes what [`Place::make`] made, and all parts that were not committed. What cannot be removed stays: it is hidden, or empty.
    pub(super) fn unmake(&self, files: &dyn Files) {
        let noted = files.list(&self.staging()).unwrap_or_default();
        let made = noted.iter().find_map(|path| name_of(path).strip_prefix(MADE_PREFIX)?.parse().ok()).unwrap_or(0);
        self.remove_staging(files);
        remove_empty(files, self.directory.ancestors().take(made));
    }

    /// Removes the staging directory, with what was not committed. What cannot be removed stays, hidden.
    pub(super) fn remove_staging(&self, files: &dyn Files) {
        let staging = self.staging();
        for _ in 0..REMOVALS_LIMIT {
            if files.remove_dir(&staging).is_ok() || !files.is_dir(&staging) {
                break;
            }
        }
    }

    /// What earlier runs left: first the marker, then parts.
    pub(super) fn output_of_others(&self, files: &dyn Files) -> Result<Vec<PathBuf>, Failure> {
        let mut found = Vec::new();
        if files.is_dir(&self.directory) {
            let mut entries = 0;
            let there = list(files, &self.directory, &mut entries)?;
            found.extend(there.iter().filter(|path| name_of(path) == SUCCESS).cloned());
            self.parts_of_others(files, there, PARTITION_DEPTH_LIMIT, &mut entries, &mut found)?;
        }
        Ok(found)
    }

    fn parts_of_others(
        &self,
        files: &dyn Files,
        there: Vec<PathBuf>,
        depth: usize,
        entries: &mut usize,
        found: &mut Vec<PathBuf>,
    ) -> Result<(), Failure> {
        let own = format!("{PART_PREFIX}{:016x}-", self.run);
        for path in there {
            let name = name_of(&path);
            if is_part(name) {
                if !name.starts_with(&own) {
                    found.push(path);
                }
            } else if depth > 0 && !name.starts_with('.') && files.is_dir(&path) {
                let inner = list(files, &path, entries)?;
                // A directory with a marker or a staging directory of its own is that of another sink.
                if !inner.iter().any(|path| name_of(path) == SUCCESS || name_of(path).starts_with(STAGING_PREFIX)) {
                    self.parts_of_others(files, inner, depth - 1, entries, found)?;
                }
            }
        }
        Ok(())
    }
}

fn list(files: &dyn Files, directory: &Path, entries: &mut usize) -> Result<Vec<PathBuf>, Failure> {
    let there = files.list(directory).map_err(|error| cannot_write(directory, &error))?;
    *entries += there.len();
    if *entries > ENTRIES_LIMIT {
        return Err(Failure::new(format!(
            "{} has more than {ENTRIES_LIMIT} files and directories; name one for the output alone",
            directory.display()
        )));
    }
    Ok(there)
}

/// Makes a directory and those above it. Returns those that were not there, the innermost first.
pub(super) fn make_directories(files: &dyn Files, path: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !files.is_dir(path));
    let missing: Vec<_> = missing.map(Path::to_path_buf).collect();
    if !missing.is_empty() {
        files.create_dir(path)?;
    }
    Ok(missing)
}

/// Removes directories that hold nothing, the innermost first, up to one that holds something.
pub(super) fn remove_empty<'a>(files: &dyn Files, directories: impl Iterator<Item = &'a Path>) {
    let _ = directories.map(|directory| files.remove_empty_dir(directory)).find(Result::is_err);
}

/// True for the names that [`Place::part`] gives.
fn is_part(name: &str) -> bool {
    let Some((name, _ending)) = name.strip_prefix(PART_PREFIX).and_then(|name| name.split_once('.')) else {
        return false;
    };
    let mut fields = name.split('-');
    let (run, subtask, number) = (fields.next(), fields.next(), fields.next());
    let is_number = |field: Option<&str>| {
        field.is_some_and(|field| field.len() >= 5 && field.bytes().all(|byte| byte.is_ascii_digit()))
    };
    run.is_some_and(|run| run.len() == 16 && run.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && is_number(subtask)
        && is_number(number)
        && fields.next().is_none()
}

pub(super) fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// True for the marker, which no partition may be called.
pub(super) fn is_marker(name: &str) -> bool {
    name == SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        let place = Place::new("out".into(), 0x2a);
        let (staged, name) = place.part("a/b", 1, 7, "csv.gz");
        assert_eq!(staged, ".staging-000000000000002a/part-000000000000002a-00001-000007.csv.gz");
        assert_eq!(name, "a/b/part-000000000000002a-00001-000007.csv.gz");
        for (name, part) in [
            ("part-000000000000002a-00001-000007.csv", true),
            ("part-000000000000002a-00001-000007.jsonl.zst", true),
            ("part-000000000000002a-123456-1234567.csv", true),
            ("part-000000000000002a-00001-000007", false),
            ("part-2a-00001-000007.csv", false),
            ("part-000000000000002a-00001-000007-8.csv", false),
            ("part-0.csv", false),
            ("_SUCCESS", false),
        ] {
            assert_eq!(is_part(name), part, "{name}");
        }
    }
}
