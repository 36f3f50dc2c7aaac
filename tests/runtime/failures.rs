//! What happens when something goes wrong, and when a job is told to stop: who is named, that everything stops, what is committed and what is aborted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use millstream::{
    connectors::generate::generate_unbounded,
    failure::Location,
    operator::{Failure, OpenContext, Operator},
    prelude::*,
    runtime::restart::RestartStrategy,
    settings::Settings,
};
use millstream_testkit::SimEnv;

use crate::{
    script::{Discovery, Script, Step},
    spy::{Seen, Spy, Wrong},
    support::{Simulated, fails, parallel, run, seeds, sorted},
};

const THIS: &str = file!();

/// Where the next line of the caller stands.
#[track_caller]
fn next_line() -> u32 {
    Location::caller().line + 1
}

/// An endless source beside what fails: the job ends only if it is stopped.
fn endless(job: &mut Job) {
    job.source(generate_unbounded(1, |_, index| index)).filter(|_| false).sink(Spy::new(Wrong::Nothing));
}

#[test]
fn a_panic_names_the_operator_and_its_place_and_the_process_lives() {
    for seed in seeds() {
        let line = std::cell::Cell::new(0);
        let spy = Spy::new(Wrong::Nothing);
        let job = Simulated::start(seed, parallel(2), |job| {
            endless(job);
            line.set(next_line());
            let odd = job.source(records((0..100_000).collect::<Vec<u64>>())).map(|number| {
                assert!(number != 77_777, "no such number");
                number
            });
            odd.inspect(|_| {}).sink(spy.clone());
        });
        let failure = job.wait().expect_err("a panic fails the job");
        assert_eq!(failure.operator(), Some("map"));
        let location = failure.location().expect("an operator stands somewhere");
        assert_eq!((location.file, location.line), (THIS, line.get()));
        assert!(failure.message().starts_with(&format!("panicked at {THIS}:")), "{failure}");
        assert!(failure.message().ends_with(": no such number"), "{failure}");
        let Seen { commits, aborts, .. } = spy.seen();
        assert_eq!((commits, aborts), (0, 1));

        let results = collect();
        run(seed, parallel(2), |job| job.source(records(vec![1_u64, 2])).sink(results.sink()));
        assert_eq!(sorted(results.take()), [1, 2]);
    }
}

/// Each user function that can panic, and whom it is blamed on.
#[test]
fn a_panic_anywhere_is_blamed_on_whose_function_it_was() {
    fn numbers(job: &mut Job) -> impl Stream<Out = u64, Time = NoTime> {
        job.source(records(vec![1_u64, 2, 3])).inspect(|_| {})
    }
    fn of(build: impl FnOnce(&mut Job)) -> String {
        let failure = fails(1, parallel(2), build);
        assert!(failure.message().contains("panicked at tests/runtime/"), "{failure}");
        assert!(failure.location().is_some(), "{failure}");
        failure.operator().unwrap_or_default().to_owned()
    }
    fn boom<T>() -> T {
        panic!("boom")
    }
    fn rejects(_: u64) -> Result<u64, String> {
        Err("no".into())
    }
    let spy = || Spy::new(Wrong::Nothing);
    assert_eq!(of(|job| numbers(job).filter(|_| boom::<bool>()).sink(spy())), "filter");
    assert_eq!(of(|job| numbers(job).flat_map(|_| boom::<Vec<u64>>()).sink(spy())), "flat_map");
    assert_eq!(of(|job| numbers(job).map(|_| boom::<u64>()).name("clean").sink(spy())), "map clean");
    assert_eq!(of(|job| numbers(job).key_by(|_| boom::<u64>()).map(|n| n).sink(spy())), "key_by");
    assert_eq!(of(|job| numbers(job).partition_by(|_, _| boom()).sink(spy())), "partition_by");
    assert_eq!(
        of(|job| {
            let (left, right) = numbers(job).split(|_| boom());
            left.sink(spy());
            right.sink(spy());
        }),
        "split"
    );
    assert_eq!(
        of(|job| {
            let (good, bad) = numbers(job).map(rejects).divert_errors_with(|_, _| boom::<u64>());
            good.sink(spy());
            bad.sink(spy());
        }),
        "map"
    );
    assert_eq!(of(|job| numbers(job).event_time_by(|_| boom(), monotonous()).sink(spy())), "event_time");
    assert_eq!(
        of(|job| numbers(job).event_time_by(|_| Timestamp::MIN, punctuated(|_, _| boom())).sink(spy())),
        "event_time"
    );
    assert_eq!(
        of(|job| numbers(job)
            .key_by(|_| boom::<u64>())
            .window(global())
            .aggregate(|of| of.count())
            .map(|_| 1_u64)
            .sink(spy())),
        "window"
    );
    assert_eq!(
        of(|job| {
            let reduced = numbers(job).key_by(|_| 1_u64).window(global()).reduce(|_, _| boom());
            reduced.map(|_| 1_u64).sink(spy());
        }),
        "window"
    );
    assert_eq!(of(|job| numbers(job).sink(Spy::new(Wrong::WritePanics))), "sink spy");
}

