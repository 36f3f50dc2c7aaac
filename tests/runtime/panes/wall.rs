//! Windows and triggers by the clock on the wall.

use std::time::Duration;

use millstream::prelude::*;

use crate::{
    script::{Script, Step},
    support::{parallel, run, seeds},
};

/// Two numbers, one three seconds later, and another one three seconds after that.
fn numbers() -> Script<u64> {
    let pause = || Step::Wait(Duration::from_secs(3));
    Script::steps(vec![vec![Step::Record(1), Step::Record(2), pause(), Step::Record(3), pause(), Step::Record(4)]])
}

const APART: [&[u64]; 3] = [&[1, 2], &[3], &[4]];

/// The lists that come out of windows over `numbers`.
macro_rules! lists {
    ($seed:expr, |$keyed:ident| $windowed:expr) => {{
        let results = collect();
        run($seed, parallel(1), |job| {
            let $keyed = job.source(numbers()).key_by(|_| 0_u8);
            let lists = $windowed.apply(|_, _, numbers| Some(numbers.iter().collect::<Vec<u64>>()));
            lists.sink(results.sink());
        });
        results.take()
    }};
}

#[test]
fn windows_by_processing_time_hold_what_came_meanwhile() {
    for seed in seeds() {
        let lists = lists!(seed, |keyed| keyed.window(tumbling(1.seconds()).processing_time()));
        assert_eq!(lists, APART, "seed {seed}");
        let windows = tumbling(1.seconds()).processing_time();
        let lists = lists!(seed, |keyed| keyed.window(windows).trigger(triggers::processing_time()));
        assert_eq!(lists, APART, "seed {seed}");
    }
}

#[test]
fn a_window_fires_at_intervals_of_the_clock_and_at_the_end() {
    for seed in seeds() {
        let trigger = triggers::continuous_processing_time(1.seconds());
        let lists = lists!(seed, |keyed| keyed.window(global()).trigger(triggers::purging(trigger)));
        assert_eq!(lists, APART, "seed {seed}");
        let mut lists = lists!(seed, |keyed| keyed.window(global()).trigger(trigger));
        assert!(lists.len() >= 7, "each second once, whether something has come or not: {lists:?}, seed {seed}");
        lists.dedup();
        let expected: [&[u64]; 3] = [&[1, 2], &[1, 2, 3], &[1, 2, 3, 4]];
        assert_eq!(lists, expected, "seed {seed}");
    }
}

#[test]
fn nothing_comes_of_a_trigger_that_never_fires() {
    let lists: Vec<Vec<u64>> = lists!(1, |keyed| keyed.window(global()).trigger(triggers::never()));
    assert!(lists.is_empty());
}
