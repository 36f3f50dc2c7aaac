//! The kinds of values that settings have: how each is read, bounded and shown.

use std::{fmt::Display, path::PathBuf, time::Duration};

use millstream_state::location::{ALLOWED, Location, LocationError};

use crate::{
    restart,
    settings::{
        Settings,
        state::BACKEND_ALLOWED,
        units::{parse_duration, parse_size, show_duration, show_size},
    },
};

/// How a location, or a strategy, that is not given is written.
const NONE: &str = "none";
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

/// With less than this a state could hardly hold what it works on.
const STATE_MEMORY_MIN_BYTES: u64 = 1 << 10;
const STATE_MEMORY_ALLOWED: &str = "a size of at least 1KiB is expected, or `auto` (half of `memory`)";
const STATE_DIR_ALLOWED: &str =
    "a directory of this machine is expected, or `auto` (`./auto` is a directory of this name)";

impl Text<Settings> {
    pub(super) const CHECKPOINT_DIR: Self = Self {
        kind: "location",
        name: "LOCATION",
        allowed: ALLOWED,
        get: |settings| show_option(settings.checkpoints.dir.as_ref()),
        set: |settings, text| {
            settings.checkpoints.dir = parse_location(text)?;
            Ok(())
        },
    };

    pub(super) const SAVEPOINT_DIR: Self = Self {
        kind: "location",
        name: "LOCATION",
        allowed: ALLOWED,
        get: |settings| show_option(settings.checkpoints.savepoints.as_ref()),
        set: |settings, text| parse_location(text).map(|location| settings.checkpoints.savepoints = location),
    };

    pub(super) const SAVEPOINT_FROM: Self = Self {
        kind: "location",
        name: "LOCATION",
        allowed: ALLOWED,
        get: |settings| show_option(settings.checkpoints.from.as_ref()),
        set: |settings, text| parse_location(text).map(|location| settings.checkpoints.from = location),
    };

    pub(super) const OBJECT_STORE_ENDPOINT: Self = Self {
        kind: "url",
        name: "URL",
        allowed: ENDPOINT_ALLOWED,
        get: |settings| show_option(settings.checkpoints.object_store.endpoint.as_ref()),
        set: |settings, text| {
            settings.checkpoints.object_store.endpoint = parse_endpoint(text)?;
            Ok(())
        },
    };

    pub(super) const OBJECT_STORE_REGION: Self = Self {
        kind: "text",
        name: "REGION",
        allowed: REGION_ALLOWED,
        get: |settings| show_option(settings.checkpoints.object_store.region.as_ref()),
        set: |settings, text| {
            settings.checkpoints.object_store.region = parse_region(text)?;
            Ok(())
        },
    };

    pub(super) const STATE_BACKEND: Self = Self {
        kind: "backend",
        name: "BACKEND",
        allowed: BACKEND_ALLOWED,
        get: |settings| settings.state.backend.to_string(),
        set: |settings, text| {
            settings.state.backend = text.trim().parse()?;
            Ok(())
        },
    };

    pub(super) const STATE_MEMORY: Self = Self {
        kind: "size",
        name: "SIZE",
        allowed: STATE_MEMORY_ALLOWED,
        get: |settings| settings.state.memory_bytes.map_or_else(|| AUTO.to_owned(), |bytes| show_size(bytes as u64)),
        set: |settings, text| {
            settings.state.memory_bytes = match text.trim() {
                AUTO => None,
                size => match parse_size(size) {
                    Some(bytes) if bytes >= STATE_MEMORY_MIN_BYTES => Some(bytes as usize),
                    _ => return Err(STATE_MEMORY_ALLOWED.to_owned()),
                },
            };
            Ok(())
        },
    };

    pub(super) const STATE_DIR: Self = Self {
        kind: "path",
        name: "DIR",
        allowed: STATE_DIR_ALLOWED,
        get: |settings| settings.state.dir.as_ref().map_or_else(|| AUTO.to_owned(), |dir| dir.display().to_string()),
        set: |settings, text| {
            settings.state.dir = match text {
                AUTO => None,
                "" => return Err(STATE_DIR_ALLOWED.to_owned()),
                _ if text.contains("://") => return Err(STATE_DIR_ALLOWED.to_owned()),
                _ => Some(PathBuf::from(text)),
            };
            Ok(())
        },
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

/// Reads a location; `none` stands for nowhere, and `./none` for a directory of this name.
pub(in crate::settings) fn parse_location(text: &str) -> Result<Option<Location>, String> {
    match text {
        NONE => Ok(None),
        text => text.parse().map(Some).map_err(|error: LocationError| error.to_string()),
    }
}

pub(in crate::settings) const ENDPOINT_ALLOWED: &str =
    "the URL of a server is expected, as in `https://minio.example:9000`, or `none` for the service's own";
pub(in crate::settings) const REGION_ALLOWED: &str =
    "the name of a region is expected, as in `eu-central-1`, or `none` for that of the environment";

/// Reads the URL of a server; `none` stands for the service's own.
pub(in crate::settings) fn parse_endpoint(text: &str) -> Result<Option<String>, String> {
    if text == NONE {
        return Ok(None);
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_sound = |rest: &str| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']) && !rest.starts_with('/');
    match rest.is_some_and(is_sound) {
        true => Ok(Some(text.trim_end_matches('/').to_owned())),
        false => Err(ENDPOINT_ALLOWED.to_owned()),
    }
}

/// Reads the name of a region; `none` stands for that of the environment.
pub(in crate::settings) fn parse_region(text: &str) -> Result<Option<String>, String> {
    match text {
        NONE => Ok(None),
        _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            Ok(Some(text.to_owned()))
        }
        _ => Err(REGION_ALLOWED.to_owned()),
    }
}

pub(in crate::settings) fn show_option(value: Option<&impl Display>) -> String {
    value.map_or_else(|| NONE.to_owned(), ToString::to_string)
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
