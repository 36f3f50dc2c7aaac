//! Back-pressure: a slow sink holds up its source, and what is in flight stays within its bound.

use std::time::Duration;

use millstream::{
    env::Env,
    metrics::Metric,
    prelude::*,
    settings::{CHANNEL_CREDIT_MAX_BYTES, CHANNEL_CREDIT_MIN_BYTES, Settings, StateBackend, StateSettings},
};

use crate::{
    spy::{FULL_RECORDS, Spy},
    support::{Simulated, parallel, seeds},
};

const RECORDS: u64 = 10_000_000;

/// The value of a metric of all chains whose name begins so.
fn of_chains(job: &Simulated, chain: &str, name: &str) -> u64 {
    let metrics = job.job.metrics().snapshot().into_iter();
    let chosen = metrics.filter(|(id, _)| id.operator.starts_with(chain) && id.name == name);
    chosen.map(|(_, metric)| if let Metric::Counter(counter) = metric { counter.get() } else { 0 }).sum()
}

/// A source of many records and a sink that takes a millisecond for each.
fn slow(job: &mut Job, spy: Spy) {
    job.source(generate(RECORDS, 1, |_, index| (index, "x".repeat(100)))).rebalance().map(|(index, _)| index).sink(spy);
}

#[test]
fn a_slow_sink_holds_up_its_source() {
    for seed in seeds() {
        for memory_bytes in [256 << 20, 128 << 10] {
            let settings = Settings { memory_bytes, buffer_bytes: 4 << 10, ..parallel(2) };
            let (channels, buffer_bytes) = (4, settings.buffer_bytes);
            let credit = (settings.network_bytes() / channels).min(CHANNEL_CREDIT_MAX_BYTES);
            let spy = Spy::slow(Duration::from_millis(1));
            let job = Simulated::start(seed, settings, |job| slow(job, spy.clone()));
            let mut written = 0;
            for _ in 0..20 {
                job.sim.block_on(job.sim.sleep(Duration::from_secs(1)));
                let in_flight = of_chains(&job, "source", "bytes_out") - of_chains(&job, "map", "bytes_in");
                // A buffer that exceeds the credit is sent still; its columns come on top of the size at which it is full.
                let bound = (channels * (credit + 2 * buffer_bytes)) as u64;
                assert!(in_flight <= bound, "{in_flight} bytes in flight, the bound is {bound} (seed {seed})");
                let seen = spy.seen().written;
                assert!(seen > written, "the job goes on (seed {seed})");
                written = seen;
            }
            // Two writers, a millisecond a record, one at a time each.
            assert!((30_000..=40_000 + 2 * FULL_RECORDS).contains(&written), "{written} records in 20 s (seed {seed})");
            assert!(of_chains(&job, "source", "backpressured_ns") > 15_000_000_000, "the source waited");
            job.job.cancel();
            assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
        }
    }
}

#[test]
fn a_job_whose_channels_get_too_little_memory_does_not_start() {
    let settings = Settings { memory_bytes: 16 << 10, ..parallel(2) };
    let failure = crate::support::fails(1, settings, |job| slow(job, Spy::slow(Duration::ZERO)));
    assert_eq!(
        failure.to_string(),
        format!(
            "the job has 4 channels, and the network's share of the memory (4096 bytes) gives each 1024 bytes, less than {CHANNEL_CREDIT_MIN_BYTES}\n\
             hint: raise the setting `memory`, as by `-D memory=1GiB`, or lower the parallelism"
        )
    );
}

/// Says to the child process of [`a_slow_sink_keeps_the_process_small`] that it is that.
#[cfg(target_os = "linux")]
const CHILD: &str = "MILLSTREAM_TEST_CHILD";

/// In a process of its own, on the real clock, so that the memory of other tests does not count.
#[cfg(target_os = "linux")]
#[test]
fn a_slow_sink_keeps_the_process_small() {
    if std::env::var_os(CHILD).is_some() {
        return slow_child();
    }
    let output = std::process::Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", "memory::a_slow_sink_keeps_the_process_small"])
        .env(CHILD, "1")
        .output()
        .expect("a test can run itself");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(target_os = "linux")]
fn slow_child() {
    use millstream::{env::TokioEnv, local};

    /// How many records have to come through before the memory is looked at: about two seconds' worth.
    const ENOUGH_RECORDS: u64 = 3_000;
    const MEMORY_KIB_LIMIT: u64 = 200 << 10;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("tokio starts").block_on(async {
        let env = TokioEnv::current();
        let spy = Spy::slow(Duration::from_millis(1));
        let job = local::start(crate::support::graph(parallel(2), |job| slow(job, spy.clone())), env.clone());
        while spy.seen().written < ENOUGH_RECORDS {
            env.sleep(Duration::from_millis(10)).await;
        }
        job.cancel();
        assert!(job.wait().await.is_err_and(|failure| failure.is_cancelled()));
    });
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it tells of its memory");
    let peak_kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("in KiB");
    assert!(peak_kib < MEMORY_KIB_LIMIT, "the process took {peak_kib} KiB");
}

/// The sum of a gauge of all operators.
fn gauge(job: &Simulated, name: &str) -> i64 {
    let metrics = job.job.metrics().snapshot().into_iter().filter(|(id, _)| id.name == name);
    metrics.map(|(_, metric)| if let Metric::Gauge(gauge) = metric { gauge.get() } else { 0 }).sum()
}

/// A million keys, each of which comes once.
fn many_keys(job: &mut Job, spy: Spy) {
    let keys = job.source(generate(RECORDS / 10, 1, |_, index| index)).key_by(|key| key);
    keys.rolling(|of| of.count()).map(|(key, _)| key).sink(spy);
}

#[test]
fn keyed_state_that_has_used_up_its_memory_goes_to_files() {
    const MEMORY: usize = 256 << 10;
    for backend in [StateBackend::Memory, StateBackend::Redb] {
        let mut settings = parallel(1);
        settings.state = StateSettings { backend, memory_bytes: Some(MEMORY), ..StateSettings::default() };
        let spy = Spy::slow(Duration::from_micros(20));
        let job = Simulated::start(1, settings, |job| many_keys(job, spy.clone()));
        job.sim.block_on(job.sim.sleep(Duration::from_secs(2)));
        assert!(spy.seen().written > 40_000, "{backend}: {} records", spy.seen().written);
        let (memory, files) = (gauge(&job, "state_bytes"), gauge(&job, "state_file_bytes"));
        assert!(memory < 2 * MEMORY as i64, "{backend}: {memory} bytes in memory");
        assert!(files > 40_000 * 16, "{backend}: {files} bytes in files");
        job.job.cancel();
        assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    }
}
