//! Who has to wait for whom, for any reports.

use std::time::Duration;

use millstream_core::time::Timestamp;

use super::{Alignment, Report, group::Member, is_ahead, limit, minimum};

fn at(millis: i64) -> Report {
    Report::At(Timestamp::from_millis(millis))
}

/// Which of them have to wait.
fn waiting(reports: &[Report], max_drift: u64) -> Vec<bool> {
    let limit = limit(minimum(reports.iter().copied()), Duration::from_millis(max_drift));
    reports.iter().map(|own| is_ahead(*own, limit)).collect()
}

#[test]
fn who_is_ahead_by_more_than_the_drift_waits() {
    assert_eq!(waiting(&[at(0), at(100), at(101)], 100), [false, false, true]);
    assert_eq!(waiting(&[at(5)], 1), [false], "who is alone waits for nobody");
    assert!(waiting(&[], 1).is_empty());
}

#[test]
fn nobody_waits_for_the_idle_and_the_ended_nor_do_they_wait() {
    assert_eq!(waiting(&[at(0), Report::LeftOut, at(300)], 100), [false, false, true]);
    assert_eq!(waiting(&[Report::LeftOut, at(300)], 100), [false, false]);
    assert_eq!(waiting(&[Report::LeftOut, Report::LeftOut], 100), [false, false]);
}

#[test]
fn all_wait_for_one_that_knows_nothing_yet() {
    assert_eq!(waiting(&[Report::At(Timestamp::MIN), at(0), at(i64::MIN + 100)], 100), [false, true, false]);
}

#[test]
fn the_ends_of_the_scale_do_not_overflow() {
    let far = at(i64::MAX - 1);
    assert_eq!(waiting(&[far, at(i64::MAX - 50)], 100), [false, false]);
    assert_eq!(waiting(&[Report::At(Timestamp::MIN), far], u64::MAX), [false, false]);
}

#[test]
fn whoever_is_furthest_behind_never_waits() {
    let said: Vec<_> = (-3..4).map(at).chain([Report::LeftOut, Report::At(Timestamp::MIN)]).collect();
    for (drift, first) in (1..8).flat_map(|drift| said.iter().map(move |first| (drift, *first))) {
        for (second, third) in said.iter().flat_map(|second| said.iter().map(|third| (*second, *third))) {
            let reports = [first, second, third];
            let waiting = waiting(&reports, drift);
            let behind = |a: Report, b: Report| match (a, b) {
                (Report::At(a), Report::At(b)) => i128::from(b.millis()) - i128::from(a.millis()) > i128::from(drift),
                _ => false,
            };
            let expected = reports.map(|own| reports.iter().any(|other| behind(*other, own)));
            assert_eq!(waiting, expected, "{reports:?} within {drift}");
            let active = reports.iter().filter(|report| **report != Report::LeftOut).count();
            assert!(active == 0 || waiting.iter().filter(|waits| **waits).count() < active, "somebody reads on");
        }
    }
}

#[test]
fn members_see_each_other_and_each_has_its_own_drift() {
    let narrow = Alignment::new("group", Duration::from_millis(10));
    let wide = Alignment::new("group", Duration::from_millis(1000));
    let members = Member::of_one_group(&[narrow, wide]);
    members[0].report(at(70));
    assert_eq!((members[0].limit(), members[0].drift()), (Timestamp::from_millis(i64::MIN + 10), 0));
    members[1].report(at(50));
    assert_eq!((members[0].limit(), members[0].drift()), (Timestamp::from_millis(60), 20));
    assert_eq!((members[1].limit(), members[1].drift()), (Timestamp::from_millis(1050), 0));
    members[1].report(Report::LeftOut);
    assert_eq!((members[0].limit(), members[0].drift()), (Timestamp::from_millis(80), 0));
}

#[test]
fn mistakes_are_named() {
    let mistake = |group: &str, drift, every| {
        let alignment = Alignment::new(group, Duration::from_micros(drift));
        alignment.update_interval(Duration::from_micros(every)).mistake().unwrap_or_default()
    };
    assert_eq!(mistake("orders", 1_000, 1_000), "");
    assert!(mistake("", 1_000, 1_000).starts_with("aligned in a group without a name"));
    assert!(mistake("orders", 0, 1_000).starts_with("aligned in group `orders` within 0ms"));
    assert!(mistake("orders", 999, 1_000).starts_with("aligned in group `orders` within 999us"));
    assert!(mistake("orders", 1_000, 999).starts_with("aligned in group `orders` with an update interval of 999us"));
}
