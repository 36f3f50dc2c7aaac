//! Where a sink writes: the names of its directory, its parts and its marker, and how they are told from what others left there.

use std::{
    collections::HashSet,
    io::{self, Read},
    path::{Path, PathBuf},
};

use millstream_runtime::{env::Files, failure::Failure};

use super::{fault::cannot_write, partition::PARTITION_DEPTH_LIMIT};

/// A finished part: its name in the sink's directory before it is committed, and the one it gets by that.
pub type FilePart = (String, String);

/// A part that stays open across a checkpoint: its name in the sink's directory, its partition, how many of its bytes belong to the checkpoint, and
/// when it was begun, in milliseconds since 1970.
pub type OpenPart = (String, String, u64, i64);

/// The marker of a directory whose parts are complete.
const SUCCESS: &str = "_SUCCESS";
/// How the names of parts begin.
const PART_PREFIX: &str = "part-";
/// How the names of directories begin that hold parts before they are committed.
const STAGING_PREFIX: &str = ".staging-";
/// How the name in a staging directory begins that says how many directories this run has made to get there.
const MADE_PREFIX: &str = "made-";
/// The name in a staging directory that says that the output of other runs was removed.
const CLEARED: &str = "cleared";
/// The bits of a sink's number that all sinks of a run of a job have in common.
const RUN_BITS: u64 = !0 << 32;
/// How many entries of a directory are looked at for the output of an earlier run.
const ENTRIES_LIMIT: usize = 1_000_000;
/// How much of a marker is looked at: more than the number of a run is.
const MARKER_BYTES: u64 = 64;

/// Where a sink writes.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    /// Tells this run of a job from all others; the same after a restart from a checkpoint.
    run: u64,
    /// The run may be restarted from a checkpoint, and then find what it has left.
    restarts: bool,
}

impl Place {
    pub(super) fn new(directory: PathBuf, run: u64, restarts: bool) -> Self {
        Self { directory, run, restarts }
    }

