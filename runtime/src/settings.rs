//! [`Settings`]: what may be set for a job, with defaults and bounds; [`KEYS`] is the table of names by which they are given from outside.

mod checkpoints;
pub(crate) mod cluster;
mod key;
mod outside;
mod state;
mod units;

use std::{borrow::Cow, time::Duration};

use millstream_core::{
    buffer::DEFAULT_MAX_RECORD_SIZE,
    key::{DEFAULT_MAX_PARALLELISM, LIMIT_MAX_PARALLELISM},
};

use crate::restart::RestartStrategy;

#[cfg(feature = "time-zones")]
pub(crate) use self::key::edits;
pub(crate) use self::units::{parse_duration, show_duration, show_size};
pub use self::{
    checkpoints::CheckpointSettings,
    key::{KEYS, Setting, VARIABLE_PREFIX, nearest},
    outside::{Given, Origin, Outside},
    state::{StateBackend, StateSettings},
};
pub use millstream_state::{location::Location, remote::ObjectStoreSettings};

/// The smallest credit that a channel works with, in bytes.
pub const CHANNEL_CREDIT_MIN_BYTES: usize = 2 << 10;
/// The largest credit that a channel gets, however much memory there is: more only adds latency.
pub const CHANNEL_CREDIT_MAX_BYTES: usize = 512 << 10;

/// What may be set for a job. Fields are public; [`Settings::check`] is called before a job is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many subtasks a chain has unless it says otherwise. Default: the number of processors, at most 128.
    pub parallelism: usize,
    /// How many key groups a job has, and with it the bound of `parallelism` for ever. Default 128, at most 32,768.
    pub max_parallelism: u32,
    /// The size at which a buffer is sent, in bytes. Buffers start small and grow up to this as a channel earns it. Default 32 KiB.
    pub buffer_bytes: usize,
    /// How long a record may wait in a buffer that is not full. Default 10 ms. (It does not wait at all while the receiver is idle.)
    pub buffer_timeout: Duration,
    /// The largest record that may be moved, in bytes. Default 16 MiB.
    pub max_record_size: usize,
    /// How often watermarks are made. Default 200 ms.
    pub watermark_interval: Duration,
    /// The memory of a process for what is in flight, state, pre-aggregation and so on, in bytes. Default 256 MiB; split by [`Settings::network_bytes`],
    /// [`Settings::state_bytes`] and [`Settings::preaggregation_bytes`].
    pub memory_bytes: usize,
    /// Where keyed state is held.
    pub state: StateSettings,
    /// Whether, where and how often checkpoints are made.
    pub checkpoints: CheckpointSettings,
    /// Whether a job that failed is started again. Default: [`RestartStrategy::EXPONENTIAL_DELAY`] for a job with checkpoints, otherwise
    /// [`RestartStrategy::None`].
    pub restart: Option<RestartStrategy>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallelism: std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(DEFAULT_MAX_PARALLELISM as usize),
            max_parallelism: DEFAULT_MAX_PARALLELISM,
            buffer_bytes: 32 << 10,
            buffer_timeout: Duration::from_millis(10),
            max_record_size: DEFAULT_MAX_RECORD_SIZE,
            watermark_interval: Duration::from_millis(200),
            memory_bytes: 256 << 20,
            state: StateSettings::default(),
            checkpoints: CheckpointSettings::default(),
            restart: None,
        }
    }
}

