//! Watermarks as they are seen through windows: what waits for whom, what is late, and who is left out because it is idle.

use std::time::Duration;

use millstream::{env::Env, prelude::*};

use crate::{
    script::{Script, Step},
    support::{Simulated, ms, parallel, run, seeds, sorted},
    windows::{Event, event},
};

fn at(at: i64) -> Step<Event> {
    Step::Record(event(1, 1, at))
}

fn pause(millis: u64) -> Step<Event> {
    Step::Wait(Duration::from_millis(millis))
}

/// Count by start of one-second windows; `collect` sees each as it fires.
fn windows<S>(events: S, results: &millstream::connectors::Collect<(i64, u64)>)
where
    S: Stream<Out = Event, Time = EventTime>,
{
    events
        .key_by(|event| event.key)
        .window(tumbling(1.seconds()))
        .aggregate(|of| of.count())
        .map(|(_, window, count)| (window.start.millis(), count))
        .sink(results.sink());
}

#[test]
fn nothing_of_several_splits_is_late() {
    // Each split covers all of the time, and each is slow enough for many watermarks: had one passed before the last split was begun, the records of
    // that split would be late.
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2, 3].map(|parallelism| (seed, parallelism))) {
        for hops in [false, true] {
            let results = collect();
            let split = |first: i64| {
                let steps = (0..20).flat_map(move |i| [at(first + i * 250), pause(100)]);
                steps.collect::<Vec<_>>()
            };
            let job = run(seed, parallel(parallelism), |job| {
                let events = job.source(Script::steps((0..5).map(split).collect())).event_time(monotonous());
                // More hops give idleness and watermarks more ways to overtake each other.
                if hops { windows(events.sealed(), &results) } else { windows(events, &results) }
            });
            let expected: Vec<_> = (0..5).map(|second| (second * 1000, 20)).collect();
            assert_eq!(sorted(results.take()), expected, "seed {seed} x{parallelism}");
            assert_eq!(job.counted("late_records"), 0, "seed {seed} x{parallelism}");
        }
    }
}

#[test]
fn a_source_can_give_its_records_their_times() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2, 3].map(|parallelism| (seed, parallelism))) {
        let results = collect();
        let job = run(seed, parallel(parallelism), |job| {
            // Two records in a millisecond, so a hundred thousand of them are fifty seconds, in several splits.
            let numbers = generate(100_000, 7, |_, index| index).event_time(|index| ms(index as i64 / 2));
            job.source(numbers)
                .watermarks(monotonous())
                .key_by(|number| number % 3)
                .window(tumbling(1.seconds()))
                .aggregate(|of| of.count())
                .map(|(_, window, count)| (window.start.millis(), count))
                .sink(results.sink());
        });
        let counts: Vec<(i64, u64)> = results.take();
        assert_eq!(counts.len(), 50 * 3, "seed {seed} x{parallelism}");
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 100_000, "seed {seed} x{parallelism}");
        assert_eq!(job.counted("late_records"), 0, "seed {seed} x{parallelism}");
    }
}

#[test]
fn a_split_that_was_just_taken_holds_the_others_back() {
    // The first split is far ahead at once. Its watermark must not pass while it is still on its way that the other subtask has a split, too.
    for seed in 0..100 {
        let results = collect();
        let job = run(seed, parallel(2), |job| {
            let steps = vec![vec![at(10_000), pause(300)], vec![at(0), pause(300), at(1)]];
            let events = job.source(Script::steps(steps)).event_time(monotonous());
            windows(events.sealed().new_chain(), &results);
        });
        assert_eq!(sorted(results.take()), [(0, 2), (10_000, 1)], "seed {seed}");
        assert_eq!(job.counted("late_records"), 0, "seed {seed}");
    }
}

#[test]
fn the_watermark_is_the_greatest_time_less_the_bound_less_a_millisecond() {
    // The window [0, 1000) fires at watermark 999: by a record at 1500 if the bound is 500 ms, and not by one at 1499.
    for (last, fires) in [(1_499, false), (1_500, true)] {
        for seed in seeds() {
            let results = collect();
            let job = Simulated::start(seed, parallel(1), |job| {
                let steps = vec![at(0), pause(1000), at(last), Step::Never];
                let events = job.source(Script::steps(vec![steps]).unbounded());
                windows(events.event_time(out_of_order(Duration::from_millis(500))), &results);
            });
            job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(3)));
            assert_eq!(results.take(), if fires { vec![(0, 1)] } else { vec![] }, "seed {seed}, last at {last}");
            job.job.cancel();
            assert!(job.wait().is_err());
        }
    }
}