/// Goes wrong when it is opened or closed.
#[derive(Clone)]
struct Hook {
    open: fn() -> Result<(), Failure>,
    close: fn() -> Result<(), Failure>,
}

impl Operator<u64> for Hook {
    type Out = u64;
    type Error = std::convert::Infallible;
    const KIND: &'static str = "hook";

    fn open(&mut self, _: &OpenContext<'_>) -> Result<(), Failure> {
        (self.open)()
    }

    fn process<N: Push<u64>>(&mut self, record: u64, at: Timestamp, out: &mut N) -> Result<(), Self::Error> {
        out.push(record, at);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        (self.close)()
    }
}

#[test]
fn open_and_close_fail_the_job_in_their_operators_name() {
    let good = || Ok(());
    let bad = || Err(Failure::new("no licence"));
    let hooks: [(Hook, &str); 4] = [
        (Hook { open: bad, close: good }, "no licence"),
        (Hook { open: || panic!("no memory"), close: good }, "no memory"),
        (Hook { open: good, close: bad }, "no licence"),
        (Hook { open: good, close: || panic!("no memory") }, "no memory"),
    ];
    for (hook, why) in hooks {
        let spy = Spy::new(Wrong::Nothing);
        let failure = fails(2, parallel(2), |job| {
            job.source(records(vec![1_u64])).operator(hook).sink(spy.clone());
        });
        assert_eq!(failure.operator(), Some("hook"), "{failure}");
        assert!(failure.location().is_some() && failure.message().ends_with(why), "{failure}");
        assert_eq!((spy.seen().commits, spy.seen().aborts), (0, 1));
    }
}

#[test]
fn a_sink_that_fails_stops_the_job_and_is_aborted_once() {
    for wrong in [Wrong::Write, Wrong::WritePanics, Wrong::Flush, Wrong::Prepare, Wrong::Commit, Wrong::CommitPanics] {
        for seed in seeds() {
            let spy = Spy::new(wrong);
            let failure = fails(seed, parallel(3), |job| {
                // What is beside it ends by itself where the sink fails only at the end.
                if matches!(wrong, Wrong::Write | Wrong::WritePanics | Wrong::Flush) {
                    endless(job);
                }
                job.source(records((0..100).collect::<Vec<u64>>())).rebalance().sink(spy.clone());
            });
            assert!(failure.operator().is_some_and(|operator| operator.contains("sink spy")), "{failure}");
            assert_eq!((spy.seen().commits, spy.seen().aborts), (0, 1), "{failure}");
        }
    }
}

