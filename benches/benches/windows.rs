//! Windows of an hour every second beside windows of a second, of the same records: what it costs that windows overlap. Every key has records in every second,
//! one or ten. Both ways put out the results of each second, and those of an hour more at the end of the input.

use std::rc::Rc;

use millstream::prelude::*;
use millstream_benches::{
    Machine, Tally,
    compare::{Case, ROUNDS, compare, way},
    nexmark::Answer,
    seconds::seconds,
    settings, tally,
};

const KEYS: u64 = 1_000;
const HOUR: u64 = 3_600;
/// How long the records go on, in seconds of event time: after the first hour as much leaves as enters.
const SECONDS: u64 = 4 * HOUR;

/// Counts the records of each key in windows, and checks how many results there are and what they add up to.
macro_rules! run {
    ($machine:expr, $of_key:expr, $windows:expr, $results:expr, $each_in:expr) => {{
        let total = Tally::default();
        let of_key: u64 = $of_key;
        let job = $machine.start(settings(1), |job| {
            seconds(job, SECONDS, KEYS * of_key)
                .key_by(|number| number % KEYS)
                .window($windows)
                .aggregate(|of| of.count())
                .uid("counts")
                .sink(tally(&total, |(_, _, count)| count));
        });
        $machine.wait(job.wait()).unwrap_or_else(|failure| panic!("{failure}"));
        let expected = Answer { records: KEYS * $results, sum: KEYS * of_key * SECONDS * $each_in };
        assert_eq!(total.answer(), expected);
        Answer::default()
    }};
}

fn case<const OF_KEY: u64>() -> Case {
    let ways = |_| {
        let machine = Rc::new(Machine::new(1));
        let other = Rc::clone(&machine);
        vec![
            way("tumbling-1s", move || run!(machine, OF_KEY, tumbling(1.seconds()), SECONDS, 1)),
            way("sliding-1h-by-1s", move || {
                run!(other, OF_KEY, sliding(1.hours(), 1.seconds()), SECONDS + HOUR - 1, HOUR)
            }),
        ]
    };
    Case {
        name: format!("windows/{OF_KEY}"),
        rounds: ROUNDS,
        records: || (SECONDS * KEYS * OF_KEY) as usize,
        ways: Box::new(ways),
    }
}

fn main() {
    compare(&[case::<1>(), case::<10>()]);
}
