//! Processes that are killed at each step of the checkpoint protocol, before it has happened and after.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use millstream_testkit::{budget, rng::Rng};

use crate::{
    campaign::{Campaign, Death, Ended, tell},
    input::Input,
};

/// What the short test may take, for whoever reads what it took.
const BUDGET: Duration = Duration::from_secs(120);

#[test]
fn a_process_may_be_killed_at_each_step() {
    let began = Instant::now();
    let input = Input::new(3);
    let first = steps_of(&input, &[]);
    let middle = Death::AtStep { name: busiest(&first), nth: 3 };
    let resumed = steps_of(&input, std::slice::from_ref(&middle));
    let mut rng = Rng::new(4);
    let (mut kills, mut steps) = (0, 0);
    let all_parallelisms = budget::choose(false, true);
    let mut kill = |lead: &[Death], name: &str, count: u64| {
        steps += 1;
        let before = 1 + rng.index(3);
        let pairs: Vec<_> = if all_parallelisms {
            (1..=3).flat_map(|before| (1..=3).map(move |after| (before, after))).collect()
        } else {
            vec![(before, 1 + (before + rng.index(2)) % 3)]
        };
        for (before, after) in pairs {
            // Some time in the first half, which every run should reach; if it does not, the first time.
            let nth = 1 + rng.below(count.div_ceil(2));
            let killed = [nth, 1].into_iter().any(|nth| {
                let death = Death::AtStep { name: name.to_owned(), nth };
                dies(&input, lead, &death, before, after)
            });
            assert!(killed, "step `{name}` was reached {count} times, and never again");
            kills += 1;
        }
    };
    for (name, count) in &first {
        kill(&[], name, *count);
    }
    for (name, count) in resumed.iter().filter(|(name, _)| !first.contains_key(*name)) {
        kill(std::slice::from_ref(&middle), name, *count);
    }
    tell(&format!(
        "kill -9 at each step: {kills} kills at {steps} steps; {:.0} s of about {:.0} s",
        began.elapsed().as_secs_f64(),
        budget::choose(BUDGET, BUDGET * 9).as_secs_f64()
    ));
}

/// The steps of a process that ends well, behind others that die.
fn steps_of(input: &Input, before: &[Death]) -> BTreeMap<String, u64> {
    let mut campaign = Campaign::new(input);
    for death in before {
        assert_eq!(campaign.live(2, death), Ok(Ended::Killed));
    }
    assert_eq!(campaign.live(3, &Death::Never), Ok(Ended::Well));
    let steps = campaign.last_steps();
    assert!(!steps.is_empty(), "the job makes no checkpoints");
    steps
}

/// The step that is reached most often.
fn busiest(steps: &BTreeMap<String, u64>) -> String {
    let (name, _) = steps.iter().max_by_key(|(_, count)| **count).expect("there are steps");
    name.clone()
}

/// Kills a process at a step, and lets the next one end. False if it ended well before it could die.
fn dies(input: &Input, lead: &[Death], death: &Death, before: usize, after: usize) -> bool {
    let mut campaign = Campaign::new(input);
    for death in lead {
        assert_eq!(campaign.live(2, death), Ok(Ended::Killed));
    }
    match campaign.live(before, death) {
        Ok(Ended::Well) => return false,
        Ok(Ended::Killed) => {}
        Err(why) => panic!("{why}"),
    }
    if let Err(why) = campaign.live(after, &Death::Never) {
        panic!("{why}");
    }
    true
}