impl Settings {
    /// Sets a setting by its key, from a value as it is written on the command line: `("buffer-timeout", "5ms")`. [`KEYS`] has all keys.
    ///
    /// ```
    /// # use millstream_runtime::settings::Settings;
    /// let mut settings = Settings::default();
    /// settings.set("memory", "64MiB")?;
    /// assert_eq!(settings.memory_bytes, 64 << 20);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such key, or it may not have this value; says what is allowed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let key = Setting::find(key)?;
        key.set(self, value)
            .map_err(|allowed| format!("invalid value '{}' for '{}': {allowed}", quotable(value), key.name))
    }

    /// As [`Settings::set`], for a job that runs: only what is [live](Setting::live) may change.
    ///
    /// # Errors
    ///
    /// As for [`Settings::set`], or the setting cannot change while a job runs; names those that can.
    pub fn set_while_running(&mut self, key: &str, value: &str) -> Result<(), String> {
        let setting = Setting::find(key)?;
        if !setting.live {
            let live = KEYS.iter().filter(|key| key.live).map(|key| key.name).collect::<Vec<_>>().join(", ");
            return Err(format!("'{}' cannot change while the job runs; these can: {live}", setting.name));
        }
        self.set(key, value)
    }

    /// The share of the memory for buffers in flight: a quarter. When a channel's part of it is used up, its sender waits.
    pub fn network_bytes(&self) -> usize {
        self.memory_bytes / 4
    }

    /// The share of the memory for keyed state: half, unless it is said. Each keyed state of each subtask in the process has an even part of it, and beyond that what the
    /// others leave; rows that have no room there lie in files.
    pub fn state_bytes(&self) -> usize {
        self.state.memory_bytes.unwrap_or(self.memory_bytes / 2)
    }

    /// The share of the memory for pre-aggregation tables: an eighth. When a sender's part of it is full, the table is sent.
    pub fn preaggregation_bytes(&self) -> usize {
        self.memory_bytes / 8
    }

    /// Checks every bound.
    ///
    /// # Errors
    ///
    /// Names the setting and what it may be.
    pub fn check(&self) -> Result<(), String> {
        check_max_parallelism(self.max_parallelism)?;
        check_parallelism(self.parallelism, self.max_parallelism)?;
        match KEYS.iter().find(|key| !key.is_sound(self)) {
            Some(key) => Err(format!("{} {}: {}", key.name, key.show(self), key.allowed())),
            None => Ok(()),
        }
    }
}

/// A value as it may be repeated in a message: without what stands in front of the host of a URL, which may be a secret.
pub(crate) fn quotable(value: &str) -> Cow<'_, str> {
    match value.contains("://").then(|| value.rsplit_once('@')).flatten() {
        Some((_, rest)) => Cow::Owned(format!("..@{rest}")),
        None => Cow::Borrowed(value),
    }
}

/// Checks a number of key groups.
pub(crate) fn check_max_parallelism(max_parallelism: u32) -> Result<(), String> {
    if max_parallelism == 0 || max_parallelism > LIMIT_MAX_PARALLELISM {
        return Err(format!("max_parallelism {max_parallelism} is not from 1 to {LIMIT_MAX_PARALLELISM}"));
    }
    Ok(())
}

/// Checks a parallelism against the number of key groups.
pub(crate) fn check_parallelism(parallelism: usize, max_parallelism: u32) -> Result<(), String> {
    if parallelism == 0 || parallelism > max_parallelism as usize {
        return Err(format!(
            "parallelism {parallelism} is not from 1 to {max_parallelism}: choose one in between, or raise max_parallelism (at most {LIMIT_MAX_PARALLELISM})"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_against_the_table_and_each_other() {
        let check = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().err().unwrap_or_default()
        };
        assert_eq!(check(|_| {}), "");
        assert_eq!(check(|settings| settings.watermark_interval = Duration::from_nanos(1)), "");
        let message = check(|settings| settings.buffer_bytes = 1);
        assert!(message.starts_with("buffer-bytes 1B: a size from 1KiB to 16MiB is expected"), "{message}");
        let message = check(|settings| settings.max_parallelism = 0);
        assert!(message.starts_with("max_parallelism 0 is not from 1 to 32768"), "{message}");
        let message = check(|settings| (settings.parallelism, settings.max_parallelism) = (3, 2));
        assert!(message.starts_with("parallelism 3 is not from 1 to 2"), "{message}");
    }
}
