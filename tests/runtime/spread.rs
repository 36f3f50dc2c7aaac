//! Watermarks on their way to several subtasks: each gets all of them, behind the records in front, while the input goes on.

use std::time::Duration;

use millstream::{env::Env, prelude::*};

use crate::{
    script::{Script, Step},
    support::{Simulated, ms, parallel, seeds},
};

/// How many windows there are, of a second each, and how many records in each.
const WINDOWS: i64 = 5;
const EACH: i64 = 30;

/// How records get to the subtasks that the watermarks have to get to.
#[derive(Debug, Clone, Copy)]
enum Spread {
    Rebalance,
    Shuffle,
    /// Whole buffers in turns.
    Rescale,
    Forward,
}

/// The windows that fire although the input has not ended, and how many records are late. A window fires only once all subtasks in front of it have got the watermark.
fn fired(seed: u64, spread: Spread, buffer_bytes: usize) -> (Vec<(i64, u64)>, u64) {
    let times = (0..WINDOWS).flat_map(|window| (0..EACH).map(move |n| window * 1_000 + n));
    let steps = times.chain([WINDOWS * 1_000]).map(Step::Record).chain([Step::Never]).collect();
    let mut settings = parallel(3);
    settings.buffer_bytes = buffer_bytes;
    let results = collect();
    let job = Simulated::start(seed, settings, |job| {
        let begins_a_window = punctuated(|at, _| (at % 1_000 == 0).then(|| ms(at - 1)));
        let times =
            job.source(Script::steps(vec![steps]).unbounded()).event_time_by(ms, begins_a_window).parallelism(1);
        let spread = match spread {
            Spread::Rebalance => times.rebalance(),
            Spread::Shuffle => times.shuffle(),
            Spread::Rescale => times.rescale(),
            Spread::Forward => times.forward(),
        };
        spread
            .map(|at| at)
            .parallelism(3)
            .key_by(|_| 0_u8)
            .window(tumbling(1.seconds()))
            .aggregate(|of| of.count())
            .map(|(_, window, count)| (window.start.millis(), count))
            .sink(results.sink());
    });
    job.sim.block_on(Env::sleep(&*job.sim, Duration::from_secs(10)));
    let (fired, late) = (results.take(), job.counted("late_records"));
    job.job.cancel();
    assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    (fired, late)
}

#[test]
fn windows_behind_fire_while_the_input_goes_on() {
    let expected: Vec<_> = (0..WINDOWS).map(|window| (window * 1_000, EACH as u64)).collect();
    for spread in [Spread::Rebalance, Spread::Shuffle, Spread::Rescale, Spread::Forward] {
        for (seed, buffer_bytes) in seeds().zip([1 << 10, 4 << 10, 64 << 10].into_iter().cycle()) {
            let (fired, late) = fired(seed, spread, buffer_bytes);
            assert_eq!(
                (fired, late),
                (expected.clone(), 0),
                "{spread:?}, seed {seed}, buffers of {buffer_bytes} bytes"
            );
        }
    }
}
