//! Durations as they are written in arguments: `10ms`, `2s`, `1.5min`.

use std::time::Duration;

/// The units, longest suffix first where one ends with another.
const UNITS: [(&str, f64); 6] = [("ms", 1e-3), ("us", 1e-6), ("min", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
/// No setting is longer than a day.
const LIMIT_SECONDS: f64 = 86_400.0;

/// Reads a duration of at most a day.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, seconds) = UNITS
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(|| "a number with a unit is expected (us, ms, s, min or h), as in `10ms`".to_owned())?;
    let number: f64 =
        number.trim().parse().map_err(|_| format!("`{}` is not a number, as in `10ms`", number.trim()))?;
    let seconds = number * seconds;
    if !(0.0..=LIMIT_SECONDS).contains(&seconds) {
        return Err("a duration from 0 to 24h is expected".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reads a duration that something is done every so often: a millisecond or more.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse(text)?;
    if interval < Duration::from_millis(1) {
        return Err("an interval from 1ms to 24h is expected".to_owned());
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_apart() {
        for (text, millis) in [("10ms", 10), ("2s", 2_000), ("1.5min", 90_000), ("3m", 180_000), ("24h", 86_400_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("250 us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse("0ms"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "10", "ms", "-1s", "25h", "infs", "NaNs", "1 0s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_interval("0s").is_err());
    }
}
