//! Slices and windows beside the definition of the windows themselves.

use std::time::Duration;

use millstream_core::time::{Timestamp, Window};

use super::{Assigner, cumulate, sliding, tumbling};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn window(start: i64, end: i64) -> Window {
    Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end))
}

/// Checks slices and windows around the epoch against a list of all windows.
fn check(windows: &impl Assigner, all: &[Window]) {
    assert_eq!(windows.mistake(), None);
    for at in (-60..60).map(Timestamp::from_millis) {
        let mut expected: Vec<_> = all.iter().copied().filter(|window| window.contains(at)).collect();
        expected.sort_by_key(|window| window.end);
        let mut found = Vec::new();
        windows.each_window(at, |window| found.push(window));
        assert_eq!(found, expected, "the windows of {at:?}");

        let slice = windows.slice(at);
        assert!(slice.contains(at));
        let is_border = |at: Timestamp| all.iter().any(|window| window.start == at || window.end == at);
        assert!(is_border(slice.start) && is_border(slice.end), "no shorter than it must be: {slice:?}");
        for inner in slice.start.millis() + 1..slice.end.millis() {
            assert!(!is_border(Timestamp::from_millis(inner)), "{inner} is a border within {slice:?}");
            assert_eq!(windows.slice(Timestamp::from_millis(inner)), slice);
        }
        for after in (-60..60).map(Timestamp::from_millis) {
            let next = expected.iter().copied().find(|window| window.end > after);
            assert_eq!(windows.window_after(slice, after), next, "{slice:?} after {after:?}");
        }
    }
}

#[test]
fn sliding_windows_have_at_most_two_slices_in_each_slide() {
    for (size, slide, offset) in [(10, 2, 0), (10, 3, 1), (7, 7, 0), (3, 10, 0), (3, 10, 9), (12, 5, 4), (1, 1, 0)] {
        let all: Vec<_> = (-100..100).map(|n| window(n * slide + offset, n * slide + offset + size)).collect();
        let windows = sliding(ms(size as u64), ms(slide as u64)).offset(ms(offset as u64));
        check(&windows, &all);
    }
}

#[test]
fn cumulating_windows_share_their_beginning() {
    for (size, step, offset) in [(10, 2, 0), (10, 5, 3), (6, 6, 1), (9, 1, 8)] {
        let ends = |n: i64| (1..=size / step).map(move |k| window(n * size + offset, n * size + offset + k * step));
        let all: Vec<_> = (-30..30).flat_map(ends).collect();
        check(&cumulate(ms(size as u64), ms(step as u64)).offset(ms(offset as u64)), &all);
    }
}

#[test]
fn tumbling_windows_are_their_own_slices() {
    let all: Vec<_> = (-30..30).map(|n| window(n * 7 + 3, n * 7 + 10)).collect();
    check(&tumbling(ms(7)).offset(ms(3)), &all);
}

#[test]
fn windows_at_the_ends_of_time_do_not_overflow() {
    for at in [Timestamp::MIN, Timestamp::MAX] {
        for windows in [sliding(ms(10), ms(3)), sliding(ms(3), ms(10)), sliding(Duration::MAX, ms(1 << 60))] {
            let _ = windows.slice(at);
            let _ = windows.window_after(windows.slice(at), at);
        }
        let windows = cumulate(ms(10), ms(2));
        let _ = windows.window_after(windows.slice(at), at);
    }
}

#[test]
fn what_cannot_be_is_said() {
    let mistakes = [
        tumbling(ms(0)).mistake(),
        tumbling(Duration::from_micros(999)).mistake(),
        tumbling(ms(5)).offset(ms(5)).mistake(),
        sliding(ms(0), ms(1)).mistake(),
        sliding(ms(1), ms(0)).mistake(),
        sliding(ms(10), ms(5)).offset(ms(7)).mistake(),
        cumulate(ms(10), ms(3)).mistake(),
        cumulate(ms(10), ms(0)).mistake(),
        cumulate(ms(10), ms(5)).offset(ms(10)).mistake(),
    ];
    let mistakes: Vec<_> = mistakes.into_iter().map(|mistake| mistake.expect("it is one")).collect();
    assert_eq!(
        mistakes,
        [
            "these windows have no size: `tumbling(..)` takes a millisecond or more",
            "these windows have no size: `tumbling(..)` takes a millisecond or more",
            "an offset of 5ms where windows begin every 5ms: `.offset(..)` takes less than that",
            "these windows have no size: `sliding(..)` takes a size of a millisecond or more",
            "these windows never begin: `sliding(..)` takes a slide of a millisecond or more, behind the size",
            "an offset of 7ms where windows begin every 5ms: `.offset(..)` takes less than that",
            "windows up to 10ms cannot grow by 3ms: the size, which `cumulate(..)` takes first, is a multiple of the step",
            "these windows have no size: `cumulate(..)` takes a size and a step of a millisecond or more",
            "an offset of 10ms where windows begin every 10ms: `.offset(..)` takes less than that",
        ]
    );
}