#[test]
fn a_punctuation_passes_at_once() {
    for seed in seeds() {
        let results = collect();
        // No interval passes in this job's life: a periodic watermark would come too late.
        let settings = millstream::settings::Settings { watermark_interval: Duration::from_secs(3600), ..parallel(1) };
        let job = Simulated::start(seed, settings, |job| {
            let marked = Step::Record(event(1, 77, 1_200));
            let steps = vec![at(0), at(2_000), marked, at(900), Step::Never];
            let strategy = punctuated(|event: crate::windows::EventView<'_>, at| (event.value == 77).then_some(at));
            windows(job.source(Script::steps(vec![steps]).unbounded()).event_time(strategy), &results);
        });
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(1)));
        assert_eq!(results.take(), [(0, 1)], "seed {seed}");
        assert_eq!(job.counted("late_records"), 1, "seed {seed}");
        job.job.cancel();
        assert!(job.wait().is_err());
    }
}

#[test]
fn late_records_are_counted_and_handed_out() {
    for seed in seeds() {
        for parallelism in [1, 3] {
            let (results, late) = (collect(), collect());
            let job = run(seed, parallel(parallelism), |job| {
                let steps = vec![at(0), at(3_000), pause(1000), at(500), at(1_000), at(2_999), at(3_001), pause(1000)];
                let events = job.source(Script::steps(vec![steps])).event_time(monotonous());
                let (windows, out) = events.key_by(|event| event.key).window(tumbling(1.seconds())).with_late();
                windows
                    .aggregate(|of| of.count())
                    .map(|(_, window, count)| (window.start.millis(), count))
                    .sink(results.sink());
                out.map(|event| event.at).sink(late.sink());
            });
            // The watermark is 2999 when the four come: three are in windows that have fired.
            assert_eq!(sorted(results.take()), [(0, 1), (3_000, 2)], "seed {seed}");
            assert_eq!(late.take(), [ms(500), ms(1_000), ms(2_999)], "seed {seed}: in their order");
            assert_eq!(job.counted("late_records"), 3, "seed {seed}");
        }
    }
}

/// One split goes on and on, the other one falls silent after its first record. Both are read at once.
fn silent(seed: u64, idleness: bool) -> (Vec<(i64, u64)>, u64) {
    let results = collect();
    let job = Simulated::start(seed, parallel(2), |job| {
        let steady = (0..40).flat_map(|i| [at(i * 250), pause(250)]).chain([Step::Never]).collect();
        let steps = vec![steady, vec![at(0), Step::Never]];
        let events = job.source(Script::steps(steps).unbounded());
        if idleness {
            windows(events.event_time(monotonous().with_idleness(2.seconds())), &results);
        } else {
            windows(events.event_time(monotonous()), &results);
        }
    });
    job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(15)));
    job.job.cancel();
    assert!(job.wait().is_err());
    (sorted(results.take()), job.counted("late_records"))
}

#[test]
fn a_silent_input_holds_others_back_unless_it_counts_as_idle() {
    for seed in seeds() {
        assert_eq!(silent(seed, false), (vec![], 0), "seed {seed}");
        let (fired, late) = silent(seed, true);
        let expected: Vec<_> = (0..9).map(|second| (second * 1000, if second == 0 { 5 } else { 4 })).collect();
        assert_eq!((fired, late), (expected, 0), "seed {seed}");
    }
}

#[test]
fn what_an_idle_input_sent_before_counts_and_what_it_sends_after_may_be_late() {
    for seed in seeds() {
        for hops in [false, true] {
            let results = collect();
            let late = collect();
            let job = run(seed, parallel(2), |job| {
                let steady = (0..40).flat_map(|i| [at(i * 250), pause(250)]).collect();
                // Idle from second 2 to 8; then a record of the window that the others have closed meanwhile, and one that is still in time.
                let silent = vec![at(10), at(20), pause(8_000), at(900), at(9_900)];
                let events = job.source(Script::steps(vec![steady, silent]).unbounded());
                let events = events.event_time(monotonous().with_idleness(1.seconds()));
                let keyed = if hops { events.sealed() } else { events.forward() }.key_by(|event| event.key);
                let (windows, out) = keyed.window(tumbling(1.seconds())).with_late();
                windows
                    .aggregate(|of| of.count())
                    .map(|(_, window, count)| (window.start.millis(), count))
                    .sink(results.sink());
                out.map(|event| event.at).sink(late.sink());
            });
            let expected = (0..10).map(|second| (second * 1000, 4 + [2, 0, 0, 0, 0, 0, 0, 0, 0, 1][second as usize]));
            assert_eq!(sorted(results.take()), expected.collect::<Vec<_>>(), "seed {seed}");
            assert_eq!((late.take(), job.counted("late_records")), (vec![ms(900)], 1), "seed {seed}");
        }
    }
}