#[test]
fn what_was_committed_before_another_sinks_commit_failed_is_not_aborted() {
    let (first, second) = (Spy::new(Wrong::Nothing), Spy::new(Wrong::Commit));
    let third = Spy::new(Wrong::Nothing);
    let failure = fails(3, parallel(1), |job| {
        let [a, b, c] = job.source(records(vec![1_u64])).forks();
        a.sink(first.clone());
        b.sink(second.clone());
        c.sink(third.clone());
    });
    assert_eq!(failure.operator(), Some("sink spy"));
    assert_eq!(failure.message(), "the directory is gone");
    assert_eq!((first.seen().commits, first.seen().aborts), (1, 0));
    assert_eq!((second.seen().commits, second.seen().aborts), (0, 1));
    assert_eq!((third.seen().commits, third.seen().aborts), (0, 1));
}

#[test]
fn an_abort_that_panics_hides_neither_the_failure_nor_the_other_aborts() {
    let (first, second) = (Spy::new(Wrong::AbortPanics), Spy::new(Wrong::Nothing));
    let failure = fails(3, parallel(1), |job| {
        let (a, b) = job.source(records(vec![1_u64])).fork();
        a.map(|_| -> Result<u64, &str> { Err("nothing fits") }).sink(first.clone());
        b.sink(second.clone());
    });
    assert!(failure.message().starts_with("nothing fits"), "{failure}");
    assert_eq!((first.seen().aborts, second.seen().aborts), (1, 1));
}

#[test]
fn a_source_that_fails_stops_the_job() {
    for seed in seeds() {
        let failure = fails(seed, parallel(2), |job| {
            endless(job);
            let steps =
                vec![Step::Record(1_u64), Step::Wait(Duration::from_millis(20)), Step::Fail("the peer hung up")];
            job.source(Script::steps(vec![steps])).sink(Spy::new(Wrong::Nothing));
        });
        assert_eq!((failure.operator(), failure.message()), (Some("source script"), "the peer hung up"));
    }
}

/// A job that ends only when it is told to; `discovery` is how its first source looks for splits.
fn unending(seed: u64, discovery: Discovery, spy: &Spy) -> Simulated {
    Simulated::start(seed, parallel(2), |job| {
        let never = Script::steps(vec![vec![Step::Record(1_u64), Step::Never]]).unbounded().discovery(discovery);
        job.source(never).sink(spy.clone());
        job.source(generate_unbounded(1, |_, index| index).rate(1000.0)).rebalance().sink(spy.clone());
    })
}

const DISCOVERIES: [Discovery; 3] = [Discovery::Once, Discovery::ForEver(Duration::from_secs(10)), Discovery::Stuck];

#[test]
fn a_cancelled_job_ends_and_commits_nothing() {
    for (seed, discovery) in seeds().flat_map(|seed| DISCOVERIES.map(|discovery| (seed, discovery))) {
        let spy = Spy::new(Wrong::Nothing);
        let job = unending(seed, discovery, &spy);
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(5)));
        job.job.cancel();
        let failure = job.wait().expect_err("it did not end well");
        assert!(failure.is_cancelled(), "{failure}");
        assert!(spy.seen().written > 1000);
        assert_eq!((spy.seen().commits, spy.seen().aborts), (0, 2));
    }
}

#[test]
fn a_drained_job_commits_what_it_has_read() {
    for (seed, discovery) in seeds().flat_map(|seed| DISCOVERIES.map(|discovery| (seed, discovery))) {
        let spy = Spy::new(Wrong::Nothing);
        let job = unending(seed, discovery, &spy);
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(5)));
        job.job.drain();
        job.wait().expect("a drained job ends well");
        let Seen { written, commits, committed, aborts } = spy.seen();
        assert!(written > 1000);
        assert_eq!((commits, committed, aborts), (2, written, 0));
    }
}

#[test]
fn a_drained_job_fires_its_windows() {
    let results = collect();
    let job = Simulated::start(5, parallel(2), |job| {
        let numbers = job.source(generate_unbounded(1, |_, index| index).rate(100.0));
        numbers
            .key_by(|_| 0_u64)
            .window(global())
            .aggregate(|of| of.count())
            .map(|(_, _, count)| count)
            .sink(results.sink());
    });
    job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(5)));
    job.job.drain();
    job.wait().expect("a drained job ends well");
    let counts = results.take();
    assert!(counts.len() == 1 && counts[0] > 100, "{counts:?}");
}