    /// Where the parts go.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn success(&self) -> PathBuf {
        self.directory.join(SUCCESS)
    }

    /// Where the marker is made.
    pub(super) fn staged_success(&self) -> PathBuf {
        self.staging().join(SUCCESS)
    }

    /// What the marker holds.
    pub(super) fn mark(&self) -> String {
        format!("{:016x}\n", self.run)
    }

    /// True if the marker says that the output of this very run is complete.
    pub(super) fn is_complete(&self, files: &dyn Files) -> bool {
        if !self.restarts {
            return false;
        }
        let mut marked = String::new();
        let read = files.open(&self.success()).map(|file| file.take(MARKER_BYTES).read_to_string(&mut marked));
        matches!(read, Ok(Ok(_))) && marked == self.mark()
    }

    /// The name of the directory inside of it that holds parts before they are committed.
    fn staging_name(&self) -> String {
        format!("{STAGING_PREFIX}{:016x}", self.run)
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.directory.join(self.staging_name())
    }

    /// The name of a part, in the sink's directory, before it is committed.
    pub(super) fn staged(&self, writer: &str, number: u64, ending: &str) -> String {
        format!("{}/{writer}-{number:06}.{ending}", self.staging_name())
    }

    /// What a staged part is called once it is committed, by a checkpoint if there are any. Staged names are unique, and so these are: among all runs, and
    /// among all writers that a run ever has. Parts never replace one another.
    pub(super) fn part(&self, staged: String, partition: &str, checkpoint: u64) -> FilePart {
        let own = staged.rsplit_once('/').map_or(&*staged, |(_, own)| own);
        let at = if checkpoint == 0 { String::new() } else { format!("{checkpoint:08}-") };
        let name = format!("{PART_PREFIX}{:016x}-{at}{own}", self.run);
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
            run.is_some_and(|run| run != self.run && run & RUN_BITS == self.run & RUN_BITS)
        }))
    }

    /// Makes the directory and the one inside of it that holds parts, unless an earlier attempt has. A name in there says what is to be removed again if
    /// nothing comes of the run; it takes no space, so it can be left on a disk that is full.
    pub(super) fn make(&self, files: &dyn Files) -> Result<(), Failure> {
        let staging = self.staging();
        let is_new = !files.is_dir(&staging);
        let made = if is_new { self.make_staging(files, &staging)? } else { self.made(files) };
        // Parts are to be found after a crash of the machine, so the way to them must be. All of it: an attempt that died may have made it.
        for (height, directory) in self.directory.ancestors().enumerate() {
            let synced = files.sync_dir(at_least_here(directory));
            // What is above those that this attempt has made may be of others, who do not let it be opened.
            if height <= made
                && let Err(error) = synced
            {
                if is_new {
                    self.unmake(files);
                }
                return Err(cannot_write(directory, &error));
            }
        }
        Ok(())
    }

    /// Gives how many directories it has made to get there.
    fn make_staging(&self, files: &dyn Files, staging: &Path) -> Result<usize, Failure> {
        let made = make_directories(files, &self.directory).map_err(|error| cannot_write(&self.directory, &error))?;
        files.create_dir(&staging.join(format!("{MADE_PREFIX}{}", made.len()))).map_err(|error| {
            let _ = files.remove_empty_dir(staging); // not there, or hidden
            remove_empty(files, made.iter().map(PathBuf::as_path));
            cannot_write(staging, &error)
        })?;
        Ok(made.len())
    }

    /// How many directories this run has made to get there.
    fn made(&self, files: &dyn Files) -> usize {
        let noted = files.list(&self.staging()).unwrap_or_default();
        noted.iter().find_map(|path| name_of(path).strip_prefix(MADE_PREFIX)?.parse().ok()).unwrap_or(0)
    }

    /// Removes all that is staged but the parts of these names, the marker among it. It is there because an attempt of this run has died.
    pub(super) fn clean(&self, files: &dyn Files, kept: &HashSet<String>) -> Result<(), Failure> {
        let staging = self.staging();
        for path in files.list(&staging).map_err(|error| cannot_write(&staging, &error))? {
            let name = name_of(&path);
            if !name.starts_with(MADE_PREFIX)
                && name != CLEARED
                && !kept.contains(&format!("{}/{name}", self.staging_name()))
            {
                files.remove(&path).map_err(|error| cannot_write(&path, &error))?;
            }
        }
        Ok(())
    }

    /// True if this run, which may be a job that has been restarted, has been here before.
    pub(super) fn is_own(&self, files: &dyn Files) -> bool {
        self.restarts && (files.is_dir(&self.staging()) || self.is_complete(files))
    }

    /// True if this run has removed the output of others.
    pub(super) fn has_cleared(&self, files: &dyn Files) -> bool {
        files.is_dir(&self.staging().join(CLEARED))
    }

    pub(super) fn note_cleared(&self, files: &dyn Files) -> Result<(), Failure> {
        let note = self.staging().join(CLEARED);
        files.create_dir(&note).map_err(|error| cannot_write(&note, &error))
    }

    /// Removes what [`Place::make`] made, and all parts that were not committed. What cannot be removed stays: it is hidden, or empty.
    pub(super) fn unmake(&self, files: &dyn Files) {
        let made = self.made(files);
        self.remove_staging(files);
        remove_empty(files, self.directory.ancestors().take(made));
    }

    /// Removes the staging directory, with what was not committed. What cannot be removed stays, hidden.
    pub(super) fn remove_staging(&self, files: &dyn Files) {
        let _ = files.remove_dir(&self.staging());
    }

    /// What other runs left: first the marker, then parts. What this run left before a restart is its own.
    pub(super) fn output_of_others(&self, files: &dyn Files) -> Result<Found, Failure> {
        let mut found = Found::default();
        if files.is_dir(&self.directory) {
            let there = list(files, &self.directory, &mut found.entries)?;
            let marker = there.iter().filter(|path| name_of(path) == SUCCESS && !self.is_complete(files));
            found.output.extend(marker.cloned());
            found.directories.push(self.directory.clone());
            let own = self.own_prefix();
            find(files, there, PARTITION_DEPTH_LIMIT, &|name: &str| !name.starts_with(&own), &mut found)?;
        }
        Ok(found)
    }

    /// How the names of this run's parts begin.
    fn own_prefix(&self) -> String {
        format!("{PART_PREFIX}{:016x}-", self.run)
    }

    /// What this run has committed by checkpoints after this one.
    pub(super) fn later_than(&self, files: &dyn Files, after: u64) -> Result<Found, Failure> {
        let mut found = Found::default();
        if files.is_dir(&self.directory) {
            let prefix = self.own_prefix();
            let is_later = |name: &str| split_name(&prefix, name).is_some_and(|(checkpoint, _)| checkpoint > after);
            found.directories.push(self.directory.clone());
            let there = list(files, &self.directory, &mut found.entries)?;
            find(files, there, PARTITION_DEPTH_LIMIT, &is_later, &mut found)?;
        }
        Ok(found)
    }

    /// Takes back what this run has committed by checkpoints after this one: parts go back to where they were staged, or are removed, unless they are kept.
    pub(super) fn take_back(&self, files: &dyn Files, after: u64, kept: &HashSet<String>) -> Result<(), Failure> {
        if !files.is_dir(&self.directory) {
            return Ok(());
        }
        let prefix = self.own_prefix();
        let found = self.later_than(files, after)?;
        if self.is_complete(files) {
            files.remove(&self.success()).map_err(|error| cannot_write(&self.success(), &error))?;
        }
        for path in found.output {
            let Some((_, own)) = split_name(&prefix, name_of(&path)) else { continue };
            let staged = format!("{}/{own}", self.staging_name());
            let taken = match kept.contains(&staged) {
                true => files.rename(&path, &self.directory.join(&staged)),
                false => files.remove(&path),
            };
            taken.map_err(|error| cannot_write(&path, &error))?;
        }
        // All of them: an attempt that died in here may have taken back what this one does not find.
        found
            .directories
            .iter()
            .try_for_each(|directory| files.sync_dir(directory).map_err(|error| cannot_write(directory, &error)))
    }
}

