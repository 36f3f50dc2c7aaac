//! [`Grid`]: moments at equal distances, to which windows are aligned.

use std::time::Duration;

use crate::settings::show_duration;

/// The moments `offset + n * step`, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// At least 1, or 0 for windows without size, with which no job starts.
    pub(crate) step_ms: i64,
    pub(crate) offset_ms: i64,
}

impl Grid {
    pub(crate) fn new(step: Duration) -> Self {
        Self { step_ms: millis(step), offset_ms: 0 }
    }

    /// The last of the moments at or before `at`.
    #[inline(always)]
    pub(crate) fn floor(self, at: i64) -> i64 {
        at.saturating_sub(at.saturating_sub(self.offset_ms).rem_euclid(self.step_ms))
    }

    /// The first of the moments at or after `at`.
    pub(crate) fn ceil(self, at: i64) -> i64 {
        let floor = self.floor(at);
        if floor < at { floor.saturating_add(self.step_ms) } else { floor }
    }

    /// What is wrong with an offset, which is to be less than `below`: so it is in Flink, and more is a mistake rather than meant.
    pub(crate) fn offset_mistake(self, below_ms: i64) -> Option<String> {
        (self.offset_ms >= below_ms).then(|| {
            let (offset, below) = (shown(self.offset_ms), shown(below_ms));
            format!("an offset of {offset} where windows begin every {below}: `.offset(..)` takes less than that")
        })
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// So many milliseconds, for plans and messages.
pub(crate) fn shown(millis: i64) -> String {
    show_duration(Duration::from_millis(millis.unsigned_abs()))
}