#[test]
fn time_that_is_given_again_is_of_its_own_kind() {
    // Windows of windows: the second event time is that of the results, and the watermarks of the first do not count for it.
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(2), |job| {
            let events = (0..100).map(|i| event(i as u64 % 3, 1, i * 100)).collect();
            job.source(Script::records(vec![events]))
                .event_time(monotonous())
                .key_by(|event| event.key)
                .window(tumbling(1.seconds()))
                .aggregate(|of| of.count())
                .map(|(key, window, count)| Event { key, value: count, at: window.start })
                .event_time(out_of_order(1.seconds()))
                .key_by(|_| 0_u64)
                .window(tumbling(5.seconds()))
                .aggregate(|of| of.sum(|event| event.value))
                .map(|(_, window, sum)| (window.start.millis(), sum))
                .sink(results.sink());
        });
        assert_eq!(sorted(results.take()), [(0, 50_i128), (5_000, 50)], "seed {seed}");
    }
}

#[test]
fn ingestion_time_is_that_of_the_clock_and_windows_fire_though_nothing_comes() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2, 3].map(|parallelism| (seed, parallelism))) {
        for hops in [false, true] {
            let results = collect();
            let job = Simulated::start(seed, parallel(parallelism), |job| {
                // Three in the first second, two in the third, then nothing. Their own times are long past.
                let steps = vec![pause(100), at(5), at(9), at(1), pause(2_500), at(7), at(3), Step::Never];
                let events = job.source(Script::steps(vec![steps]).unbounded());
                let events =
                    if hops { events.rebalance().ingestion_time().sealed() } else { events.ingestion_time().sealed() };
                windows(events, &results);
            });
            let (began, wall) = (job.sim.wall(), |at: i64| at / 1000 * 1000);
            job.sim.block_on(job.sim.sleep(Duration::from_secs(6)));
            let first = began.millis() + 100;
            assert_eq!(
                sorted(results.take()),
                [(wall(first), 3), (wall(first + 2_500), 2)],
                "seed {seed} x{parallelism}"
            );
            assert_eq!(job.counted("late_records"), 0, "seed {seed} x{parallelism}");
            job.job.cancel();
            assert!(job.wait().is_err());
        }
    }
}

#[test]
fn ingestion_time_does_not_wait_for_splits() {
    // A split that nobody reads yet holds event time back, but the time of its records is still to come.
    for seed in seeds() {
        let results = collect();
        let job = Simulated::start(seed, parallel(1), |job| {
            let scripts = vec![vec![pause(100), at(1), Step::Never], vec![at(2)]];
            windows(job.source(Script::steps(scripts)).ingestion_time(), &results);
        });
        job.sim.block_on(job.sim.sleep(Duration::from_secs(5)));
        assert_eq!(results.take().into_iter().map(|(_, count)| count).collect::<Vec<_>>(), [1], "seed {seed}");
        job.job.cancel();
        assert!(job.wait().is_err());
    }
}

#[test]
fn a_bounded_split_that_waits_holds_event_time_back_and_one_that_has_ended_does_not() {
    for seed in seeds() {
        for (second, fires) in [(vec![at(2_000), Step::Never], vec![(0, 1)]), (vec![Step::Never], vec![])] {
            let results = collect();
            let job = Simulated::start(seed, parallel(1), |job| {
                // The first one ends at 10 ms of event time, which is all that holds the window open once the second one is read.
                let steps = vec![vec![at(10), pause(2_000)], second.clone()];
                windows(job.source(Script::steps(steps)).event_time(monotonous()), &results);
            });
            job.sim.block_on(job.sim.sleep(Duration::from_secs(1)));
            assert_eq!(results.take(), [], "seed {seed}: the second split waits");
            job.sim.block_on(job.sim.sleep(Duration::from_secs(4)));
            assert_eq!(results.take(), fires, "seed {seed}");
            job.job.cancel();
            assert!(job.wait().is_err());
        }
    }
}
