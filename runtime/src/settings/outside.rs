//! [`Outside`]: settings that were not written in the job but given to it: by file, environment and command line. They win over the job's code.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use millstream_core::key::LIMIT_MAX_PARALLELISM;

use super::{Setting, Settings, check_parallelism, key::KEYS, quotable};

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line in it, from 1.
        line: usize,
    },
    /// By an environment variable of this name.
    Variable(String),
    /// On the command line, by `-D key=value`.
    Define,
    /// On the command line, by `--key value`.
    Flag,
}

/// A setting that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The value as it was written.
    pub text: String,
    /// Where.
    pub origin: Origin,
}

/// Settings given from outside, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside(BTreeMap<&'static str, Given>);

impl Outside {
    /// Takes a setting; it replaces what was given before, so the weakest comes first.
    ///
    /// # Errors
    ///
    /// There is no such setting, or it may not have this value: names the setting, where it was given, and what is allowed.
    pub fn put(&mut self, name: &str, text: &str, origin: Origin) -> Result<(), String> {
        let key = Setting::find(name).map_err(|message| origin.locate(message))?;
        let given = Given { text: text.to_owned(), origin };
        key.set(&mut Settings::default(), text).map_err(|allowed| {
            format!("invalid value '{}' for {}: {allowed}", quotable(text), Subject(key, &given.origin))
        })?;
        self.0.insert(key.name, given);
        Ok(())
    }

    /// What was given for a key.
    pub fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// Puts what was given into settings.
    pub fn apply(&self, settings: &mut Settings) {
        for (key, given) in KEYS.iter().filter_map(|key| Some((key, self.get(key.name)?))) {
            key.set(settings, &given.text).expect("`put` has tried the value");
        }
        // The default is taken from the machine, and must not exceed a bound that was set for the job.
        if !self.0.contains_key("parallelism") && settings.parallelism == Settings::default().parallelism {
            settings.parallelism = settings.parallelism.min(settings.max_parallelism as usize);
        }
    }

    /// Checks what was given against the rest of a job's settings.
    ///
    /// # Errors
    ///
    /// Names the setting, where it was given, and what is allowed.
    pub fn check(&self, settings: &Settings) -> Result<(), String> {
        let Some(given) = self.get("parallelism") else { return Ok(()) };
        let max = settings.max_parallelism;
        check_parallelism(settings.parallelism, max).map_err(|_| {
            let key = Setting::find("parallelism").expect("it is in the table");
            let raise = if max < LIMIT_MAX_PARALLELISM {
                format!(" (`max-parallelism` raises the bound, up to {LIMIT_MAX_PARALLELISM})")
            } else {
                String::new()
            };
            let subject = Subject(key, &given.origin);
            format!("invalid value '{}' for {subject}: it is not from 1 to {max}{raise}", given.text)
        })
    }
}

/// A key as it was given, for messages.
struct Subject<'a>(&'a Setting, &'a Origin);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key, origin) = self;
        origin.name(f, key.name, &key.option(), key.value_name())
    }
}

impl Origin {
    /// Writes how a key was given.
    pub(super) fn name(&self, f: &mut fmt::Formatter<'_>, key: &str, option: &str, value: &str) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "'{key}' ({}:{line})", path.display()),
            Self::Variable(variable) => write!(f, "the environment variable '{variable}'"),
            Self::Define => write!(f, "'-D {key}'"),
            Self::Flag => write!(f, "'--{option} <{value}>'"),
        }
    }

    /// Puts in front of a message about a key that there is not where it was given.
    pub(super) fn locate(&self, message: String) -> String {
        match self {
            Self::File { path, line } => format!("{}:{line}: {message}", path.display()),
            Self::Variable(variable) => format!("the environment variable {variable}: {message}"),
            Self::Define | Self::Flag => message,
        }
    }
}

impl Given {
    /// Where it was given, in short: `--parallelism`, `-D memory`, `MILLSTREAM_MEMORY`, `millstream.toml:3`.
    pub fn origin_of(&self, key: &Setting) -> String {
        self.origin_by(key.name, &key.option())
    }

    pub(super) fn origin_by(&self, name: &str, option: &str) -> String {
        match &self.origin {
            Origin::File { path, line } => format!("{}:{line}", path.display()),
            Origin::Variable(variable) => variable.clone(),
            Origin::Define => format!("-D {name}"),
            Origin::Flag => format!("--{option}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_is_put_wins() {
        let mut outside = Outside::default();
        let file = Origin::File { path: "a.toml".into(), line: 3 };
        outside.put("buffer-timeout", "1ms", file).expect("it is allowed");
        outside.put("buffer-timeout", "2ms", Origin::Define).expect("it is allowed");
        let mut settings = Settings::default();
        outside.apply(&mut settings);
        assert_eq!(settings.buffer_timeout.as_millis(), 2);
    }

    #[test]
    fn mistakes_say_where_they_are() {
        let put = |name, text, origin| Outside::default().put(name, text, origin).expect_err("it is wrong");
        let file = || Origin::File { path: "a.toml".into(), line: 3 };
        assert!(
            put("memory", "much", file()).starts_with("invalid value 'much' for 'memory' (a.toml:3): a size from 1KiB")
        );
        assert!(put("mem", "1", file()).starts_with("a.toml:3: there is no setting `mem`"));
        let variable = Origin::Variable("MILLSTREAM_MEMORY".into());
        assert!(
            put("memory", "", variable)
                .starts_with("invalid value '' for the environment variable 'MILLSTREAM_MEMORY': ")
        );
        assert!(
            put("parallelism", "x", Origin::Define)
                .starts_with("invalid value 'x' for '-D parallelism': a whole number")
        );
        assert!(
            put("parallelism", "0", Origin::Flag)
                .starts_with("invalid value '0' for '--parallelism <N>': a whole number")
        );
    }

    #[test]
    fn a_parallelism_above_the_bound_is_blamed_on_who_gave_it() {
        let mut outside = Outside::default();
        outside.put("parallelism", "3", Origin::Define).expect("it is allowed");
        let mut settings = Settings { max_parallelism: 2, ..Settings::default() };
        outside.apply(&mut settings);
        assert_eq!(
            outside.check(&settings),
            Err("invalid value '3' for '-D parallelism': it is not from 1 to 2 (`max-parallelism` raises the bound, up to 32768)".into())
        );
        settings.max_parallelism = 3;
        assert_eq!(outside.check(&settings), Ok(()));
    }

    #[test]
    fn the_default_parallelism_gives_way_to_a_low_bound() {
        let mut settings = Settings { max_parallelism: 1, ..Settings::default() };
        Outside::default().apply(&mut settings);
        assert_eq!(settings.parallelism, 1);
    }
}
