//! The table of settings: one row says a key's name, its meaning, what it may be, and which field it sets. The command line, the environment
//! and files all read it, and `config` shows it.

use std::time::Duration;

use millstream_core::{buffer::LIMIT_MAX_RECORD_SIZE, key::LIMIT_MAX_PARALLELISM};

use super::{
    Settings,
    units::{parse_duration, parse_size, show_duration, show_size},
};

/// What environment variables that set a key begin with.
pub const VARIABLE_PREFIX: &str = "MILLSTREAM_";

/// A setting that can be given by name.
pub struct Setting {
    /// As in `-D name=value` and in files.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// True if the command line also has it as an option of its own, `--name`.
    pub shorthand: bool,
    /// The default in words, where it depends on the machine.
    default: Option<&'static str>,
    value: Value,
}

/// The kind of a value, its bounds (both may be reached), and its field.
enum Value {
    Count(Field<u64>),
    Duration(Field<Duration>),
    Size(Field<u64>),
}

struct Field<T> {
    from: T,
    to: T,
    get: fn(&Settings) -> T,
    set: fn(&mut Settings, T),
}

const DAY: Duration = Duration::from_secs(86_400);

/// All keys, in the order in which they are shown. A new setting is a field of [`Settings`], its default, and a row here.
pub static KEYS: &[Setting] = &[
    Setting {
        name: "parallelism",
        doc: "How many subtasks a chain has unless it says otherwise",
        shorthand: true,
        default: Some("the number of processors, at most 128"),
        value: Value::Count(Field {
            from: 1,
            to: LIMIT_MAX_PARALLELISM as u64,
            get: |settings| settings.parallelism as u64,
            set: |settings, n| settings.parallelism = n as usize,
        }),
    },
    Setting {
        name: "max-parallelism",
        doc: "How many key groups there are: the bound of the parallelism, for ever",
        shorthand: true,
        default: None,
        value: Value::Count(Field {
            from: 1,
            to: LIMIT_MAX_PARALLELISM as u64,
            get: |settings| settings.max_parallelism.into(),
            set: |settings, n| settings.max_parallelism = n as u32,
        }),
    },
    Setting {
        name: "buffer-timeout",
        doc: "How long a record may wait in a buffer that is not full",
        shorthand: true,
        default: None,
        value: Value::Duration(Field {
            from: Duration::ZERO,
            to: DAY,
            get: |settings| settings.buffer_timeout,
            set: |settings, time| settings.buffer_timeout = time,
        }),
    },
    Setting {
        name: "buffer-bytes",
        doc: "The size at which a buffer is sent",
        shorthand: false,
        default: None,
        value: Value::Size(Field {
            from: 1 << 10,
            to: 16 << 20,
            get: |settings| settings.buffer_bytes as u64,
            set: |settings, bytes| settings.buffer_bytes = bytes as usize,
        }),
    },
    Setting {
        name: "watermark-interval",
        doc: "How often watermarks are made",
        shorthand: true,
        default: None,
        value: Value::Duration(Field {
            from: Duration::from_millis(1),
            to: DAY,
            get: |settings| settings.watermark_interval,
            set: |settings, time| settings.watermark_interval = time,
        }),
    },
    Setting {
        name: "memory",
        doc: "The memory of the process for what is in flight, and for pre-aggregation",
        shorthand: false,
        default: None,
        value: Value::Size(Field {
            from: 1 << 10,
            to: 1 << 40,
            get: |settings| settings.memory_bytes as u64,
            set: |settings, bytes| settings.memory_bytes = bytes as usize,
        }),
    },
    Setting {
        name: "max-record-size",
        doc: "The largest record that may be moved",
        shorthand: false,
        default: None,
        value: Value::Size(Field {
            from: 1,
            to: LIMIT_MAX_RECORD_SIZE as u64,
            get: |settings| settings.max_record_size as u64,
            set: |settings, bytes| settings.max_record_size = bytes as usize,
        }),
    },
];

