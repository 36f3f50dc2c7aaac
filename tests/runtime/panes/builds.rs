//! What is wrong with windows, triggers and evictors is said before anything runs.

use std::time::Duration;

use millstream::prelude::*;

use crate::support::parallel;

/// What is said of a job with such windows over numbers.
macro_rules! mistake {
    (|$keyed:ident| $stream:expr) => {{
        let mut job = Job::<BestEffort>::new("test", parallel(1));
        let numbers = job.source(records(vec![1_u64])).event_time_by(|_| Timestamp::MIN, monotonous());
        let $keyed = numbers.key_by(|n| n);
        $stream.map(|_| 0_u8).sink(print());
        job.build().map(|_| ()).expect_err("the job is not well formed").to_string()
    }};
}

#[test]
fn sizes_of_zero_are_mistakes() {
    let said = mistake!(|keyed| keyed.window(count(0)).aggregate(|of| of.count()));
    assert!(said.contains("builds.rs") && said.contains("`count(..)` takes 1 or more elements"), "{said}");
    let said = mistake!(|keyed| keyed.window(count(5).slide(0)).aggregate(|of| of.count()));
    assert!(said.contains("builds.rs") && said.contains("`.slide(..)` takes 1 or more"), "{said}");
    let windows = tumbling(1.seconds());
    let said = mistake!(|keyed| keyed.window(windows).trigger(triggers::count(0)).aggregate(|of| of.count()));
    assert!(said.contains("builds.rs") && said.contains("`triggers::count(..)` takes 1 or more"), "{said}");
    let trigger = triggers::purging(triggers::continuous(Duration::from_micros(999)));
    let said = mistake!(|keyed| keyed.window(windows).trigger(trigger).aggregate(|of| of.count()));
    assert!(said.contains("builds.rs") && said.contains("takes a millisecond or more"), "{said}");
    let said = mistake!(|keyed| keyed.window(windows).evictor(evictors::count(0)).apply(|_, _, _| Some(1_u8)));
    assert!(said.contains("builds.rs") && said.contains("`evictors::count(..)` takes 1 or more"), "{said}");
    let evictor = evictors::time(Duration::ZERO);
    let said = mistake!(|keyed| keyed.window(windows).evictor(evictor).apply(|_, _, _| Some(1_u8)));
    assert!(said.contains("builds.rs") && said.contains("`evictors::time(..)` takes a millisecond"), "{said}");
}
