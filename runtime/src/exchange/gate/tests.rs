//! Watermarks and idleness of several channels: by example, and against a model that computes everything anew.

use millstream_core::{key::combine, time::Timestamp};

use super::{Change, Watermarks};

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn the_watermark_is_the_minimum_and_waits_for_every_channel() {
    let mut inputs = Watermarks::new(2);
    assert_eq!(inputs.watermark(0, ms(10)), Change::None);
    assert_eq!(inputs.watermark(1, ms(5)), Change::Watermark(ms(5)));
    assert_eq!(inputs.watermark(1, ms(20)), Change::Watermark(ms(10)));
    assert_eq!(inputs.watermark(1, ms(30)), Change::None);
}

#[test]
fn a_channel_that_goes_back_stays_where_it_was() {
    let mut inputs = Watermarks::new(1);
    assert_eq!(inputs.watermark(0, ms(10)), Change::Watermark(ms(10)));
    assert_eq!(inputs.watermark(0, ms(3)), Change::None);
    assert_eq!(inputs.watermark(0, ms(10)), Change::None);
}

#[test]
fn an_idle_channel_is_left_out_until_it_is_active_again() {
    let mut inputs = Watermarks::new(2);
    assert_eq!(inputs.watermark(0, ms(10)), Change::None);
    assert_eq!(inputs.idle(1, true), Change::Watermark(ms(10)));
    assert_eq!(inputs.watermark(0, ms(20)), Change::Watermark(ms(20)));
    assert_eq!(inputs.idle(1, false), Change::None, "it is behind, and what was passed on stays");
    assert_eq!(inputs.watermark(0, ms(30)), Change::Watermark(ms(30)), "until it has caught up it holds nobody back");
    assert_eq!(inputs.watermark(1, ms(15)), Change::None);
    assert_eq!(inputs.watermark(1, ms(35)), Change::None, "now it has");
    assert_eq!(inputs.watermark(0, ms(50)), Change::Watermark(ms(35)));
}

#[test]
fn all_idle_is_idle_and_one_active_is_active() {
    let mut inputs = Watermarks::new(2);
    assert_eq!(inputs.watermark(0, ms(10)), Change::None);
    assert_eq!(inputs.idle(0, true), Change::None);
    assert_eq!(inputs.idle(1, true), Change::Idle);
    assert_eq!(inputs.idle(0, false), Change::Active(Some(ms(10))));
    assert_eq!(inputs.idle(0, true), Change::Idle);
    assert_eq!(inputs.idle(0, false), Change::Active(None));
}

#[test]
fn a_channel_that_has_ended_holds_nothing_back() {
    let mut inputs = Watermarks::new(3);
    assert_eq!(inputs.watermark(0, ms(10)), Change::None);
    assert_eq!(inputs.watermark(1, Timestamp::MAX), Change::None);
    assert_eq!(inputs.end(1), Change::None);
    assert_eq!(inputs.idle(2, true), Change::Watermark(ms(10)));
    assert_eq!(
        inputs.watermark(0, Timestamp::MAX),
        Change::Idle,
        "what has ended does not keep the rest from being idle"
    );
    assert_eq!(inputs.end(0), Change::None);
    assert_eq!(inputs.idle(2, false), Change::Active(None));
    assert_eq!(inputs.end(2), Change::End);
}

/// What a channel has said so far.
#[derive(Clone, Copy)]
struct Said {
    watermark: Timestamp,
    idle: bool,
    ended: bool,
    /// It was never idle, or has since caught up with what was passed on.
    aligned: bool,
}

/// What is to have been passed on after a history: the watermark, and whether the whole is idle.
fn model(before: (Timestamp, bool), channels: &[Said]) -> (Timestamp, bool) {
    let open = || channels.iter().filter(|channel| !channel.ended);
    let active = || open().filter(|channel| !channel.idle);
    match active().filter(|channel| channel.aligned).map(|channel| channel.watermark).min() {
        Some(watermark) => (before.0.max(watermark), false),
        None if active().count() > 0 => (before.0, false),
        None if open().count() > 0 => (before.0, true),
        None => before,
    }
}

#[test]
fn any_history_gives_what_the_model_says() {
    for seed in 0..2000_u64 {
        let mut state = seed;
        let mut draw = |below: u64| {
            state = combine(state, below);
            state % below
        };
        let count = 1 + draw(4) as usize;
        let mut inputs = Watermarks::new(count);
        let mut channels = vec![Said { watermark: Timestamp::MIN, idle: false, ended: false, aligned: true }; count];
        let mut wanted = (Timestamp::MIN, false);
        let mut passed = wanted;
        while channels.iter().any(|channel| !channel.ended) {
            let at = draw(count as u64) as usize;
            let channel = &mut channels[at];
            if channel.ended {
                continue;
            }
            let change = match draw(12) {
                0 => {
                    channel.ended = true;
                    inputs.end(at)
                }
                1..=3 => {
                    channel.idle = !channel.idle;
                    channel.aligned = channel.watermark >= wanted.0;
                    inputs.idle(at, channel.idle)
                }
                _ if channel.idle => continue, // idle channels say nothing
                _ => {
                    let to = ms(draw(1000) as i64);
                    channel.watermark = channel.watermark.max(to);
                    channel.aligned |= channel.watermark >= wanted.0;
                    inputs.watermark(at, to)
                }
            };
            wanted = model(wanted, &channels);
            match change {
                Change::None => {}
                Change::Watermark(to) => {
                    assert!(to > passed.0 && !passed.1, "watermarks go up, and not while idle (seed {seed})");
                    passed.0 = to;
                }
                Change::Idle => {
                    assert!(!passed.1, "idle is said once (seed {seed})");
                    passed.1 = true;
                }
                Change::Active(later) => {
                    assert!(passed.1, "active is said after idle (seed {seed})");
                    passed = (later.unwrap_or(passed.0), false);
                }
                Change::End => {
                    assert!(channels.iter().all(|channel| channel.ended), "the end is last (seed {seed})");
                    continue;
                }
            }
            assert_eq!(passed, wanted, "seed {seed}");
            assert!(channels.iter().any(|channel| !channel.ended), "the end is said (seed {seed})");
        }
    }
}
