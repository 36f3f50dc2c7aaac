//! Processes that are killed at any moment.

use std::time::{Duration, Instant};

use millstream_testkit::{budget, rng::Rng};

use crate::{
    campaign::{Campaign, Death, Ended, tell},
    input::Input,
};

/// How many processes are killed.
const KILLS_SHORT: usize = 25;
const KILLS_FULL: usize = 1000;
/// The most processes of a job that are killed one after the other.
const KILLS_PER_JOB: u64 = 7;
/// How long barriers wait before they overtake records: never, at once, and for some of them.
const ALIGNMENT_TIMEOUTS: [&str; 3] = ["0s", "1us", "2ms"];
/// Where keyed state is: in memory, in files from the first row on, and in files once there is more than fits into next to nothing.
const STATE: [&[&str]; 3] = [&[], &["state.backend=redb", "state.memory=16KiB"], &["state.memory=64KiB"]];
/// What the short test may take, for whoever reads what it took.
const BUDGET: Duration = Duration::from_secs(60);

#[test]
fn a_process_may_be_killed_at_any_moment() {
    let began = Instant::now();
    let input = Input::new(1);
    let mut rng = Rng::new(2);
    let took = undisturbed(&input);
    let wanted = budget::choose(KILLS_SHORT, KILLS_FULL);
    let (mut kills, mut jobs, mut seen) = ([0; 4], 0, 0);
    while kills.iter().sum::<usize>() < wanted {
        let mut campaign = Campaign::new(&input);
        let mut parallelism = 1 + rng.index(3);
        let mut left = 1 + rng.below(KILLS_PER_JOB);
        jobs += 1;
        loop {
            let death = match left {
                0 => Death::Never,
                _ => Death::After(Duration::from_micros(rng.below(took.as_micros() as u64))),
            };
            let patience = ALIGNMENT_TIMEOUTS[rng.index(ALIGNMENT_TIMEOUTS.len())];
            let state = STATE[rng.index(STATE.len())].iter().map(|setting| (*setting).to_owned());
            campaign.settings = state.chain([format!("checkpoint.alignment-timeout={patience}")]).collect();
            match campaign.live(parallelism, &death) {
                Ok(Ended::Killed) => {
                    kills[parallelism] += 1;
                    seen += usize::from(campaign.committed_files() > 0);
                }
                Ok(Ended::Well) => break,
                Err(why) => panic!("job {jobs}: {why}"),
            }
            left -= 1;
            parallelism = 1 + (parallelism + rng.index(2)) % 3; // another one
        }
    }
    let [_, one, two, three] = kills;
    tell(&format!(
        "kill -9 at any moment: {} kills in {jobs} jobs, at parallelism 1: {one}, 2: {two}, 3: {three}; {seen} with committed output; \
         {:.0} s of about {:.0} s",
        one + two + three,
        began.elapsed().as_secs_f64(),
        budget::choose(BUDGET, BUDGET * (KILLS_FULL / KILLS_SHORT) as u32).as_secs_f64()
    ));
    // Otherwise what was killed had no work behind it, and nothing was tried.
    assert!(seen * 3 > wanted, "only {seen} of {wanted} kills came when something had been committed");
}

/// Runs a job to its end at each parallelism; how long the quickest took.
fn undisturbed(input: &Input) -> Duration {
    let run = |parallelism| {
        let began = Instant::now();
        let ended = Campaign::new(input).live(parallelism, &Death::Never);
        assert_eq!(ended, Ok(Ended::Well));
        began.elapsed()
    };
    (1..=3).map(run).min().expect("there are three")
}
