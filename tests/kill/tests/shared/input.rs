//! What the job reads, and what has to come of it, computed without the engine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use millstream_testkit::rng::Rng;
use tempfile::TempDir;

/// How many events there are.
const EVENTS: u64 = 16_000;
/// How many users have them.
const USERS: u64 = 40;
/// How many files each side has.
const FILES: u64 = 3;
/// When the first event happens, in milliseconds since the epoch: 2024-01-01T00:00:00Z.
const BEGIN: i64 = 1_704_067_200_000;
/// How much later the next event happens, and by how much more it may be out of order, in milliseconds.
const STEP: u64 = 20;
const DISORDER: u64 = 4_000;
/// The length of the job's windows, in milliseconds.
const WINDOW: i64 = 10_000;

/// The lines of all sinks, each behind the name of its sink, with how often it is there.
pub(crate) type Lines = BTreeMap<String, u64>;

/// Input on disk, removed with this.
pub(crate) struct Input {
    directory: TempDir,
    /// What comes of it.
    pub(crate) expected: Lines,
}

struct Event {
    id: u64,
    user: String,
    amount: i64,
    at: i64,
}

impl Input {
    /// Makes the events of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self::sized(seed, EVENTS)
    }

    /// Makes so many events.
    pub(crate) fn sized(seed: u64, count: u64) -> Self {
        let mut rng = Rng::new(seed);
        let event = |id| Event {
            id,
            user: user(rng.below(USERS)),
            amount: rng.below(2_000) as i64 - 500,
            at: BEGIN + (id * STEP + rng.below(DISORDER)) as i64,
        };
        let events: Vec<_> = (0..count).map(event).collect();
        let directory = tempfile::tempdir().expect("there is room for the input");
        for (number, side) in [(0, "left"), (1, "right")] {
            write(&directory.path().join(side), count, events.iter().filter(|event| event.id % 2 == number));
        }
        Self { directory, expected: expected(&events) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// `a0`, `b1` .. `e4`, `a5` ..
fn user(number: u64) -> String {
    let letter = ["a", "b", "c", "d", "e"][number as usize % 5];
    format!("{letter}{number}")
}

fn write<'e>(directory: &PathBuf, count: u64, events: impl Iterator<Item = &'e Event>) {
    fs::create_dir(directory).expect("there is room for the input");
    let mut files = vec!["id,user,amount,at\n".to_owned(); FILES as usize];
    for event in events {
        let file = event.id * FILES / count;
        files[file as usize].push_str(&format!("{},{},{},{}\n", event.id, event.user, event.amount, time(event.at)));
    }
    for (number, text) in files.into_iter().enumerate() {
        fs::write(directory.join(format!("{number}.csv")), text).expect("there is room for the input");
    }
}

/// The times are all within one hour of the first day.
fn time(millis: i64) -> String {
    let since = millis - BEGIN;
    let (minutes, seconds, millis) = (since / 60_000, since / 1000 % 60, since % 1000);
    assert!(minutes < 60, "an hour is enough");
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("2024-01-01T00:{minutes:02}:{seconds:02}{fraction}Z")
}

fn expected(events: &[Event]) -> Lines {
    let mut lines = Lines::new();
    let mut windows = BTreeMap::<(&str, i64), (u64, i64, i64)>::new();
    let mut totals = BTreeMap::<&str, (u64, i64)>::new();
    for Event { id, user, amount, at } in events {
        *lines.entry(format!("lines: {id} {user} {amount}")).or_default() += 1;
        let window = windows.entry((user, at - at.rem_euclid(WINDOW))).or_insert((0, 0, i64::MIN));
        *window = (window.0 + 1, window.1 + amount, window.2.max(*amount));
        let total = totals.entry(user).or_default();
        *total = (total.0 + 1, total.1 + amount);
    }
    for key in events.iter().filter(|event| event.id % 4 == 0).map(|event| event.id / 4) {
        for nth in 1..=2 {
            *lines.entry(format!("large: {} {nth}", long_name(key))).or_default() += 1;
        }
    }
    for ((user, start), (count, amount, largest)) in windows {
        *lines.entry(format!("timers: {user} {} {count}", time(start))).or_default() += 1;
        *lines.entry(format!("windows: {user},{},{count},{amount},{largest}", time(start))).or_default() += 1;
    }
    for (user, (count, amount)) in totals {
        *lines.entry(format!("totals: {user},{count},{amount}")).or_default() += 1;
        for nth in 1..=count {
            *lines.entry(format!("running: {{\"user\":\"{user}\",\"nth\":{nth}}}")).or_default() += 1;
        }
    }
    lines
}

/// As the program has it.
fn long_name(number: u64) -> String {
    (0..8)
        .map(|i| format!("{:016x}", (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(2 * i + 1))))
        .collect()
}
