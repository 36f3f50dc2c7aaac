//! Times and sizes of a cluster.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    jobs::wall_nanos,
    processes::{Cluster, told},
};

const ROUNDS: usize = 5;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn show(name: &str, unit: &str, values: Vec<f64>) {
    let (low, high) = values.iter().fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
    println!("{name:<44} {:>9.1} {unit} (median of {}, {low:.1} to {high:.1})", median(values.clone()), values.len());
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn paced(cluster: &Cluster, rate: u64, seconds: u64, settings: &[(&str, &str)], spin: bool) -> String {
    let mut args = vec![
        "--rate".to_owned(),
        rate.to_string(),
        "--seconds".to_owned(),
        seconds.to_string(),
        "--began".to_owned(),
        wall_nanos().to_string(),
        "--out".to_owned(),
        cluster.out().display().to_string(),
    ];
    if spin {
        args.push("--spin".to_owned());
    }
    cluster.submit("paced", &args, settings)
}

/// From the start of all processes until both TaskManagers are registered.
pub(crate) fn ready() {
    let round = |_| {
        let began = Instant::now();
        let cluster = Cluster::start(1, 2, 2);
        cluster.until_ready(2);
        millis(began)
    };
    show("ready: 1 JobManager, 2 TaskManagers", "ms", (0..ROUNDS).map(round).collect());
}

/// From the submission until the first record has come to a sink.
pub(crate) fn first_record() {
    let cluster = Cluster::start(1, 2, 2);
    cluster.until_ready(2);
    let round = |_| {
        let _ = std::fs::remove_dir_all(cluster.out());
        let began = wall_nanos();
        let id = paced(&cluster, 1_000, 1, &[("parallelism", "2")], false);
        cluster.until_state(&id, "finished");
        let (came, _) = told(&cluster.out());
        (came[0].0 - began) as f64 / 1e6
    };
    show("submit to first record", "ms", (0..ROUNDS).map(round).collect());
}

/// What a TaskManager takes that has nothing to do.
pub(crate) fn idle_memory() {
    let cluster = Cluster::start(1, 1, 2);
    cluster.until_ready(1);
    sleep(Duration::from_secs(1));
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.taskmanagers[0].id()));
    let resident = status.unwrap_or_default();
    let resident = resident.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB").trim();
    let kib: f64 = resident.trim_end_matches("kB").trim().parse().unwrap_or(0.0);
    show("idle TaskManager, resident", "MB", vec![kib * 1024.0 / 1e6]);
}

/// The longest time without output around a moment.
fn pause(cluster: &Cluster, around: u64) -> f64 {
    let (came, _) = told(&cluster.out());
    let near = |at: u64| at + 1_000_000_000 > around && at < around + 20_000_000_000;
    let gaps = came.windows(2).filter(|pair| near(pair[0].0)).map(|pair| pair[1].0 - pair[0].0);
    gaps.max().unwrap_or(0) as f64 / 1e6
}

/// From a kill until output flows again: of a TaskManager with a spare slot, and of the leader with a standby.
pub(crate) fn recovery() {
    let settings = [("parallelism", "2"), ("checkpoint.interval", "200ms")];
    let of_taskmanager = |_| {
        let mut cluster = Cluster::start(1, 3, 1);
        cluster.until_ready(3);
        let id = paced(&cluster, 10_000, 6, &settings, false);
        cluster.until_state(&id, "running");
        sleep(Duration::from_secs(2));
        // Two of three have tasks: if it is the third that is killed, the round does not count.
        let at = wall_nanos();
        let child = &mut cluster.taskmanagers[0];
        let _ = child.kill();
        let _ = child.wait();
        sleep(Duration::from_secs(1));
        let restarted = cluster.job(&id)["restarts"].as_u64().unwrap_or(0) > 0;
        cluster.until_state(&id, "finished");
        restarted.then(|| pause(&cluster, at))
    };
    let measured: Vec<_> = (0..3 * ROUNDS).filter_map(of_taskmanager).take(ROUNDS).collect();
    show("a TaskManager is killed: output pauses for", "ms", measured);
    let of_leader = |_| {
        let mut cluster = Cluster::start(2, 2, 1);
        cluster.until_ready(2);
        let id = paced(&cluster, 10_000, 6, &settings, false);
        cluster.until_state(&id, "running");
        sleep(Duration::from_secs(2));
        let at = wall_nanos();
        let (_, leader) = &mut cluster.jobmanagers[0];
        let _ = leader.kill();
        let _ = leader.wait();
        cluster.until_state(&id, "finished");
        pause(&cluster, at)
    };
    show("the leader is killed: output pauses for", "ms", (0..ROUNDS).map(of_leader).collect());
}

/// How long output pauses when a job gets other numbers of subtasks.
pub(crate) fn rescale() {
    let round = |_| {
        let cluster = Cluster::start(1, 2, 2);
        cluster.until_ready(2);
        let settings = [("parallelism", "2"), ("checkpoint.interval", "1s")];
        let id = paced(&cluster, 10_000, 5, &settings, false);
        cluster.until_state(&id, "running");
        sleep(Duration::from_secs(1));
        let at = wall_nanos();
        let path = format!("/v1/jobs/{id}/rescale");
        cluster.ask("POST", &path, r#"{"parallelism":4}"#).expect("it is rescaled");
        cluster.until_state(&id, "finished");
        pause(&cluster, at)
    };
    show("rescale from 2 to 4: output pauses for", "ms", (0..ROUNDS).map(round).collect());
}

/// The latency of 100,000 records a second, with checkpoints each second, from when each was due until it came to the sink.
pub(crate) fn latency() {
    for (taskmanagers, name) in [(1, "latency, one process"), (2, "latency, two processes")] {
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let cluster = Cluster::start(1, taskmanagers, 2 / taskmanagers);
            cluster.until_ready(taskmanagers);
            let settings = [("parallelism", "2"), ("checkpoint.interval", "1s"), ("buffer-timeout", "1ms")];
            let id = paced(&cluster, 100_000, 10, &settings, true);
            cluster.until_state(&id, "finished");
            let (_, latencies) = told(&cluster.out());
            p50.push(quantile(&latencies, 0.5));
            p99.push(quantile(&latencies, 0.99));
        }
        show(&format!("{name}, p50"), "ms", p50);
        show(&format!("{name}, p99"), "ms", p99);
    }
}

/// In milliseconds.
fn quantile(latencies: &[(u64, u64)], quantile: f64) -> f64 {
    let all: u64 = latencies.iter().map(|(_, count)| count).sum();
    let mut left = (all as f64 * quantile) as u64;
    for (micros, count) in latencies {
        if left < *count {
            return *micros as f64 / 1e3;
        }
        left -= count;
    }
    latencies.last().map_or(0.0, |(micros, _)| *micros as f64 / 1e3)
}
