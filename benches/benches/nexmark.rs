//! The Nexmark queries: jobs beside loops written by hand, over the same events in memory, on one core and on two; with a watermark every 1,000 events
//! instead of every 20,000; and with a checkpoint every second.
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::{rc::Rc, time::Duration};

use millstream::settings::{CheckpointSettings, Settings};
use millstream_benches::{
    Machine, Tally,
    compare::{Case, ROUNDS, compare, way},
    nexmark::{Answer, Input, QUERIES, Query, all},
    settings,
};

/// How many events there are between watermarks, and how many where they are frequent.
const EVERY: usize = 20_000;
const OFTEN: usize = 1_000;
/// How often a job that makes checkpoints goes through the events, so that there are a few of them, and how often such a job is run.
const CHECKPOINT_EVENTS_ROUNDS: u64 = 40;
const CHECKPOINT_ROUNDS: usize = 3;
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

fn run(machine: &Machine, settings: Settings, query: &Query, input: &Input) -> Answer {
    let total = Tally::default();
    let job = machine.start(settings, |job| (query.job)(job, input, &total));
    machine.wait(job.wait()).unwrap_or_else(|failure| panic!("{}: {failure}", query.name));
    total.answer()
}

fn plain(query: &'static Query) -> Case {
    let ways = move |cores| {
        let (machine, events) = (Rc::new(Machine::new(cores)), all());
        let job = |every| {
            let machine = Rc::clone(&machine);
            let input = Input { events, subtasks: cores, every, rounds: 1 };
            move || run(&machine, settings(cores), query, &input)
        };
        let owned = query.owned.map(|owned| way("hand-owned", move || owned(events, EVERY)));
        let ways = [
            way("hand", move || (query.hand)(events, EVERY)),
            way("millstream", job(EVERY)),
            way("millstream-1000", job(OFTEN)),
        ];
        ways.into_iter().chain(owned).collect()
    };
    Case { name: query.name.to_owned(), rounds: ROUNDS, records: || all().len(), ways: Box::new(ways) }
}

fn with_checkpoints(query: &'static Query) -> Case {
    let ways = move |cores| {
        let machine = Rc::new(Machine::new(cores));
        let input = Input { events: all(), subtasks: cores, every: EVERY, rounds: CHECKPOINT_EVENTS_ROUNDS };
        let without = {
            let machine = Rc::clone(&machine);
            move || run(&machine, settings(cores), query, &input)
        };
        let with = move || {
            let directory = tempfile::tempdir().expect("there is room for checkpoints");
            let dir = Some(directory.path().into());
            let checkpoints =
                CheckpointSettings { dir, interval: CHECKPOINT_INTERVAL, ..CheckpointSettings::default() };
            run(&machine, Settings { checkpoints, ..settings(cores) }, query, &input)
        };
        vec![way("without", without), way("checkpoints", with)]
    };
    Case {
        name: format!("{}-checkpoints", query.name),
        rounds: CHECKPOINT_ROUNDS,
        records: || all().len() * CHECKPOINT_EVENTS_ROUNDS as usize,
        ways: Box::new(ways),
    }
}

fn main() {
    let cases: Vec<_> = QUERIES.iter().map(plain).chain(QUERIES.iter().map(with_checkpoints)).collect();
    compare(&cases);
}
