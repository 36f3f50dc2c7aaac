//! `.throttle(..)` and `.sample(..)`: how fast records come through, in which order and by which clock; and which ones are kept, whatever happens.

use std::time::Duration;

use millstream::{connectors::generate, env::Env, graph::render, prelude::*};

use crate::{
    checkpoints::{settings, simulate},
    interrupted::lives,
    script::{Script, Step},
    support::{Simulated, graph, ms, parallel, run, seeds, sorted},
};

#[test]
fn so_many_come_through_in_a_second_by_the_clock_of_the_environment() {
    for seed in seeds() {
        let (results, parallelism) = (collect(), 1 + (seed % 3) as usize);
        let job = Simulated::start(seed, parallel(parallelism), |job| {
            let numbers = job.source(generate(1_000, 1, |_, n| n));
            numbers.rebalance().throttle(100.per_second()).sink(results.sink());
        });
        let mut seen = Vec::<u64>::new();
        for second in 1..=9_u64 {
            job.sim.block_on(Env::sleep(&*job.sim, Duration::from_secs(1)));
            seen.extend(results.take());
            let came = seen.len() as u64;
            assert!(came <= second * 100 + parallelism as u64, "seed {seed}: {came} after {second} s");
            assert!(came + 5 >= second * 100, "seed {seed}: no more than {came} after {second} s");
        }
        job.wait().expect("it ends when all are through");
        seen.extend(results.take());
        assert_eq!(sorted(seen), (0..1_000).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn records_and_watermarks_keep_their_order() {
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(1), |job| {
            let numbers = job.source(Script::records(vec![(0..500_i64).collect()]));
            let numbers = numbers.event_time_by(ms, punctuated(|_, at| Some(at))).throttle(1_000.per_second());
            let counts =
                numbers.key_by(|_| 0_u8).window(tumbling(100.milliseconds())).aggregate(|of| of.collect(|n| n));
            counts.map(|(_, window, numbers)| (window.start.millis(), numbers.to_vec())).sink(results.sink());
        });
        let windows = (0..5).map(|n| (n * 100, (n * 100..n * 100 + 100).collect::<Vec<_>>()));
        assert_eq!(results.take(), windows.collect::<Vec<_>>(), "seed {seed}: none is late");
    }
}

/// What has come through is written out, and the watermark behind it comes, though the next record has to wait.
#[test]
fn what_is_through_does_not_wait_for_what_is_not() {
    let results = collect();
    let job = Simulated::start(1, parallel(1), |job| {
        let steps = vec![Step::Record(1_i64), Step::Record(1_000), Step::Record(2_000), Step::Never];
        let numbers = job.source(Script::steps(vec![steps]).unbounded());
        let numbers = numbers.event_time_by(ms, punctuated(|_, at| Some(at))).throttle(1.per_minute());
        let windows = numbers.key_by(|_| 0_u8).window(tumbling(1.seconds())).aggregate(|of| of.count());
        windows.map(|(_, window, _)| window.start.millis()).sink(results.sink());
    });
    job.sim.block_on(Env::sleep(&*job.sim, Duration::from_secs(59)));
    assert_eq!(results.take(), Vec::<i64>::new());
    job.sim.block_on(Env::sleep(&*job.sim, Duration::from_secs(2)));
    assert_eq!(results.take(), [0], "the second one is through");
    job.job.cancel();
    assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
}

#[test]
fn a_throttled_job_goes_on_from_checkpoints_and_counts_each_record_once() {
    for seed in seeds() {
        let parts = lives(seed, &collect(), |dir, parallelism, results| {
            let mut settings = settings(dir, parallelism, Duration::from_millis(5));
            (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
            let mut job = Job::<ExactlyOnce>::new("throttled", settings);
            let numbers = job.source(generate(20_000, 1, |_, n| n).rate(60_000.0)).uid("numbers");
            numbers.key_by(|n| n % 10).throttle(50_000.per_second()).sample(1.0).rebalance().sink(results.sink());
            job.build().expect("the job is well formed")
        });
        assert!(parts[1].len() + parts[2].len() > 100, "seed {seed}: it goes on");
        assert!(sorted(parts.concat()).into_iter().eq(0..20_000), "seed {seed}");
    }
}

#[test]
fn barriers_overtake_what_waits_for_its_slot() {
    let dir = tempfile::tempdir().expect("there is room");
    let mut settings = settings(dir.path(), 2, Duration::from_secs(1));
    settings.checkpoints.alignment_timeout = Duration::from_millis(100);
    // So little that the source is held up, too.
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    let results = collect();
    let mut job = Job::<ExactlyOnce>::new("slow", settings);
    let numbers = job.source(generate(1_000_000, 1, |_, n| n)).key_by(|n| n % 10);
    numbers
        .throttle(10.per_second())
        .key_by(|n| n % 10)
        .rolling(|of| of.count())
        .uid("counts")
        .map(|(n, _)| n)
        .sink(results.sink());
    let graph = job.build().expect("the job is well formed");
    simulate(1, graph, async |sim, job| {
        sim.sleep(Duration::from_secs(10)).await;
        let completed = job.status().checkpoints.completed;
        assert!(completed > 4, "{completed}: what is in front of them would take hours");
        job.cancel();
        assert!(job.wait().await.is_err_and(|failure| failure.is_cancelled()));
    });
}

/// The numbers that are kept, in their order.
fn kept(seed: u64, parallelism: usize, fraction: f64) -> Vec<u64> {
    let results = collect();
    run(seed, parallel(parallelism), |job| {
        let numbers = job.source(generate(20_000, 1, |_, n| n)).rebalance();
        numbers.sample(fraction).sink(results.sink());
    });
    sorted(results.take())
}

#[test]
fn a_sample_is_the_same_one_at_any_parallelism_and_in_any_order() {
    let sample = kept(1, 1, 0.1);
    assert!((1_850..2_150).contains(&sample.len()), "about a tenth: {}", sample.len());
    for (seed, parallelism) in [(2, 1), (3, 2), (4, 3)] {
        assert_eq!(kept(seed, parallelism, 0.1), sample, "x{parallelism}");
    }
    assert!(kept(1, 2, 0.0).is_empty());
    assert_eq!(kept(1, 2, 1.0).len(), 20_000);
}

#[test]
fn each_sample_chooses_for_itself() {
    let (twice, other) = (collect(), collect());
    run(1, parallel(2), |job| {
        let (a, b) = job.source(generate(20_000, 1, |_, n| n)).fork();
        a.sample(0.5).sample(0.5).sink(twice.sink());
        b.sample(0.5).sink(other.sink());
    });
    let (twice, other): (Vec<u64>, Vec<u64>) = (twice.take(), other.take());
    assert!((4_700..5_300).contains(&twice.len()), "a quarter: {}", twice.len());
    let both = twice.iter().filter(|n| other.contains(n)).count();
    assert!((2_200..2_800).contains(&both), "of which the other has half: {both}");
}

#[test]
fn what_would_let_nothing_through_or_is_no_share_is_no_job() {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    let numbers = job.source(Script::records(vec![vec![1_u64]]));
    numbers.throttle(0.per_second()).sample(1.5).sink(collect().sink());
    let mistakes = job.build().map(|_| ()).expect_err("there are mistakes").mistakes;
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes[0].contains("`throttle(0 per second)` would let nothing through"), "{mistakes:?}");
    assert!(mistakes[1].contains("`sample(1.5)` is no share of the records"), "{mistakes:?}");
}

#[test]
fn plans_show_the_rate() {
    let graph = graph(parallel(2), |job| {
        let numbers = job.source(Script::records(vec![vec![1_u64]]));
        numbers.sample(0.5).throttle(90.per_minute()).sink(print());
    });
    let tree = "job test (best effort)\n└─ source script -> sample x2\n   └─ [forward: u64] throttle (90 per minute) -> sink print x2\n";
    assert_eq!(render::tree(&graph), tree);
}
