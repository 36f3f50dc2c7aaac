//! The table of settings: one row says a key's name, its meaning, what it may be, and which field it sets. The command line, the environment
//! and files all read it, and `config` shows it.

pub(super) mod kinds;

#[cfg(test)]
mod tests;

use std::time::Duration;

use millstream_core::{buffer::LIMIT_MAX_RECORD_SIZE, key::LIMIT_MAX_PARALLELISM};

use self::kinds::{Field, Switch, Text, Value};
use super::Settings;

/// What environment variables that set a key begin with.
pub const VARIABLE_PREFIX: &str = "MILLSTREAM_";

/// A setting that can be given by name.
pub struct Setting {
    /// As in `-D name=value` and in files.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// True if the command line also has it as an [option](Self::option) of its own.
    pub shorthand: bool,
    /// True if it may be set while a job runs.
    pub live: bool,
    /// The default in words, where it depends on the machine.
    default: Option<&'static str>,
    value: Value<Settings>,
}

const DAY: Duration = Duration::from_secs(86_400);
/// The most checkpoints that are kept.
const RETAINED_LIMIT: u64 = 1_000;

/// All keys, in the order in which they are shown. A new setting is a field of [`Settings`], its default, and a row here.
pub static KEYS: &[Setting] = &[
    Setting {
        name: "parallelism",
        doc: "How many subtasks a chain has unless it says otherwise",
        shorthand: true,
        live: false,
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
        live: false,
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
        live: false,
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
        live: false,
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
        live: false,
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
        doc: "The memory of the process for what is in flight (a quarter), for keyed state (half), and for pre-aggregation (an eighth)",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Size(Field {
            from: 1 << 10,
            to: 1 << 40,
            get: |settings| settings.memory_bytes as u64,
            set: |settings, bytes| settings.memory_bytes = bytes as usize,
        }),
    },
    Setting {
        name: "state.backend",
        doc: "Where keyed state is held: memory (and files once that is used up), or redb (files, with what is in use in memory)",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Text(Text::STATE_BACKEND),
    },
    Setting {
        name: "state.memory",
        doc: "How much memory keyed state may take; rows that have no room there lie in files",
        shorthand: false,
        live: false,
        default: Some("half of memory"),
        value: Value::Text(Text::STATE_MEMORY),
    },
    Setting {
        name: "state.dir",
        doc: "Where the files of keyed state lie; nothing in them outlives the process",
        shorthand: false,
        live: false,
        default: Some("the directory for temporary files"),
        value: Value::Text(Text::STATE_DIR),
    },
    Setting {
        name: "max-record-size",
        doc: "The largest record that may be moved",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Size(Field {
            from: 1,
            to: LIMIT_MAX_RECORD_SIZE as u64,
            get: |settings| settings.max_record_size as u64,
            set: |settings, bytes| settings.max_record_size = bytes as usize,
        }),
    },
    Setting {
        name: "checkpoint.dir",
        doc: "Where checkpoints are kept, a directory or the URL of an object store, none for nowhere; a job goes on from the last one there",
        shorthand: true,
        live: false,
        default: None,
        value: Value::Text(Text::CHECKPOINT_DIR),
    },
    Setting {
        name: "checkpoint.interval",
        doc: "The time from the start of one checkpoint to that of the next",
        shorthand: true,
        live: true,
        default: None,
        value: Value::Duration(Field {
            from: Duration::from_millis(1),
            to: DAY,
            get: |settings| settings.checkpoints.interval,
            set: |settings, time| settings.checkpoints.interval = time,
        }),
    },
    Setting {
        name: "checkpoint.min-pause",
        doc: "The least time from the end of one checkpoint to the start of the next",
        shorthand: false,
        live: true,
        default: None,
        value: Value::Duration(Field {
            from: Duration::ZERO,
            to: DAY,
            get: |settings| settings.checkpoints.min_pause,
            set: |settings, time| settings.checkpoints.min_pause = time,
        }),
    },
    Setting {
        name: "checkpoint.timeout",
        doc: "A checkpoint that takes longer has failed",
        shorthand: false,
        live: true,
        default: None,
        value: Value::Duration(Field {
            from: Duration::from_millis(1),
            to: DAY,
            get: |settings| settings.checkpoints.timeout,
            set: |settings, time| settings.checkpoints.timeout = time,
        }),
    },
    Setting {
        name: "checkpoint.alignment-timeout",
        doc: "After so long a checkpoint's barriers overtake records, which become part of it; 0s for never",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Duration(Field {
            from: Duration::ZERO,
            to: DAY,
            get: |settings| settings.checkpoints.alignment_timeout,
            set: |settings, time| settings.checkpoints.alignment_timeout = time,
        }),
    },
    Setting {
        name: "checkpoint.tolerated-failures",
        doc: "How many checkpoints in a row may fail; one more fails the job",
        shorthand: false,
        live: true,
        default: None,
        value: Value::Count(Field {
            from: 0,
            to: u32::MAX as u64,
            get: |settings| settings.checkpoints.tolerated_failures.into(),
            set: |settings, n| settings.checkpoints.tolerated_failures = n as u32,
        }),
    },
    Setting {
        name: "checkpoint.retained",
        doc: "How many checkpoints are kept",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Count(Field {
            from: 1,
            to: RETAINED_LIMIT,
            get: |settings| settings.checkpoints.retained.into(),
            set: |settings, n| settings.checkpoints.retained = n as u32,
        }),
    },
    Setting {
        name: "savepoint.dir",
        doc: "Where savepoints go unless the command says so, each into a directory of its own",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Text(Text::SAVEPOINT_DIR),
    },
    Setting {
        name: "savepoint.from",
        doc: "The savepoint that the job begins with (`--from`), unless it has made checkpoints since it did",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Text(Text::SAVEPOINT_FROM),
    },
    Setting {
        name: "savepoint.allow-dropped-state",
        doc: "Whether state in the savepoint that the job has no operator for may be dropped (`--allow-dropped-state`)",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Switch(Switch {
            get: |settings| settings.checkpoints.allow_dropped_state,
            set: |settings, allowed| settings.checkpoints.allow_dropped_state = allowed,
        }),
    },
    Setting {
        name: "savepoint.rewind",
        doc: "Whether sinks take back what the job has put out since the savepoint that it begins with (`--rewind`)",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Switch(Switch {
            get: |settings| settings.checkpoints.rewind,
            set: |settings, rewind| settings.checkpoints.rewind = rewind,
        }),
    },
    Setting {
        name: "object-store.endpoint",
        doc: "The server of an object store, none for what the environment says, or the service's own",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Text(Text::OBJECT_STORE_ENDPOINT),
    },
    Setting {
        name: "object-store.region",
        doc: "The region of buckets in S3, none for what the environment says",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Text(Text::OBJECT_STORE_REGION),
    },
    Setting {
        name: "object-store.allow-http",
        doc: "The object store may be reached without TLS though it is on another machine",
        shorthand: false,
        live: false,
        default: None,
        value: Value::Switch(Switch {
            get: |settings| settings.checkpoints.object_store.allow_http,
            set: |settings, allow| settings.checkpoints.object_store.allow_http = allow,
        }),
    },
    Setting {
        name: "restart",
        doc: "Whether a job that failed starts again: auto (with checkpoints), none, exponential-delay, fixed-delay(3, 10s), failure-rate(3 per 5min, 10s)",
        shorthand: false,
        live: false,
        default: Some("auto: exponential-delay with checkpoints, none without"),
        value: Value::Text(Text::RESTART),
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

    /// The kind of its values: `count`, `duration`, `size`, `switch`, `location`, `url`, `text` or `strategy`.
    pub fn kind(&self) -> &'static str {
        self.value.kind()
    }

    /// What stands for a value in help: `N`, `TIME`, `SIZE`, `BOOL`, `LOCATION`, `URL`, `REGION` or `STRATEGY`.
    pub fn value_name(&self) -> &'static str {
        self.value.name()
    }

    /// What it may be, in words.
    pub fn allowed(&self) -> String {
        self.value.allowed()
    }

    /// The environment variable that sets it: `MILLSTREAM_BUFFER_TIMEOUT`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_uppercase().replace(['-', '.'], "_"))
    }

    /// The option of the command line that sets it, without the dashes, if it has one: `checkpoint-dir`.
    pub fn option(&self) -> String {
        self.name.replace('.', "-")
    }

    /// Its default, for people: a value, or words where it depends on the machine or other settings.
    pub fn default_text(&self) -> String {
        self.default.map_or_else(|| self.show(&Settings::default()), str::to_owned)
    }

    /// Its value, as it may be written.
    pub fn show(&self, settings: &Settings) -> String {
        self.value.show(settings)
    }

    /// Sets it.
    ///
    /// # Errors
    ///
    /// What is allowed.
    pub fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        self.value.set(settings, text)
    }

    /// True if a job can run with the value. (Whether it goes with the others is [`Settings::check`]'s to say.) Durations are bounded only where
    /// they are given by name: odd ones harm nothing, and tests in virtual time want them.
    pub(super) fn is_sound(&self, settings: &Settings) -> bool {
        self.value.is_sound(settings)
    }
}

/// The key that was probably meant, if one is near.
pub fn nearest(name: &str) -> Option<&'static Setting> {
    nearest_of(name, KEYS, |key| key.name)
}

/// The key of a table that was probably meant, if one is near.
pub(super) fn nearest_of<'a, K>(name: &str, keys: &'a [K], name_of: fn(&K) -> &'static str) -> Option<&'a K> {
    let name = name.to_lowercase().replace('_', "-");
    let distances = keys.iter().map(|key| (edits(&name, name_of(key)), key));
    let (edits, key) = distances.min_by_key(|(edits, _)| *edits)?;
    (edits <= name_of(key).len() / 3).then_some(key)
}

/// How many characters have to be put in, left out or replaced to get from one text to the other.
pub(crate) fn edits(from: &str, to: &str) -> usize {
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
