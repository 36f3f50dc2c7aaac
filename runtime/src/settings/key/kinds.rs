//! The kinds of values that settings have: how each is read, bounded and shown.

use std::{path::PathBuf, time::Duration};

use millstream_state::location::{self, Location, LocationError};

use crate::{
    restart,
    settings::{
        Settings,
        units::{parse_duration, parse_size, show_duration, show_size},
    },
};

/// How a directory of checkpoints, or a strategy, that is not given is written.
const NO_DIR: &str = "none";
const AUTO: &str = "auto";

/// The kind of a value, its bounds (both may be reached), and its field.
pub(in crate::settings) enum Value<S> {
    Count(Field<S, u64>),
    Duration(Field<S, Duration>),
    Size(Field<S, u64>),
    Switch(Switch<S>),
    Text(Text<S>),
}

/// A number.
pub(in crate::settings) struct Field<S, T> {
    pub(in crate::settings) from: T,
    pub(in crate::settings) to: T,
    pub(in crate::settings) get: fn(&S) -> T,
    pub(in crate::settings) set: fn(&mut S, T),
}

/// What is or is not.
pub(in crate::settings) struct Switch<S> {
    pub(in crate::settings) get: fn(&S) -> bool,
    pub(in crate::settings) set: fn(&mut S, bool),
}

/// What is written in a form of its own.
pub(in crate::settings) struct Text<S> {
    pub(in crate::settings) kind: &'static str,
    pub(in crate::settings) name: &'static str,
    pub(in crate::settings) allowed: &'static str,
    pub(in crate::settings) get: fn(&S) -> String,
    /// The error says what is wrong, or what is allowed.
    pub(in crate::settings) set: fn(&mut S, &str) -> Result<(), String>,
}

const DIR_ALLOWED: &str = "a directory of this machine is expected, or `none` (`./none` is a directory of this name)";

fn shown_dir(dir: Option<&PathBuf>) -> String {
    dir.map_or_else(|| NO_DIR.to_owned(), |dir| dir.display().to_string())
}

fn read_dir(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        NO_DIR => Ok(None),
        // An address would otherwise become a directory of a strange name.
        "" => Err(DIR_ALLOWED.to_owned()),
        _ if text.contains("://") => Err(DIR_ALLOWED.to_owned()),
        _ => Ok(Some(PathBuf::from(text))),
    }
}

fn shown_location(location: Option<&Location>) -> String {
    location.map_or_else(|| NO_DIR.to_owned(), Location::to_string)
}

fn read_location(text: &str) -> Result<Option<Location>, String> {
    match text {
        NO_DIR => Ok(None),
        _ => text.parse().map(Some).map_err(|error: LocationError| error.to_string()),
    }
}

impl Text<Settings> {
    pub(super) const CHECKPOINT_DIR: Self = Self {
        kind: "path",
        name: "DIR",
        allowed: DIR_ALLOWED,
        get: |settings| shown_dir(settings.checkpoints.dir.as_ref()),
        set: |settings, text| read_dir(text).map(|dir| settings.checkpoints.dir = dir),
    };

    pub(super) const SAVEPOINT_DIR: Self = Self {
        kind: "path",
        name: "LOCATION",
        allowed: location::ALLOWED,
        get: |settings| shown_location(settings.checkpoints.savepoints.as_ref()),
        set: |settings, text| read_location(text).map(|location| settings.checkpoints.savepoints = location),
    };

    pub(super) const SAVEPOINT_FROM: Self = Self {
        kind: "path",
        name: "LOCATION",
        allowed: location::ALLOWED,
        get: |settings| shown_location(settings.checkpoints.from.as_ref()),
        set: |settings, text| read_location(text).map(|location| settings.checkpoints.from = location),
    };

    pub(super) const RESTART: Self = Self {
        kind: "strategy",
        name: "STRATEGY",
        allowed: restart::ALLOWED,
        get: |settings| settings.restart.as_ref().map_or_else(|| AUTO.to_owned(), ToString::to_string),
        set: |settings, text| {
            settings.restart = match text.trim() {
                AUTO => None,
                text => Some(text.parse()?),
            };
            Ok(())
        },
    };
}

impl<S> Value<S> {
    pub(in crate::settings) fn kind(&self) -> &'static str {
        match self {
            Self::Count(_) => "count",
            Self::Duration(_) => "duration",
            Self::Size(_) => "size",
            Self::Switch(_) => "switch",
            Self::Text(text) => text.kind,
        }
    }

    /// What stands for it in help.
    pub(in crate::settings) fn name(&self) -> &'static str {
        match self {
            Self::Count(_) => "N",
            Self::Duration(_) => "TIME",
            Self::Size(_) => "SIZE",
            Self::Switch(_) => "BOOL",
            Self::Text(text) => text.name,
        }
    }

    pub(in crate::settings) fn allowed(&self) -> String {
        match self {
            Self::Count(field) => format!("a whole number from {} to {} is expected", field.from, field.to),
            Self::Duration(field) => format!(
                "a duration from {} to {} is expected: a number with a unit (us, ms, s, min, h), as in `10ms`",
                show_duration(field.from),
                show_duration(field.to)
            ),
            Self::Size(field) => format!(
                "a size from {} to {} is expected: a number with a unit (B, KiB, MiB, GiB, kB, MB, GB), as in `64KiB`",
                show_size(field.from),
                show_size(field.to)
            ),
            Self::Switch(_) => "true or false is expected".to_owned(),
            Self::Text(text) => text.allowed.to_owned(),
        }
    }

    pub(in crate::settings) fn show(&self, settings: &S) -> String {
        match self {
            Self::Count(field) => (field.get)(settings).to_string(),
            Self::Duration(field) => show_duration((field.get)(settings)),
            Self::Size(field) => show_size((field.get)(settings)),
            Self::Switch(switch) => (switch.get)(settings).to_string(),
            Self::Text(text) => (text.get)(settings),
        }
    }

    pub(in crate::settings) fn set(&self, settings: &mut S, text: &str) -> Result<(), String> {
        match self {
            Self::Count(field) => field.set(settings, text.trim().parse().ok()),
            Self::Duration(field) => field.set(settings, parse_duration(text)),
            Self::Size(field) => field.set(settings, parse_size(text)),
            Self::Switch(switch) => text.trim().parse().ok().map(|is| (switch.set)(settings, is)),
            Self::Text(of_text) => return (of_text.set)(settings, text),
        }
        .ok_or_else(|| self.allowed())
    }

    pub(super) fn is_sound(&self, settings: &S) -> bool {
        match self {
            Self::Count(field) | Self::Size(field) => field.holds(&(field.get)(settings)),
            Self::Duration(_) | Self::Switch(_) | Self::Text(_) => true,
        }
    }
}

impl<S, T: PartialOrd> Field<S, T> {
    fn holds(&self, value: &T) -> bool {
        (&self.from..=&self.to).contains(&value)
    }

    fn set(&self, settings: &mut S, value: Option<T>) -> Option<()> {
        let value = value.filter(|value| self.holds(value))?;
        (self.set)(settings, value);
        Some(())
    }
}
