//! Settings in a TOML file: keys at the top for all jobs, in tables `[job.<name>]` for one, and in the table `[cluster]` for a process of a cluster.

use std::{borrow::Cow, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::settings::{
    KEYS, Origin, Outside, Setting,
    cluster::{ClusterGiven, ClusterKey},
};

/// The table that holds one table a job.
const JOBS: &str = "job";
/// The table of a process of a cluster.
const CLUSTER: &str = "cluster";

/// Puts the settings of a file: those for all jobs, and on top of them those for this job. The tables of other jobs are checked, too: jobs of several
/// binaries may share a file.
///
/// # Errors
///
/// Names the file, the line, and what is allowed.
pub(super) fn put(path: &Path, text: &str, job: Option<&str>, outside: &mut Outside) -> Result<(), String> {
    let file = File { path, text };
    let table = file.parse()?;
    for (key, value) in table.get_ref().iter().filter(|(key, _)| ![JOBS, CLUSTER].contains(&key.get_ref().as_ref())) {
        file.put(key, value, outside)?;
    }
    file.put_cluster(table.get_ref(), &mut ClusterGiven::default())?;
    let Some(jobs) = table.get_ref().get(JOBS) else { return Ok(()) };
    let tables = jobs.get_ref().as_table().ok_or_else(|| file.wrong(jobs, "`job` holds tables, as `[job.name]`"))?;
    for (name, table) in tables {
        let settings = table.get_ref().as_table().ok_or_else(|| {
            file.wrong(table, &format!("`job.{0}` is a table of settings, as `[job.{0}]`", name.get_ref()))
        })?;
        let mut of_another = Outside::default();
        let outside = if job == Some(name.get_ref()) { &mut *outside } else { &mut of_another };
        for (key, value) in settings {
            file.put(key, value, outside)?;
        }
    }
    Ok(())
}

/// Puts the settings of a file for a process of a cluster.
///
/// # Errors
///
/// Names the file, the line, and what is allowed.
pub(super) fn put_cluster(path: &Path, text: &str, given: &mut ClusterGiven) -> Result<(), String> {
    let file = File { path, text };
    file.put_cluster(file.parse()?.get_ref(), given)
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> File<'a> {
    fn parse(&self) -> Result<Spanned<DeTable<'a>>, String> {
        DeTable::parse(self.text).map_err(|error| {
            let line = error.span().map_or(1, |span| self.line(&span));
            format!("{}:{line}: {}", self.path.display(), error.message())
        })
    }

    fn put_cluster(&self, table: &DeTable<'_>, to: &mut ClusterGiven) -> Result<(), String> {
        let Some(cluster) = table.get(CLUSTER) else { return Ok(()) };
        let wrong = || self.wrong(cluster, "`cluster` is a table of settings, as `[cluster]`");
        for (key, value) in cluster.get_ref().as_table().ok_or_else(wrong)? {
            let name = key.get_ref();
            let text = match value.get_ref() {
                DeValue::Boolean(is) => Some(is.to_string().into()),
                DeValue::Array(all) => {
                    let all: Option<Vec<_>> = all.iter().map(|one| text_of(one.get_ref())).collect();
                    all.map(|all| all.join(",").into())
                }
                value => text_of(value),
            };
            let Some(text) = text else {
                let known = ClusterKey::find(name).map_err(|message| self.wrong(key, &message))?;
                return Err(self.wrong(value, &format!("invalid value for 'cluster.{name}': {}", known.allowed())));
            };
            to.put(name, &text, Origin::File { path: self.path.to_owned(), line: self.line(&key.span()) })?;
        }
        Ok(())
    }

    fn put(&self, key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>, to: &mut Outside) -> Result<(), String> {
        let name = key.get_ref();
        match value.get_ref() {
            // `checkpoint.interval = ..` and `[checkpoint]` are tables to TOML.
            DeValue::Table(table)
                if KEYS.iter().any(|known| known.name.split_once('.').is_some_and(|(group, _)| group == name)) =>
            {
                table
                    .iter()
                    .try_for_each(|(rest, value)| self.put_one(&format!("{name}.{}", rest.get_ref()), rest, value, to))
            }
            _ => self.put_one(name, key, value, to),
        }
    }

    /// Puts a setting. `at` is where its name stands.
    fn put_one(
        &self,
        name: &str,
        at: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        to: &mut Outside,
    ) -> Result<(), String> {
        let Some(text) = text_of(value.get_ref()) else {
            let known = Setting::find(name).map_err(|message| self.wrong(at, &message))?;
            return Err(self.wrong(value, &format!("invalid value for '{}': {}", known.name, known.allowed())));
        };
        let origin = Origin::File { path: self.path.to_owned(), line: self.line(&at.span()) };
        to.put(name, &text, origin)
    }

    fn wrong<T>(&self, at: &Spanned<T>, what: &str) -> String {
        format!("{}:{}: {what}", self.path.display(), self.line(&at.span()))
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// A value as it is written on the command line, if it can be.
fn text_of<'a>(value: &'a DeValue<'_>) -> Option<Cow<'a, str>> {
    match value {
        DeValue::String(text) => Some(Cow::Borrowed(text.as_ref())),
        // Whatever base it is written in.
        DeValue::Integer(n) => Some(match i128::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Cow::Owned(n.to_string()),
            Err(_) => Cow::Borrowed(n.as_str()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn parse(text: &str, job: &str) -> Result<Settings, String> {
        let (mut outside, mut settings) = (Outside::default(), Settings::default());
        put(Path::new("a.toml"), text, Some(job), &mut outside)?;
        outside.apply(&mut settings);
        Ok(settings)
    }

    #[test]
    fn a_table_of_a_job_is_for_this_job() {
        let text = "buffer-timeout = \"1ms\"\nmemory = 65_536\n[job.a]\nbuffer-timeout = \"2ms\"\n[job.b]\nmemory = \"1MiB\"\n";
        let (a, b) = (parse(text, "a").expect("it is right"), parse(text, "b").expect("it is right"));
        assert_eq!((a.buffer_timeout.as_millis(), a.memory_bytes), (2, 65_536));
        assert_eq!((b.buffer_timeout.as_millis(), b.memory_bytes), (1, 1 << 20));
    }

    #[test]
    fn mistakes_are_found_with_their_lines() {
        for (text, message) in [
            ("parallelism = 2\nmemory = 1 2", "a.toml:2: "),
            ("\nmemry = 1", "a.toml:2: there is no setting `memry`; did you mean `memory`?"),
            ("memory = 1.5", "a.toml:1: invalid value for 'memory': a size from 1KiB"),
            ("[memry]", "a.toml:1: there is no setting `memry`"),
            ("# a\nmemory = \"big\"", "invalid value 'big' for 'memory' (a.toml:2): a size from 1KiB"),
            ("[job.other]\nparallelism = 0x0", "invalid value '0' for 'parallelism' (a.toml:2): a whole number from 1"),
            (
                "\n[checkpoint]\nintervall = \"1s\"",
                "a.toml:3: there is no setting `checkpoint.intervall`; did you mean `checkpoint.interval`?",
            ),
            (
                "checkpoint.retained = 0",
                "invalid value '0' for 'checkpoint.retained' (a.toml:1): a whole number from 1",
            ),
            ("checkpoint = 1", "a.toml:1: there is no setting `checkpoint`"),
            ("job = 1", "a.toml:1: `job` holds tables, as `[job.name]`"),
            ("job.a = 1", "a.toml:1: `job.a` is a table of settings"),
            ("cluster = 1", "a.toml:1: `cluster` is a table of settings, as `[cluster]`"),
            ("\n[cluster]\n\nslot = 1", "a.toml:4: there is no setting `slot` of a cluster; did you mean `slots`?"),
            ("cluster.port = 1.5", "a.toml:1: invalid value for 'cluster.port': a whole number from 0"),
            (
                "[cluster]\njobmanager = [\"a:1\", 2]",
                "invalid value 'a:1,2' for 'cluster.jobmanager' (a.toml:2): hosts",
            ),
        ] {
            let error = parse(text, "a").expect_err(text);
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_cluster_has_a_table_of_its_own() {
        let text = "memory = \"1GiB\"\n[cluster]\nport = 0x10\ninsecure = true\njobmanager = [\"a:1\", \"b:2\"]\nmemory = \"2MiB\"\n";
        assert_eq!(parse(text, "a").map(|settings| settings.memory_bytes), Ok(1 << 30));
        let mut given = ClusterGiven::default();
        put_cluster(Path::new("a.toml"), text, &mut given).expect("it is right");
        let settings = given.settings();
        assert_eq!((settings.port, settings.insecure, settings.memory_bytes), (16, true, 2 << 20));
        assert_eq!(settings.jobmanagers, ["a:1", "b:2"]);
    }

    #[test]
    fn a_table_may_stand_for_the_first_part_of_names() {
        for text in [
            "checkpoint.dir = \"a\"\ncheckpoint.retained = 9",
            "[checkpoint]\ndir = \"a\"\nretained = 9",
            "\"checkpoint.dir\" = \"a\"\n[job.a]\ncheckpoint.retained = 9",
            "checkpoint.dir = \"b\"\n[job.a.checkpoint]\ndir = \"a\"\nretained = 9",
        ] {
            let settings = parse(text, "a").expect(text);
            assert_eq!(
                (settings.checkpoints.dir, settings.checkpoints.retained),
                (Some(Path::new("a").into()), 9),
                "{text}"
            );
        }
    }

    #[test]
    fn every_key_may_stand_in_a_file() {
        for key in KEYS {
            let line = format!("{} = \"{}\"", key.name, key.show(&Settings::default()));
            assert_eq!(parse(&line, "a"), Ok(Settings::default()), "{line}");
        }
    }
}
