//! Durations as attributes say them: `"2s"`, `"100ms"`, `"7d"`.

/// The units of durations, in milliseconds; longest suffix first where one ends with another.
const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("min", 60_000), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// The longest: a hundred years. So no sum of times overflows.
const LIMIT_MILLIS: u64 = 100 * 365 * 86_400_000;
/// The milliseconds of a whole number with a unit; `None` if it is none, or not from 1 ms to 100 years.
pub(crate) fn millis(text: &str) -> Option<u64> {
    let (number, unit) =
        UNITS.iter().find_map(|(unit, millis)| Some((text.strip_suffix(unit)?.trim_end(), *millis)))?;
    let number = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse::<u64>().ok())??;
    number.checked_mul(unit).filter(|millis| (1..=LIMIT_MILLIS).contains(millis))
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        let read = |text| millis(text).unwrap_or(0);
        assert_eq!(
            [read("5ms"), read("90 s"), read("2min"), read("2m"), read("1h"), read("7d")],
            [5, 90_000, 120_000, 120_000, 3_600_000, 604_800_000]
        );
        for wrong in ["", "1", "h", "-1h", "1.5h", "1y", "0s", "36501d", "18446744073709551615d", "+1h"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }
}
