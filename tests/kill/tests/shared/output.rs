//! What the job has committed, at any time.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use crate::input::Lines;

/// The sinks of a job by the names of their directories, and whether their files begin with a header.
pub(crate) type Sinks = &'static [(&'static str, bool)];

/// Those of the job `events`.
pub(crate) const EVENTS: Sinks =
    &[("lines", false), ("windows", true), ("running", false), ("timers", false), ("totals", true)];
/// That of the job `large`.
pub(crate) const LARGE: Sinks = &[("large", false)];

/// How many differing lines a message shows.
const LINES_SHOWN_LIMIT: usize = 10;

/// The visible files below an output directory, as they are.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Output(BTreeMap<PathBuf, Vec<u8>>);

impl Output {
    /// What is there now.
    pub(crate) fn of(directory: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(directory, &mut files);
        Self(files)
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Says what was there earlier and is not any more, or is not what it was.
    pub(crate) fn keeps(&self, earlier: &Self) -> Result<(), String> {
        let lost: Vec<_> = earlier.0.iter().filter(|(path, content)| self.0.get(*path) != Some(content)).collect();
        match lost.first() {
            None => Ok(()),
            Some((path, _)) => Err(format!(
                "{} committed files are gone, or were written to again, among them {}",
                lost.len(),
                path.display()
            )),
        }
    }

    /// Compares it as far as it goes, or as a whole: then every sink must say that it is complete, and nothing hidden is left.
    pub(crate) fn compare(
        &self,
        directory: &Path,
        sinks: Sinks,
        expected: &Lines,
        is_whole: bool,
    ) -> Result<(), String> {
        if is_whole {
            for (sink, _) in sinks {
                let directory = directory.join(sink);
                if !self.0.contains_key(&directory.join("_SUCCESS")) {
                    return Err(format!("{} has no _SUCCESS", directory.display()));
                }
                let entries = fs::read_dir(&directory).map_err(|error| error.to_string())?;
                let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
                if let Some(left) = paths.find(|path| is_hidden(path)) {
                    return Err(format!("{} was left behind", left.display()));
                }
            }
        }
        let found = self.lines(directory, sinks)?;
        let times = |lines: &Lines, line: &str| lines.get(line).copied().unwrap_or(0);
        let surplus = found.iter().filter(|(line, count)| **count > times(expected, line));
        let of_job = |line: &str| sinks.iter().any(|(sink, _)| line.split(':').next() == Some(sink));
        let wanted = expected.iter().filter(|(line, _)| is_whole && of_job(line));
        let missing = wanted.filter(|(line, count)| **count > times(&found, line));
        let signed = surplus.map(|(line, _)| format!("+ {line}")).chain(missing.map(|(line, _)| format!("- {line}")));
        let mut differences: Vec<_> = signed.collect();
        if differences.is_empty() {
            return Ok(());
        }
        let count = differences.len();
        differences.truncate(LINES_SHOWN_LIMIT);
        Err(format!("{count} lines are too many (+) or missing (-), such as\n{}", differences.join("\n")))
    }

    fn lines(&self, directory: &Path, sinks: Sinks) -> Result<Lines, String> {
        let mut lines = Lines::new();
        for (sink, has_header) in sinks {
            let inside = |path: &&PathBuf| path.starts_with(directory.join(sink));
            for path in self.0.keys().filter(inside).filter(|path| !path.ends_with("_SUCCESS")) {
                for line in text(path, &self.0[path])?.lines().skip(usize::from(*has_header)) {
                    *lines.entry(format!("{sink}: {line}")).or_default() += 1;
                }
            }
        }
        Ok(lines)
    }
}

fn text(path: &Path, bytes: &[u8]) -> Result<String, String> {
    let mut text = String::new();
    let read = if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(bytes).read_to_string(&mut text)
    } else {
        (&mut &bytes[..]).read_to_string(&mut text)
    };
    match read {
        Ok(_) if text.ends_with('\n') => Ok(text),
        Ok(_) => Err(format!("{} ends in the middle of a line", path.display())),
        Err(error) => Err(format!("{} is damaged: {error}", path.display())),
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("a directory that could be opened can be listed").path();
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            let content = fs::read(&path).expect("a file that is there can be read");
            files.insert(path, content);
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