/// The checkpoint in the name of a part, and what it was called when it was staged.
fn split_name<'n>(prefix: &str, name: &'n str) -> Option<(u64, &'n str)> {
    let (checkpoint, own) = name.strip_prefix(prefix)?.split_once('-')?;
    Some((checkpoint.parse().ok()?, own))
}

/// What was looked for below the directory of a sink.
#[derive(Default)]
pub(super) struct Found {
    pub(super) output: Vec<PathBuf>,
    /// The directories that may hold output, whether they do or not.
    pub(super) directories: Vec<PathBuf>,
    /// How many files and directories were looked at.
    entries: usize,
}

/// Finds the parts whose names are wanted.
fn find(
    files: &dyn Files,
    there: Vec<PathBuf>,
    depth: usize,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut Found,
) -> Result<(), Failure> {
    for path in there {
        let name = name_of(&path);
        if is_part(name) {
            if wanted(name) {
                found.output.push(path);
            }
        } else if depth > 0 && !name.starts_with('.') && files.is_dir(&path) {
            let inner = list(files, &path, &mut found.entries)?;
            // A directory with a marker or a staging directory of its own is that of another sink.
            if !inner.iter().any(|path| name_of(path) == SUCCESS || name_of(path).starts_with(STAGING_PREFIX)) {
                find(files, inner, depth - 1, wanted, found)?;
                found.directories.push(path);
            }
        }
    }
    Ok(())
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

/// A directory by a name that can be opened: a relative path of one name is in no directory that has a name.
pub(crate) fn at_least_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
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
    let drawn = |field: &str| field.len() == 16 && field.bytes().all(|byte| byte.is_ascii_hexdigit());
    let counted = |field: &str| field.len() >= 5 && field.bytes().all(|byte| byte.is_ascii_digit());
    match *name.split('-').collect::<Vec<_>>() {
        [run, subtask, number] => drawn(run) && counted(subtask) && counted(number),
        [run, checkpoint, writer, number] => drawn(run) && counted(checkpoint) && drawn(writer) && counted(number),
        _ => false,
    }
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
        let place = Place::new("out".into(), 0x2a, true);
        let (staged, name) = place.part(place.staged("00001", 7, "csv.gz"), "a/b", 0);
        assert_eq!(staged, ".staging-000000000000002a/00001-000007.csv.gz");
        assert_eq!(name, "a/b/part-000000000000002a-00001-000007.csv.gz");
        let (staged, name) = place.part(place.staged("00000000000000ff", 7, "csv"), "", 3);
        assert_eq!(staged, ".staging-000000000000002a/00000000000000ff-000007.csv");
        assert_eq!(name, "part-000000000000002a-00000003-00000000000000ff-000007.csv");
        for (name, part) in [
            ("part-000000000000002a-00001-000007.csv", true),
            ("part-000000000000002a-00001-000007.jsonl.zst", true),
            ("part-000000000000002a-123456-1234567.csv", true),
            ("part-000000000000002a-00000003-00000000000000ff-000007.csv", true),
            ("part-000000000000002a-00000003-ff-000007.csv", false),
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
