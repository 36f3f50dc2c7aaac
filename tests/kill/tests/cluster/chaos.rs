//! Random faults, one after the other, while a job runs: its committed output is as if nothing had happened.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use millstream_testkit::{budget, rng::Rng};
use serde_json::json;

use crate::{
    cluster::Cluster,
    events::{Run, Wish},
    faults::Fault,
    input::Input,
    tell,
};

/// Chooses the faults: whoever sets it sees the same again, as far as processes let it.
const SEED: &str = "MILLSTREAM_TEST_SEED";
/// How many faults happen to a job.
const FAULTS: usize = 20;
/// So many jobs are run.
const JOBS_SHORT: u64 = 1;
const JOBS_FULL: u64 = 10;
/// What a job may take, in minutes, for whoever reads what it took.
const MINUTES_PER_JOB: f64 = 3.0;
/// How many events there are, and how long a subtask of a source rests before it reads on: the job takes longer than its faults.
const EVENTS: u64 = 100_000;
const REST: Duration = Duration::from_millis(250);
const PARALLELISM: usize = 4;
const TASKMANAGERS: usize = 3;
/// One TaskManager may be gone, and the job still has what it needs.
const SLOTS: u32 = 2;
/// The longest pause behind a fault.
const PAUSE_MILLIS: u64 = 1_200;
/// One fault in so many comes without a look whether the job runs again.
const RUSH: u64 = 4;
/// One fault in so many follows an order to rescale, in jobs that have orders.
const ORDER: u64 = 3;
/// One fault in so many is not alone.
const PAIR: u64 = 5;

#[test]
fn faults_leave_the_output_as_it_is_without_them() {
    let began = Instant::now();
    let seed = std::env::var(SEED).map_or(7, |seed| seed.parse().unwrap_or_else(|_| panic!("{SEED} is a number")));
    let jobs = budget::choose(JOBS_SHORT, JOBS_FULL);
    let input = Input::sized(seed, EVENTS);
    let mut happened = BTreeMap::new();
    let mut restarts = 0;
    for job in 0..jobs {
        tell(&format!("chaos: {SEED}={}", seed + job));
        // The first as it was submitted; of the others each second one is rescaled again and again.
        restarts += chaos(&input, &mut Rng::new(seed + job), job % 2 == 1, &mut happened);
    }
    tell(&format!(
        "chaos: {} faults in {jobs} jobs, {restarts} restarts seen; {happened:?}; {:.1} of about {:.1} minutes",
        happened.values().sum::<usize>(),
        began.elapsed().as_secs_f64() / 60.0,
        MINUTES_PER_JOB * jobs as f64
    ));
    assert!(restarts > 0, "no job was started again: no fault has struck");
    let missing: Vec<_> = Fault::ALL.iter().filter(|fault| !happened.contains_key(fault)).collect();
    assert!(missing.is_empty(), "these faults never happened: {missing:?}");
}

/// Runs a job to its end. Gives how often leaders have said that it was started again.
fn chaos(input: &Input, rng: &mut Rng, has_orders: bool, happened: &mut BTreeMap<Fault, usize>) -> u64 {
    let mut cluster = Cluster::watchful(2).with_taskmanagers(TASKMANAGERS, SLOTS);
    let checkpoint_interval = Duration::from_millis(100 + rng.below(200));
    let wish = Wish { parallelism: PARALLELISM, rest: REST, checkpoint_interval, name: "out".to_owned() };
    // Barriers that wait for all, and ones that overtake.
    let patience = ["0s", "1us", "5ms"][rng.index(3)];
    // State in memory, and in files from the first row on.
    let backend = ["memory", "redb"][rng.index(2)];
    let settings = [("checkpoint.alignment-timeout", patience), ("state.backend", backend), ("state.memory", "64KiB")];
    let mut run = Run::submit_with(&cluster, input, &wish, &settings);
    cluster.wait_for(&run.id, &["running"]);
    // Each kind at least once, in any order.
    let mut faults: Vec<_> = (0..FAULTS).map(|n| Fault::ALL[n % Fault::ALL.len()]).collect();
    for n in (1..faults.len()).rev() {
        faults.swap(n, rng.index(n + 1));
    }
    let (mut restarts, mut with_output) = (BTreeMap::<u64, u64>::new(), 0);
    let mut faults = faults.into_iter();
    while let Some(fault) = faults.next() {
        thread::sleep(Duration::from_millis(rng.below(PAUSE_MILLIS)));
        with_output += usize::from(run.committed_files() > 0);
        // Now and then another one comes before the first is over.
        let is_paired = rng.one_in(PAIR) && !fault.takes_all();
        let other = is_paired.then(|| faults.next()).flatten();
        if has_orders && rng.one_in(ORDER) {
            // It may be refused: the job is not always in a state for it.
            let wanted = 1 + rng.index(PARALLELISM);
            let answer = cluster.order(&format!("/v1/jobs/{}/rescale", run.id), &json!({ "parallelism": wanted }));
            eprintln!("rescale to {wanted}: {answer:?}");
        }
        eprintln!("{fault:?}{}", other.map_or(String::new(), |other| format!(", and {other:?}")));
        let heal = fault.begin(&mut cluster, rng);
        let other_heal = other.map(|other| {
            *happened.entry(other).or_default() += 1;
            with_output += usize::from(run.committed_files() > 0);
            thread::sleep(Duration::from_millis(rng.below(PAUSE_MILLIS)));
            let heal = other.begin(&mut cluster, rng);
            thread::sleep(other.duration(rng));
            heal
        });
        thread::sleep(fault.duration(rng));
        *happened.entry(fault).or_default() += 1;
        heal.end(&mut cluster, SLOTS, other.is_none());
        if let Some(heal) = other_heal {
            heal.end(&mut cluster, SLOTS, false);
        }
        if !rng.one_in(RUSH) {
            let began = Instant::now();
            let state = cluster.wait_for(&run.id, &["running", "finished", "failed", "cancelled"]);
            eprintln!("  {state} again after {:?}", began.elapsed());
            assert_eq!(state, "running", "the job runs until all faults have happened");
        }
        if let Some((_, overview)) = cluster.leader_and_overview()
            && let (Some(epoch), Ok(job)) = (overview["leader_epoch"].as_u64(), cluster.job(&run.id))
        {
            let seen = restarts.entry(epoch).or_default();
            *seen = job["restarts"].as_u64().unwrap_or(0).max(*seen);
        }
        run.look(false).unwrap_or_else(|why| panic!("behind {fault:?}, {other:?}: {why}"));
    }
    if has_orders {
        // With fewer subtasks, each of which rests, the end would be far away.
        cluster.wait("the job has all its subtasks again, or has ended", |cluster| {
            let job = cluster.job(&run.id).ok()?;
            if job["state"] == "finished" || job["state"] == "running" && job["parallelism"] == PARALLELISM {
                return Some(());
            }
            let path = format!("/v1/jobs/{}/rescale", run.id);
            let _ = cluster.order(&path, &json!({ "parallelism": PARALLELISM })); // it may be refused: the job is not always in a state for it
            None
        });
    }
    run.finish(&mut cluster);
    // Otherwise what was struck had no work behind it.
    assert!(with_output * 3 > FAULTS, "only {with_output} of {FAULTS} faults came when something had been committed");
    restarts.values().sum()
}
