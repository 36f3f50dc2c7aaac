//! [`Rate`]: so many in a time.

use std::{fmt, time::Duration};

/// How many in a time, such as `1_000.per_second()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Rate {
    /// How many there are.
    pub fn count(self) -> u64 {
        self.count
    }

    /// In which time.
    pub fn per(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 60 * 60,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "second",
            Unit::Minute => "minute",
            Unit::Hour => "hour",
        };
        write!(f, "{} per {unit}", self.count)
    }
}

/// Rates by name: `1_000.per_second()`. Implemented for `u64` alone, so that a bare number needs no type.
pub trait RateExt {
    /// So many a second.
    fn per_second(self) -> Rate;
    /// So many a minute.
    fn per_minute(self) -> Rate;
    /// So many an hour.
    fn per_hour(self) -> Rate;
}

impl RateExt for u64 {
    fn per_second(self) -> Rate {
        Rate { count: self, unit: Unit::Second }
    }

    fn per_minute(self) -> Rate {
        Rate { count: self, unit: Unit::Minute }
    }

    fn per_hour(self) -> Rate {
        Rate { count: self, unit: Unit::Hour }
    }
}
