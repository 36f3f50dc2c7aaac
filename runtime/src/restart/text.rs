//! Restart strategies as they are written in settings.

use std::{fmt, str::FromStr, time::Duration};

use super::{FAILURES_LIMIT, RestartStrategy};
use crate::settings::{parse_duration, show_duration};

/// What a restart strategy may be, for messages.
pub(crate) const ALLOWED: &str = "a restart strategy is expected: `none`, `fixed-delay(3, 10s)`, `exponential-delay`, \
     `exponential-delay(initial=100ms, max=1min, multiplier=2, jitter=0.1, reset=5min, attempts=10)` or `failure-rate(3 per 5min, 10s)`";

/// The longest delay and span.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// The largest multiplier, in per cent.
const MULTIPLIER_LIMIT: u32 = 10_000;

impl fmt::Display for RestartStrategy {
    /// As it may be written, with every value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |duration: &Duration| show_duration(*duration);
        match self {
            Self::None => f.write_str("none"),
            Self::FixedDelay { attempts, delay } => write!(f, "fixed-delay({attempts}, {})", time(delay)),
            Self::ExponentialDelay { initial, max, multiplier_percent, jitter_percent, reset_after, attempts } => {
                let (multiplier, jitter) = (f64::from(*multiplier_percent) / 1e2, f64::from(*jitter_percent) / 1e2);
                let (initial, max, reset) = (time(initial), time(max), time(reset_after));
                write!(
                    f,
                    "exponential-delay(initial={initial}, max={max}, multiplier={multiplier}, jitter={jitter}, reset={reset}, attempts={attempts})"
                )
            }
            Self::FailureRate { failures, per, delay } => {
                write!(f, "failure-rate({failures} per {}, {})", time(per), time(delay))
            }
        }
    }
}

impl FromStr for RestartStrategy {
    type Err = String;

    /// Reads a strategy; the error says what is allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values) = match text.trim().split_once('(') {
            Some((name, values)) => (name.trim(), values.strip_suffix(')').ok_or("the `)` at the end is missing")?),
            None => (text.trim(), ""),
        };
        match name {
            "none" => {
                let [] = named(values, [])?;
                Ok(Self::None)
            }
            "fixed" | "fixed-delay" => fixed_delay(values),
            "exponential" | "exponential-delay" => exponential_delay(values),
            "failure-rate" => failure_rate(values),
            _ => Err(ALLOWED.to_owned()),
        }
    }
}

fn fixed_delay(values: &str) -> Result<RestartStrategy, String> {
    let mut strategy = RestartStrategy::FIXED_DELAY;
    let RestartStrategy::FixedDelay { attempts, delay } = &mut strategy else { unreachable!("it was just made") };
    let [attempts_text, delay_text] = named(values, ["attempts", "delay"])?;
    put(attempts, attempts_text, count)?;
    put(delay, delay_text, time)?;
    Ok(strategy)
}

fn exponential_delay(values: &str) -> Result<RestartStrategy, String> {
    let mut strategy = RestartStrategy::EXPONENTIAL_DELAY;
    let RestartStrategy::ExponentialDelay { initial, max, multiplier_percent, jitter_percent, reset_after, attempts } =
        &mut strategy
    else {
        unreachable!("it was just made")
    };
    let [initial_text, max_text, multiplier_text, jitter_text, reset_text, attempts_text] =
        named(values, ["initial", "max", "multiplier", "jitter", "reset", "attempts"])?;
    put(initial, initial_text, time)?;
    put(max, max_text, time)?;
    put(multiplier_percent, multiplier_text, |text| factor(text, 100, MULTIPLIER_LIMIT))?;
    put(jitter_percent, jitter_text, |text| factor(text, 0, 100))?;
    put(reset_after, reset_text, time)?;
    put(attempts, attempts_text, count)?;
    if initial > max {
        return Err(format!("`initial` ({}) is longer than `max` ({})", show_duration(*initial), show_duration(*max)));
    }
    Ok(strategy)
}

fn failure_rate(values: &str) -> Result<RestartStrategy, String> {
    let mut strategy = RestartStrategy::FAILURE_RATE;
    let RestartStrategy::FailureRate { failures, per, delay } = &mut strategy else { unreachable!("it was just made") };
    let [rate_text, delay_text] = named(values, ["failures", "delay"])?;
    if let Some(rate) = rate_text {
        let (number, span) =
            rate.split_once("per").ok_or_else(|| format!("`{rate}` is not a rate, as `3 per 5min`"))?;
        *failures = count(number.trim())?;
        *per = time(span.trim())?;
        if *failures == 0 || *failures > FAILURES_LIMIT {
            return Err(format!("`{failures}` failures are not from 1 to {FAILURES_LIMIT}"));
        }
    }
    put(delay, delay_text, time)?;
    Ok(strategy)
}

/// Values between parentheses, in the order of their names: first some without a name, then some as `name=value`.
fn named<'a, const N: usize>(values: &'a str, names: [&str; N]) -> Result<[Option<&'a str>; N], String> {
    let mut found = [None; N];
    if values.trim().is_empty() {
        return Ok(found);
    }
    let mut by_name = false;
    for (i, value) in values.split(',').enumerate() {
        let (at, value) = match value.split_once('=') {
            Some((name, value)) => {
                by_name = true;
                let name = name.trim();
                let at = names.iter().position(|known| *known == name);
                let known = || format!("there is no `{name}`; there is {}", names.join(", "));
                (at.ok_or_else(known)?, value)
            }
            None if by_name => {
                return Err(format!("`{}` comes behind values with names: it needs one, too", value.trim()));
            }
            None if i < N => (i, value),
            None => return Err(format!("`{}` is one value too many: there are {N}", value.trim())),
        };
        if found[at].replace(value.trim()).is_some() {
            return Err(format!("`{}` is there twice", names[at]));
        }
    }
    Ok(found)
}

fn put<T>(to: &mut T, text: Option<&str>, parse: impl Fn(&str) -> Result<T, String>) -> Result<(), String> {
    if let Some(text) = text {
        *to = parse(text)?;
    }
    Ok(())
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number from 0 to {}", u32::MAX))
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|time| *time <= LONGEST)
        .ok_or_else(|| format!("`{text}` is not a duration from 0ms to {}, as `10s`", show_duration(LONGEST)))
}

/// A number with a fraction, in per cent.
fn factor(text: &str, from: u32, to: u32) -> Result<u32, String> {
    let percent = text.parse::<f64>().ok().map(|factor| (factor * 100.0).round());
    percent
        .filter(|percent| (f64::from(from)..=f64::from(to)).contains(percent))
        .map(|percent| percent as u32)
        .ok_or_else(|| format!("`{text}` is not a number from {} to {}", f64::from(from) / 1e2, f64::from(to) / 1e2))
}
