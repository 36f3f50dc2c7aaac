//! Millstream beside timely and Renoir: Nexmark queries, and counts by key, over the same input in memory. A loop written by hand is what all are compared
//! with, and who has another answer than it ends the program.
//!
//! Renoir is asked what it answers rightly. Its windows begin at the first element of each key rather than at the epoch, so queries 5, 8 and 12 have other
//! answers there.

mod renoir;
mod timely;

use std::{rc::Rc, sync::Arc};

use millstream_benches::{
    Machine, Tally,
    compare::{Case, ROUNDS, Way, compare, way},
    keyed_count,
    nexmark::{Answer, Input, QUERIES, Query, all, q0, q1, q2, q3, q5, q7, q8, q11, q12},
    settings,
};
use millstream_nexmark::{Event, Person};
use serde::{Deserialize, Serialize};

/// How many events there are between watermarks.
const EVERY: usize = 20_000;
/// How many pairs are counted.
const PAIRS: usize = 10_000_000;

/// Somebody, by reference: neither system sends more than that within a process.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Somebody {
    #[serde(skip)]
    person: Option<&'static Person>,
}

type Loop = fn(&[Event], usize) -> Answer;
/// A query in another system, for so many workers.
type Peer = fn(usize) -> Answer;

fn millstream(machine: &Machine, query: &Query, cores: usize) -> Answer {
    let (input, total) = (Input { events: all(), subtasks: cores, every: EVERY, rounds: 1 }, Tally::default());
    let job = machine.start(settings(cores), |job| (query.job)(job, &input, &total));
    machine.wait(job.wait()).unwrap_or_else(|failure| panic!("{}: {failure}", query.name));
    total.answer()
}

fn nexmark(name: &'static str, hand: Loop, timely: Peer, renoir: Option<Peer>) -> Case {
    let ways = move |cores| {
        let events = all();
        let mut ways = vec![way("hand", move || hand(events, EVERY))];
        if let Some(query) = QUERIES.iter().find(|query| query.name == name) {
            let machine = Machine::new(cores);
            ways.push(way("millstream", move || millstream(&machine, query, cores)));
        }
        ways.push(way("timely", move || timely(cores)));
        ways.extend(renoir.map(|renoir| way("renoir", move || renoir(cores))));
        ways
    };
    Case { name: name.to_owned(), rounds: ROUNDS, records: || all().len(), ways: Box::new(ways) }
}

fn keyed(name: &str, keys: u64) -> Case {
    let ways = move |cores| -> Vec<Way> {
        let (pairs, machine) = (keyed_count::pairs(PAIRS, keys), Rc::new(Machine::new(cores)));
        let on = |run: fn(usize, Arc<[keyed_count::Pair]>) -> Answer| {
            let pairs = Arc::clone(&pairs);
            move || run(cores, Arc::clone(&pairs))
        };
        let (of_hand, of_job) = (Arc::clone(&pairs), Arc::clone(&pairs));
        vec![
            way("hand", move || keyed_count::hand(&of_hand)),
            way("millstream", move || keyed_count::job(&machine, cores, &of_job, &Tally::default())),
            way("timely", on(timely::keyed_count)),
            way("renoir", on(renoir::keyed_count)),
            way("renoir-preaggregated", on(renoir::keyed_count_preaggregated)),
        ]
    };
    Case { name: format!("keyed_count-{name}"), rounds: ROUNDS, records: || PAIRS, ways: Box::new(ways) }
}

fn main() {
    compare(&[
        nexmark("q0", q0::hand, timely::q0, Some(renoir::q0)),
        nexmark("q1", q1::hand, timely::q1, Some(renoir::q1)),
        nexmark("q2", q2::hand, timely::q2, Some(renoir::q2)),
        nexmark("q3", q3::hand, timely::q3, Some(renoir::q3)),
        nexmark("q5", q5::hand, timely::q5, None),
        nexmark("q7", q7::hand, timely::q7, Some(renoir::q7)),
        nexmark("q8", q8::hand, timely::q8, None),
        nexmark("q11", q11::hand, timely::q11, Some(renoir::q11)),
        nexmark("q12", q12::hand, timely::q12, None),
        keyed("1k", 1_000),
        keyed("100k", 100_000),
        keyed("10M", 10_000_000),
    ]);
}
