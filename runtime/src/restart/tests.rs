//! Restart strategies: what they decide, and how they are written.

use super::*;

const SECOND: u64 = 1_000_000_000;
/// The random number that makes no difference.
const MIDDLE: u64 = 1 << 63;

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * SECOND)
}

fn restarts(strategy: &str) -> Restarts {
    Restarts::new(strategy.parse().expect("the strategy is right"))
}

/// The delay in milliseconds; `None` if it gives up.
fn delay(restarts: &mut Restarts, now: Instant, random: u64) -> Option<u64> {
    match restarts.on_failure(now, random) {
        Decision::RestartAfter(delay) => Some(delay.as_millis() as u64),
        Decision::GiveUp(_) => None,
    }
}

#[test]
fn none_gives_up_at_once() {
    assert_eq!(delay(&mut restarts("none"), at(0), 0), None);
}

#[test]
fn a_fixed_delay_counts_over_the_whole_run() {
    let mut fixed = restarts("fixed(2, 10s)");
    assert_eq!(delay(&mut fixed, at(0), 0), Some(10_000));
    fixed.on_stable();
    assert_eq!(delay(&mut fixed, at(1_000_000), 0), Some(10_000));
    assert_eq!(
        fixed.on_failure(at(2_000_000), 0),
        Decision::GiveUp("it has been restarted 2 times (restart strategy `fixed-delay(2, 10s)`)".to_owned())
    );
    let mut without_bound = restarts("fixed(0, 0ms)");
    assert!((0..1_000).all(|n| delay(&mut without_bound, at(n), 0) == Some(0)));
}

#[test]
fn exponential_delays_double_up_to_the_longest() {
    let mut growing = restarts("exponential(100ms, 1s)");
    let delays: Vec<_> = (0..6).map(|n| delay(&mut growing, at(n), MIDDLE)).collect();
    assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000].map(Some));
}

#[test]
fn exponential_delays_begin_anew_once_the_job_has_run_for_a_while() {
    let mut growing = restarts("exponential(1s, 8s, reset=60s, attempts=3)");
    assert_eq!([0, 10, 20].map(|now| delay(&mut growing, at(now), MIDDLE)), [1_000, 2_000, 4_000].map(Some));
    // It ran again at 24 s: up to 84 s is not yet long enough.
    assert_eq!(delay(&mut growing, at(83), MIDDLE), None);
    let mut growing = restarts("exponential(1s, 8s, reset=60s, attempts=3)");
    assert_eq!([0, 10, 20].map(|now| delay(&mut growing, at(now), MIDDLE)), [1_000, 2_000, 4_000].map(Some));
    assert_eq!(delay(&mut growing, at(84), MIDDLE), Some(1_000));
}

#[test]
fn a_completed_checkpoint_begins_a_new_row_and_leaves_the_delay() {
    let mut growing = restarts("exponential(100ms, 1min, attempts=2)");
    assert_eq!([0, 1].map(|now| delay(&mut growing, at(now), MIDDLE)), [Some(100), Some(200)]);
    growing.on_stable();
    assert_eq!([2, 3, 4].map(|now| delay(&mut growing, at(now), MIDDLE)), [Some(400), Some(800), None]);
}

#[test]
fn jitter_stays_within_its_share_and_the_bounds() {
    let delays = |random| {
        let mut growing = restarts("exponential(initial=100ms, max=1s, jitter=0.25)");
        std::array::from_fn::<_, 5, _>(|n| delay(&mut growing, at(n as u64), random).expect("it goes on"))
    };
    assert_eq!(delays(0), [100, 150, 300, 600, 750]);
    assert_eq!(delays(u64::MAX), [125, 250, 500, 1_000, 1_000]);
    for random in (0..64).map(|n| 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(n)) {
        let all = delays(random);
        assert!((300..=500).contains(&all[2]), "{all:?}");
    }
}

#[test]
fn a_rate_forgets_what_was_long_ago() {
    let mut rate = restarts("failure-rate(3 per 60s, 1s)");
    assert_eq!([0, 10, 20].map(|now| delay(&mut rate, at(now), 0)), [Some(1_000); 3]);
    // The first of them no longer counts.
    assert_eq!(delay(&mut rate, at(61), 0), Some(1_000));
    assert_eq!(
        rate.on_failure(at(62), 0),
        Decision::GiveUp(
            "it has failed more than 3 times in 1min (restart strategy `failure-rate(3 per 1min, 1s)`)".to_owned()
        )
    );
}

#[test]
fn the_largest_values_do_not_overflow() {
    let longest = Duration::MAX;
    let mut growing = Restarts::new(RestartStrategy::ExponentialDelay {
        initial: longest / 2,
        max: longest,
        multiplier_percent: u32::MAX,
        jitter_percent: 1,
        reset_after: longest,
        attempts: 0,
    });
    for n in 0..3 {
        assert!(matches!(growing.on_failure(at(n), u64::MAX), Decision::RestartAfter(_)));
    }
}

#[test]
fn strategies_are_read_as_they_are_shown() {
    for (text, shown) in [
        ("none", "none"),
        ("fixed", "fixed-delay(3, 1s)"),
        ("fixed-delay( 5 , 1500ms )", "fixed-delay(5, 1500ms)"),
        ("fixed(delay=10s)", "fixed-delay(3, 10s)"),
        (
            "exponential",
            "exponential-delay(initial=100ms, max=1min, multiplier=2, jitter=0.1, reset=5min, attempts=10)",
        ),
        (
            "exponential(1s, 30s, multiplier=1.5, attempts=0)",
            "exponential-delay(initial=1s, max=30s, multiplier=1.5, jitter=0.1, reset=5min, attempts=0)",
        ),
        ("failure-rate()", "failure-rate(3 per 5min, 1s)"),
        ("failure-rate(7 per 1h, 0ms)", "failure-rate(7 per 1h, 0ms)"),
    ] {
        let strategy: RestartStrategy = text.parse().expect("the strategy is right");
        assert_eq!(strategy.to_string(), shown);
        assert_eq!(shown.parse(), Ok(strategy));
    }
}

#[test]
fn what_is_no_strategy_says_why() {
    for (text, message) in [
        ("", "a restart strategy is expected: `none`"),
        ("sometimes", "a restart strategy is expected: `none`"),
        ("fixed(3, 10s", "the `)` at the end is missing"),
        ("none(1)", "`1` is one value too many: there are 0"),
        ("fixed(3, 10)", "`10` is not a duration from 0ms to 720h, as `10s`"),
        ("fixed(-1)", "`-1` is not a whole number from 0 to 4294967295"),
        ("fixed(1, 1s, 1s)", "`1s` is one value too many: there are 2"),
        ("fixed(attempts=1, 1s)", "`1s` comes behind values with names"),
        ("fixed(1, attempts=1)", "`attempts` is there twice"),
        ("fixed(tries=1)", "there is no `tries`; there is attempts, delay"),
        ("exponential(2min)", "`initial` (2min) is longer than `max` (1min)"),
        ("exponential(multiplier=0.5)", "`0.5` is not a number from 1 to 100"),
        ("exponential(jitter=NaN)", "`NaN` is not a number from 0 to 1"),
        ("failure-rate(3, 1s)", "`3` is not a rate, as `3 per 5min`"),
        ("failure-rate(0 per 1s)", "`0` failures are not from 1 to 1000"),
    ] {
        let error = text.parse::<RestartStrategy>().expect_err(text);
        assert!(error.starts_with(message), "{text}: {error}");
    }
}
