//! Durations and sizes as they are written in settings: `10ms`, `1.5min`, `64KiB`, `2GB`; and how they are shown.

use std::time::Duration;

/// The units of durations in nanoseconds, longest suffix first where one ends with another.
const TIMES: [(&str, u64); 7] = [
    ("ms", 1_000_000),
    ("us", 1_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
/// The units in which durations are shown, the largest first.
const SHOWN_TIMES: [(&str, u64); 5] =
    [("h", TIMES[5].1), ("min", TIMES[2].1), ("s", TIMES[3].1), ("ms", TIMES[0].1), ("us", TIMES[1].1)];

/// The units of sizes in bytes, longest suffix first where one ends with another.
const SIZES: [(&str, u64); 11] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
    ("", 1),
];
/// The units in which sizes are shown, the largest first.
const SHOWN_SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a duration: a number with a unit. `None` if it is none, or longer than can be counted in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &TIMES).map(Duration::from_nanos)
}

/// Reads a size in bytes: a number, with or without a unit.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))?;
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let all = number.parse::<f64>().ok()? * unit as f64;
    // What a float cannot count exactly is far beyond every setting.
    (all <= (1_u64 << 53) as f64).then_some(all.round() as u64)
}

/// A duration in the largest unit that needs no fraction: `1500ms`, `24h`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0ms".to_owned();
    }
    show(nanos, &SHOWN_TIMES).unwrap_or_else(|| format!("{}us", nanos as f64 / 1e3))
}

/// A size in the largest binary unit that needs no fraction: `64KiB`, `1000B`.
pub(crate) fn show_size(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    show(bytes, &SHOWN_SIZES).unwrap_or_else(|| format!("{bytes}B"))
}

fn show(n: u64, units: &[(&str, u64)]) -> Option<String> {
    let (name, unit) = units.iter().find(|(_, unit)| n.is_multiple_of(*unit))?;
    Some(format!("{}{name}", n / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_time_are_told_apart() {
        for (text, millis) in [("10ms", 10), ("2s", 2_000), ("1.5min", 90_000), ("3m", 180_000), ("1d", 86_400_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_duration("250 us"), Some(Duration::from_micros(250)));
        assert_eq!(parse_duration("0ms"), Some(Duration::ZERO));
    }

    #[test]
    fn units_of_size_are_told_apart() {
        for (text, bytes) in
            [("0", 0), ("1000", 1000), ("64KiB", 65_536), ("1.5 MiB", 1_572_864), ("2GB", 2_000_000_000)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "10", "ms", "-1s", "+1s", "infs", "NaNs", "1 0s", "1e300h", "18446744073709551615h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in ["", "KiB", "-1", "ten", "1XB", "1e300", "18446744073709551615TiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for (millis, shown) in [(0, "0ms"), (1, "1ms"), (1_500, "1500ms"), (90_000, "90s"), (86_400_000, "24h")] {
            let duration = Duration::from_millis(millis);
            assert_eq!(show_duration(duration), shown);
            assert_eq!(parse_duration(shown), Some(duration));
        }
        assert_eq!(show_duration(Duration::from_nanos(1_500)), "1.5us");
        for (bytes, shown) in [(0, "0B"), (1_000, "1000B"), (65_536, "64KiB"), (256 << 20, "256MiB")] {
            assert_eq!(show_size(bytes), shown);
            assert_eq!(parse_size(shown), Some(bytes));
        }
    }
}
