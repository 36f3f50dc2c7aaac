//! Which windows of a key become one. Pure; Flink's rules for time windows.

use millstream_core::time::Window;

/// A window that is to be put among those in flight.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It overlaps or touches none.
    New,
    /// It lies within this one.
    Within(Window),
    /// It becomes this one, with all in flight that [`Window::start`] and end of it enclose.
    Merged(Window),
}

/// True if windows overlap or touch.
fn meet(a: Window, b: Window) -> bool {
    a.start <= b.end && b.start <= a.end
}

/// Where a window goes. Windows in flight do not meet each other.
pub(super) fn place(in_flight: &[Window], new: Window) -> Placed {
    let cover = in_flight.iter().filter(|window| meet(**window, new)).fold(None, |cover: Option<Window>, window| {
        let cover = cover.unwrap_or(new);
        Some(Window::new(cover.start.min(window.start), cover.end.max(window.end)))
    });
    match cover {
        None => Placed::New,
        // Since those in flight do not meet, there is no other one within it.
        Some(window) if in_flight.contains(&window) => Placed::Within(window),
        Some(window) => Placed::Merged(window),
    }
}

/// True if a window in flight went into a merged one.
pub(super) fn went_into(merged: Window, window: &Window) -> bool {
    merged.start <= window.start && window.end <= merged.end
}

#[cfg(test)]
mod tests {
    use millstream_core::time::Timestamp;

    use super::*;

    fn window(start: i64, end: i64) -> Window {
        Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end))
    }

    #[test]
    fn windows_that_overlap_or_touch_become_one() {
        let in_flight = [window(0, 10), window(20, 30), window(40, 50)];
        assert_eq!(place(&[], window(0, 1)), Placed::New);
        assert_eq!(place(&in_flight, window(12, 18)), Placed::New);
        assert_eq!(place(&in_flight, window(0, 10)), Placed::Within(window(0, 10)));
        assert_eq!(place(&in_flight, window(22, 24)), Placed::Within(window(20, 30)));
        assert_eq!(place(&in_flight, window(10, 12)), Placed::Merged(window(0, 12)));
        assert_eq!(place(&in_flight, window(18, 20)), Placed::Merged(window(18, 30)));
        assert_eq!(place(&in_flight, window(5, 45)), Placed::Merged(window(0, 50)));
        assert!(went_into(window(0, 50), &in_flight[1]) && !went_into(window(18, 30), &in_flight[0]));
    }
}