impl Setting {
    /// The key of a name.
    ///
    /// # Errors
    ///
    /// Names the nearest key, and all.
    pub fn find(name: &str) -> Result<&'static Setting, String> {
        KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
            let hint = nearest(name).map_or(String::new(), |key| format!("; did you mean `{}`?", key.name));
            let all: Vec<_> = KEYS.iter().map(|key| key.name).collect();
            format!("there is no setting `{name}`{hint}\nThe settings are: {}", all.join(", "))
        })
    }

    /// The kind of its values: `count`, `duration` or `size`.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Count(_) => "count",
            Value::Duration(_) => "duration",
            Value::Size(_) => "size",
        }
    }

    /// What stands for a value in help: `N`, `TIME` or `SIZE`.
    pub fn value_name(&self) -> &'static str {
        match self.value {
            Value::Count(_) => "N",
            Value::Duration(_) => "TIME",
            Value::Size(_) => "SIZE",
        }
    }

    /// What it may be, in words.
    pub fn allowed(&self) -> String {
        match &self.value {
            Value::Count(field) => format!("a whole number from {} to {} is expected", field.from, field.to),
            Value::Duration(field) => format!(
                "a duration from {} to {} is expected: a number with a unit (us, ms, s, min, h), as in `10ms`",
                show_duration(field.from),
                show_duration(field.to)
            ),
            Value::Size(field) => format!(
                "a size from {} to {} is expected: a number with a unit (B, KiB, MiB, GiB, kB, MB, GB), as in `64KiB`",
                show_size(field.from),
                show_size(field.to)
            ),
        }
    }

    /// The environment variable that sets it: `MILLSTREAM_BUFFER_TIMEOUT`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Its default, for people: a value, or words where it depends on the machine.
    pub fn default_text(&self) -> String {
        self.default.map_or_else(|| self.show(&Settings::default()), str::to_owned)
    }

    /// Its value, as it may be written.
    pub fn show(&self, settings: &Settings) -> String {
        match &self.value {
            Value::Count(field) => (field.get)(settings).to_string(),
            Value::Duration(field) => show_duration((field.get)(settings)),
            Value::Size(field) => show_size((field.get)(settings)),
        }
    }

    /// Sets it.
    ///
    /// # Errors
    ///
    /// What is allowed.
    pub fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        match &self.value {
            Value::Count(field) => field.set(settings, text.trim().parse().ok()),
            Value::Duration(field) => field.set(settings, parse_duration(text)),
            Value::Size(field) => field.set(settings, parse_size(text)),
        }
        .ok_or_else(|| self.allowed())
    }

    /// True if a job can run with the value. (Whether it goes with the others is [`Settings::check`]'s to say.) Durations are bounded only where
    /// they are given by name: odd ones harm nothing, and tests in virtual time want them.
    pub(super) fn is_sound(&self, settings: &Settings) -> bool {
        match &self.value {
            Value::Count(field) | Value::Size(field) => field.holds(&(field.get)(settings)),
            Value::Duration(_) => true,
        }
    }
}

impl<T: PartialOrd> Field<T> {
    fn holds(&self, value: &T) -> bool {
        (&self.from..=&self.to).contains(&value)
    }

    fn set(&self, settings: &mut Settings, value: Option<T>) -> Option<()> {
        let value = value.filter(|value| self.holds(value))?;
        (self.set)(settings, value);
        Some(())
    }
}

/// The key that was probably meant, if one is near.
pub fn nearest(name: &str) -> Option<&'static Setting> {
    let name = name.to_lowercase().replace('_', "-");
    let distances = KEYS.iter().map(|key| (edits(&name, key.name), key));
    let (edits, key) = distances.min_by_key(|(edits, _)| *edits)?;
    (edits <= key.name.len() / 3).then_some(key)
}

/// How many characters have to be put in, left out or replaced to get from one text to the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[to.chars().count()]
}

#[cfg(test)]
mod tests {
    use millstream_core::key::DEFAULT_MAX_PARALLELISM;

    use super::*;

    #[test]
    fn every_key_reads_what_it_shows_and_the_default_is_sound() {
        let default = Settings::default();
        for key in KEYS {
            let mut settings = default.clone();
            assert_eq!(key.set(&mut settings, &key.show(&default)), Ok(()), "{}", key.name);
            assert_eq!(settings, default, "{}", key.name);
            assert!(key.is_sound(&default), "{}", key.name);
            assert!(key.set(&mut settings, "nonsense").is_err(), "{}", key.name);
        }
    }

    #[test]
    fn every_key_sets_a_field_of_its_own() {
        for key in KEYS {
            let mut settings = Settings::default();
            let other = match key.kind() {
                "count" => "97",
                "duration" => "1234ms",
                _ => "1234B",
            };
            key.set(&mut settings, other).expect("the value is allowed for all keys of its kind");
            for shown in KEYS {
                let expected = if shown.name == key.name { other.to_owned() } else { shown.show(&Settings::default()) };
                assert_eq!(shown.show(&settings), expected, "{} after {}", shown.name, key.name);
            }
        }
    }

    #[test]
    fn bounds_may_be_reached_and_not_passed() {
        let mut settings = Settings::default();
        let mut set = |name: &str, text: &str| Setting::find(name).and_then(|key| key.set(&mut settings, text)).is_ok();
        assert!(set("buffer-bytes", "1KiB") && set("buffer-bytes", "16MiB"));
        assert!(!set("buffer-bytes", "1023B") && !set("buffer-bytes", "16777217"));
        assert!(set("parallelism", "32768") && !set("parallelism", "32769") && !set("parallelism", "0"));
        assert!(set("watermark-interval", "1ms") && !set("watermark-interval", "999us"));
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest_and_all() {
        let message = Setting::find("paralelism").err().unwrap_or_default();
        assert!(message.starts_with("there is no setting `paralelism`; did you mean `parallelism`?\n"), "{message}");
        assert!(message.ends_with("watermark-interval, memory, max-record-size"), "{message}");
        assert!(
            Setting::find("colour").err().is_some_and(|message| message.starts_with("there is no setting `colour`\n"))
        );
        assert_eq!(nearest("BUFFER_TIMOUT").map(|key| key.name), Some("buffer-timeout"));
    }

    #[test]
    fn a_default_in_words_is_true() {
        let words: Vec<_> = KEYS.iter().filter_map(|key| Some((key.name, key.default?))).collect();
        assert_eq!(words, [("parallelism", "the number of processors, at most 128")]);
        assert_eq!(DEFAULT_MAX_PARALLELISM, 128);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!([edits("", "abc"), edits("abc", "abc"), edits("kitten", "sitting")], [3, 0, 3]);
    }
}