#[test]
fn cancel_before_anything_ran_is_a_cancelled_job() {
    let spy = Spy::new(Wrong::Nothing);
    let job = Simulated::start(1, parallel(2), |job| job.source(records(vec![1_u64])).sink(spy.clone()));
    job.job.cancel();
    assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    assert_eq!((spy.seen().commits, spy.seen().aborts), (0, 1));
}

#[test]
fn a_job_without_its_handle_runs_on() {
    let sim = SimEnv::new(9);
    let spy = Spy::new(Wrong::Nothing);
    let graph = crate::support::graph(parallel(2), |job| job.source(records(vec![1_u64, 2])).sink(spy.clone()));
    drop(millstream::local::start(graph, sim.clone()));
    sim.block_on(millstream::env::Env::sleep(&*sim, Duration::from_secs(60)));
    assert_eq!((spy.seen().commits, spy.seen().committed), (1, 2));
    sim.drop_tasks();
}

#[test]
fn everyone_who_waits_hears_the_same() {
    let job = Simulated::start(1, parallel(1), |job| {
        job.source(records(vec![1_u64]))
            .map(|_| -> Result<u64, &str> { Err("nothing fits") })
            .sink(Spy::new(Wrong::Nothing));
    });
    let first = job.wait();
    assert!(first.is_err());
    assert_eq!(job.wait(), first);
}

#[test]
fn a_pinned_split_is_waited_for_without_spinning() {
    for seed in seeds() {
        let results = collect();
        let slow = |number| vec![Step::Wait(Duration::from_secs(10)), Step::Record(number)];
        // Subtask 1 is done at once, and has to wait while the splits of the other one are in the queue.
        let splits = vec![slow(0_u64), vec![Step::Record(1)], slow(2), vec![Step::Record(3)], slow(4), vec![], slow(6)];
        let script = Script::steps(splits).discovery(Discovery::Pinned);
        let asked = script.asked();
        run(seed, parallel(2), |job| job.source(script).sink(results.sink()));
        assert_eq!(sorted(results.take()), [0, 1, 2, 3, 4, 6], "seed {seed}");
        let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
        assert!(asked < 40, "asked {asked} times for seven splits (seed {seed})");
    }
}

#[test]
fn what_no_channel_connects_with_the_part_that_has_failed_goes_on() {
    for seed in seeds() {
        let restart = Some(RestartStrategy::FixedDelay { attempts: 1, delay: Duration::from_millis(10) });
        let (fails, seen) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (here, there) = (collect(), collect());
        let job = run(seed, Settings { restart, ..parallel(2) }, |job| {
            let fails = Arc::clone(&fails);
            let numbers = job.source(generate(1_000, 1, |_, index| index).rate(20_000.0));
            let failing = numbers.map(move |n| match n == 500 && fails.swap(false, SeqCst) {
                true => Err("once".to_owned()),
                false => Ok(n),
            });
            failing.sink(here.sink());
            let seen = Arc::clone(&seen);
            let others = job.source(generate(1_000, 1, |_, index| index).rate(20_000.0));
            let others = others.inspect(move |_| {
                seen.fetch_add(1, SeqCst);
            });
            others.sink(there.sink());
        });
        let status = job.job.status();
        assert_eq!((status.restarts(), status.failures.len()), (1, 1), "seed {seed}");
        assert_eq!(status.failures[0].operator(), Some("map"), "seed {seed}: {:?}", status.failures);
        let (mut all, once) = (sorted(here.take()), sorted(there.take()));
        assert!(all.len() > 1_000, "seed {seed}: what is collected stays, and comes again");
        all.dedup();
        assert!(all == once && once == (0..1_000).collect::<Vec<u64>>(), "seed {seed}");
        assert_eq!(seen.load(SeqCst), 1_000, "seed {seed}: they were read once");
    }
}
