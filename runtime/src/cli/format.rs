//! Numbers for people: counts, rates, sizes, spans.

use std::time::Duration;

use super::sample::LastCheckpoint;

/// A count in full: `336,776`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count in short: `950`, `12.3 k`, `1.24 M`.
pub(super) fn short(n: f64) -> String {
    scaled(n, &[("", 1.0), (" k", 1e3), (" M", 1e6), (" G", 1e9)])
}

/// A size in bytes: `950 B`, `12.3 kB`, `1.24 MB`.
pub(super) fn bytes(n: f64) -> String {
    scaled(n, &[(" B", 1.0), (" kB", 1e3), (" MB", 1e6), (" GB", 1e9), (" TB", 1e12)])
}

/// Three digits that count, and the unit.
fn scaled(n: f64, units: &[(&str, f64)]) -> String {
    let at = units.iter().rposition(|(_, size)| n >= *size).unwrap_or(0);
    let (unit, size) = units[at];
    let n = n / size;
    let decimals = match n {
        _ if at == 0 || n >= 100.0 => 0,
        _ if n >= 10.0 => 1,
        _ => 2,
    };
    format!("{n:.decimals$}{unit}")
}

/// A span: `420 ms`, `1.25 s`, `12.3 s`, `4 min 5 s`, `2 h 10 min`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..10 => format!("{:.2} s", span.as_secs_f64()),
        10..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The checkpoint that ended last: `checkpoint 31 (120 ms, 1.20 MB)`, `checkpoint 31 failed`.
pub(super) fn last_checkpoint(last: &LastCheckpoint) -> String {
    match last.has_failed {
        true => format!("checkpoint {} failed", last.number),
        false => format!("checkpoint {} ({}, {})", last.number, span(last.took), bytes(last.bytes as f64)),
    }
}

/// `1 restart`, `2 restarts`; `None` if there were none.
pub(super) fn restarts(n: u64) -> Option<String> {
    match n {
        0 => None,
        1 => Some("1 restart".to_owned()),
        _ => Some(format!("{} restarts", count(n))),
    }
}

/// A share in whole per cent; `-` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.0}%", part as f64 * 100.0 / whole as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_read_well() {
        assert_eq!([0, 999, 1000, 336_776, 1_000_000].map(count), ["0", "999", "1,000", "336,776", "1,000,000"]);
        assert_eq!([0.0, 950.4, 12_345.0, 1_240_000.0].map(short), ["0", "950", "12.3 k", "1.24 M"]);
        assert_eq!([0.0, 1e3, 29.6e6, 2e13].map(bytes), ["0 B", "1.00 kB", "29.6 MB", "20.0 TB"]);
        assert_eq!(
            [420, 1_250, 12_340, 245_000, 7_800_000].map(Duration::from_millis).map(span),
            ["420 ms", "1.25 s", "12.3 s", "4 min 5 s", "2 h 10 min"]
        );
        assert_eq!([percent(1, 3), percent(0, 0)], ["33%", "-"]);
    }
}
