//! Operators with state for each key, against naive models: sorted, deduplicated, ranked, mapped with state.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use millstream::connectors::collect::collect;
use millstream::prelude::*;

use crate::{
    script::{Script, Step},
    support::{graph, ms, parallel, run, seeds, sorted},
};

/// A record with its number, a value to rank it by, and, if it says so, the watermark behind it.
#[derive(Record, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    key: u64,
    number: u64,
    value: i64,
    #[record(event_time)]
    at: Timestamp,
    watermark: Option<Timestamp>,
}

/// Random items, and now and then a watermark.
fn items(seed: u64) -> Vec<Item> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut reached = 0;
    let items = (0..400).map(|number| {
        let at = (reached + below(60)) as i64 - 10;
        let watermark = (below(5) == 0).then(|| {
            reached += below(30);
            ms(reached as i64)
        });
        Item { key: below(5), number, value: below(20) as i64, at: ms(at), watermark }
    });
    items.collect()
}

/// The items as a stream with the watermarks that they say, in one subtask, so that what is late does not depend on chance. (Where it is forked, what reads it
/// has one subtask, too.)
fn stream(job: &mut Job, items: Vec<Item>) -> impl Stream<Out = Item, Time = EventTime> + use<> {
    let said = |item: ItemView<'_>, _: Timestamp| item.watermark;
    job.source(Script::records(vec![items])).parallelism(1).event_time(punctuated(said))
}

/// The items, each with the watermark that was reached before it.
fn with_watermarks(items: &[Item]) -> Vec<(Item, Timestamp)> {
    let mut watermark = Timestamp::MIN;
    let item = |item: &Item| {
        let before = watermark;
        watermark = watermark.max(item.watermark.unwrap_or(Timestamp::MIN));
        (item.clone(), before)
    };
    items.iter().map(item).collect()
}

/// What came for each key, in order.
fn by_key<T>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> u64) -> BTreeMap<u64, Vec<T>> {
    let mut keys: BTreeMap<u64, Vec<T>> = BTreeMap::new();
    for item in items {
        keys.entry(key(&item)).or_default().push(item);
    }
    keys
}

fn cases() -> impl Iterator<Item = (u64, usize)> {
    seeds().flat_map(|seed| [1, 3].map(|parallelism| (seed, parallelism)))
}

#[test]
fn sorted_by_time_is_in_order_and_without_what_is_late() {
    for (seed, parallelism) in cases() {
        let given = items(seed);
        let (out, late) = (collect(), collect());
        let job = run(seed, parallel(parallelism), |job| {
            let (in_order, too_late) = stream(job, given.clone()).key_by(|item| item.key).sort_by_time().with_late();
            in_order.name("sorted").sink(out.sink());
            too_late.sink(late.sink());
        });
        let (too_late, in_time): (Vec<_>, Vec<_>) =
            with_watermarks(&given).into_iter().partition(|(item, reached)| item.at <= *reached);
        assert!(!too_late.is_empty(), "seed {seed} tries nothing");
        assert_eq!(job.counted("late_records"), too_late.len() as u64);
        let mut in_time: Vec<_> = in_time.into_iter().map(|(item, _)| item).collect();
        in_time.sort_by_key(|item| item.at); // stable
        assert_eq!(by_key(out.take(), |item| item.key), by_key(in_time, |item| item.key), "seed {seed}, {parallelism}");
        assert_eq!(sorted(late.take()), sorted(too_late.into_iter().map(|(item, _)| item).collect()), "seed {seed}");
    }
}

#[test]
fn a_record_waits_for_its_own_watermark_only() {
    let given = |at, watermark: Option<i64>| {
        Step::Record(Item { key: 1, number: 0, value: 0, at: ms(at), watermark: watermark.map(ms) })
    };
    let steps = vec![given(30, None), given(20, None), given(10, Some(20)), Step::Never];
    let out = collect();
    let job = crate::support::Simulated::start(1, parallel(1), |job| {
        let said = |item: ItemView<'_>, _: Timestamp| item.watermark;
        let items = job.source(Script::steps(vec![steps])).event_time(punctuated(said));
        items.key_by(|item| item.key).sort_by_time().map(|item| item.at.millis()).sink(out.sink());
    });
    job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(1)));
    assert_eq!(out.take(), [10, 20]);
    job.job.cancel();
    job.wait().expect_err("it is cancelled");
}

#[test]
fn deduplicate_first_is_the_earliest_in_time() {
    for ((seed, parallelism), forget) in cases().flat_map(|case| [None, Some(50)].map(|forget| (case, forget))) {
        let given = items(seed);
        let (out, late) = (collect(), collect());
        run(seed, parallel(parallelism), |job| {
            let firsts = stream(job, given.clone()).key_by(|item| item.key % 3).deduplicate_first();
            let firsts = match forget {
                Some(after) => firsts.forget_after(Duration::from_millis(after)),
                None => firsts,
            };
            let (firsts, too_late) = firsts.with_late();
            firsts.sink(out.sink());
            too_late.sink(late.sink());
        });
        // The model goes from watermark to watermark, and looks at everything that it has.
        let (mut best, mut done): (BTreeMap<u64, Item>, BTreeMap<u64, Timestamp>) = Default::default();
        let (mut expected, mut too_late) = (Vec::new(), Vec::new());
        for (item, before) in with_watermarks(&given) {
            let key = item.key % 3;
            let reached = before.max(item.watermark.unwrap_or(Timestamp::MIN));
            if item.at <= before {
                too_late.push(item);
            } else if !done.contains_key(&key) && best.get(&key).is_none_or(|best| item.at < best.at) {
                best.insert(key, item);
            }
            let due: Vec<_> = best.iter().filter(|(_, item)| item.at <= reached).map(|(key, _)| *key).collect();
            for key in due {
                let first = best.remove(&key).expect("it is due");
                done.insert(key, first.at);
                expected.push(first);
            }
            if let Some(after) = forget {
                done.retain(|_, at| reached < *at + Duration::from_millis(after));
            }
        }
        expected.extend(best.into_values());
        assert_eq!(sorted(out.take()), sorted(expected), "seed {seed}, parallelism {parallelism}, {forget:?}");
        assert_eq!(sorted(late.take()), sorted(too_late), "seed {seed}");
    }
}

#[test]
fn deduplicate_last_replaces_by_what_is_not_earlier() {
    for (seed, parallelism) in cases() {
        let given = items(seed);
        let out = collect();
        run(seed, parallel(parallelism), |job| {
            stream(job, given.clone())
                .key_by(|item| item.key)
                .deduplicate_last()
                .map(|Rolling(item)| Item::from_view(item))
                .sink(out.sink());
        });
        let mut latest: BTreeMap<u64, Timestamp> = BTreeMap::new();
        let mut expected = given.clone();
        expected.retain(|item| {
            let latest = latest.entry(item.key).or_insert(Timestamp::MIN);
            let replaces = *latest <= item.at;
            *latest = item.at.max(*latest);
            replaces
        });
        assert_eq!(
            by_key(out.take(), |item| item.key),
            by_key(expected, |item| item.key),
            "seed {seed}, {parallelism}"
        );
    }
}

#[test]
fn deduplicate_arrived_is_what_came_first() {
    for (seed, parallelism) in cases() {
        let given = items(seed);
        let out = collect();
        run(seed, parallel(parallelism), |job| {
            let items = job.source(Script::records(vec![given.clone()])).parallelism(1);
            items.key_by(|item| (item.key, item.value)).deduplicate_arrived().sink(out.sink());
        });
        let mut seen = BTreeSet::new();
        let expected: Vec<_> = given.into_iter().filter(|item| seen.insert((item.key, item.value))).collect();
        assert_eq!(sorted(out.take()), sorted(expected), "seed {seed}, parallelism {parallelism}");
    }
    // Forgotten by the clock on the wall.
    let out = collect();
    let steps =
        [Step::Record(1_u64), Step::Record(1), Step::Wait(Duration::from_secs(5)), Step::Record(1), Step::Record(1)];
    run(1, parallel(1), |job| {
        let numbers = job.source(Script::steps(vec![steps.to_vec()]));
        numbers.key_by(|number| number).deduplicate_arrived().forget_after(2.seconds()).sink(out.sink());
    });
    assert_eq!(out.take(), [1, 1]);
}

#[test]
fn top_n_tells_each_change_of_a_rank() {
    for (seed, parallelism) in cases() {
        let (given, n) = (items(seed), 1 + seed as usize % 4);
        let (greatest, least) = (collect(), collect());
        run(seed, parallel(parallelism), |job| {
            let (a, b) = stream(job, given.clone()).fork();
            a.parallelism(1)
                .key_by(|item| item.key)
                .top_n(n, |item| item.value)
                .map(|(key, rank, Rolling(item))| (key, rank, item.number))
                .sink(greatest.sink());
            b.parallelism(1)
                .key_by(|item| item.key)
                .bottom_n(n, |item| item.value)
                .map(|(key, rank, Rolling(item))| (key, rank, item.number))
                .sink(least.sink());
        });
        let model = |order: fn(i64) -> i64| {
            let mut kept: BTreeMap<u64, Vec<Item>> = BTreeMap::new();
            let mut changes = Vec::new();
            for item in &given {
                let items = kept.entry(item.key).or_default();
                let before: Vec<_> = items.iter().take(n).map(|item| item.number).collect();
                items.push(item.clone());
                items.sort_by_key(|item| (order(item.value), item.at, item.number));
                let after = items.iter().take(n).enumerate();
                let changed = after.filter(|(rank, item)| before.get(*rank) != Some(&item.number));
                changes.extend(changed.map(|(rank, item)| (item.key, rank as u64 + 1, item.number)));
            }
            changes
        };
        let key = |row: &(u64, u64, u64)| row.0;
        assert_eq!(by_key(greatest.take(), key), by_key(model(|value| -value), key), "seed {seed}, {parallelism}");
        assert_eq!(by_key(least.take(), key), by_key(model(|value| value), key), "seed {seed}, {parallelism}");
    }
}

#[test]
fn top_n_of_windows_is_a_record_for_each_rank() {
    for (seed, parallelism) in cases() {
        let given = items(seed);
        let (greatest, least) = (collect(), collect());
        run(seed, parallel(parallelism), |job| {
            let (a, b) = stream(job, given.clone()).fork();
            let windows = || tumbling(40.milliseconds());
            a.parallelism(1)
                .key_by(|item| item.key)
                .window(windows())
                .top_n(3, |item| item.value)
                .map(|(key, window, rank, item)| (key, window, rank, item.number))
                .sink(greatest.sink());
            b.parallelism(1)
                .key_by(|item| item.key)
                .window(windows())
                .bottom_n(3, |item| item.value)
                .map(|(key, window, rank, item)| (key, window, rank, item.number))
                .sink(least.sink());
        });
        let window = |at: Timestamp| {
            Window::new(at.round_down(40.milliseconds()), at.round_down(40.milliseconds()) + 40.milliseconds())
        };
        let mut of: BTreeMap<(u64, Window), Vec<Item>> = BTreeMap::new();
        for (item, reached) in with_watermarks(&given) {
            if window(item.at).max_timestamp() > reached {
                of.entry((item.key, window(item.at))).or_default().push(item);
            }
        }
        let ranked = |order: fn(&Item) -> (i64, Timestamp, u64)| {
            let rows = of.iter().flat_map(|((key, window), items)| {
                let mut items = items.clone();
                items.sort_by_key(order);
                items
                    .into_iter()
                    .take(3)
                    .zip(1..)
                    .map(|(item, rank)| (*key, *window, rank, item.number))
                    .collect::<Vec<_>>()
            });
            sorted(rows.collect::<Vec<_>>())
        };
        assert_eq!(sorted(greatest.take()), ranked(|item| (-item.value, item.at, item.number)), "seed {seed}");
        assert_eq!(sorted(least.take()), ranked(|item| (item.value, item.at, item.number)), "seed {seed}");
    }
}

#[test]
fn ranks_of_sessions_are_those_of_the_list() {
    for (seed, parallelism) in cases() {
        let given = items(seed);
        let (ranks, lists) = (collect(), collect());
        run(seed, parallel(parallelism), |job| {
            let (a, b) = stream(job, given.clone()).fork();
            let sessions = || session(20.milliseconds());
            a.parallelism(1)
                .key_by(|item| item.key)
                .window(sessions())
                .top_n(2, |item| item.value)
                .map(|(key, window, rank, item)| (key, window, rank, item.number))
                .sink(ranks.sink());
            b.parallelism(1)
                .key_by(|item| item.key)
                .window(sessions())
                .aggregate(|of| of.top_k(2, |item| item.value))
                .map(|(key, window, items)| {
                    (key, window, items.into_iter().map(|item| item.number).collect::<Vec<_>>())
                })
                .sink(lists.sink());
        });
        let rows = lists.take().into_iter().flat_map(|(key, window, numbers): (u64, Window, Vec<u64>)| {
            numbers.into_iter().zip(1..).map(move |(number, rank)| (key, window, rank, number))
        });
        assert_eq!(sorted(ranks.take()), sorted(rows.collect()), "seed {seed}, parallelism {parallelism}");
    }
}

#[test]
fn closures_have_a_value_for_each_key() {
    for (seed, parallelism) in cases() {
        let given = items(seed);
        let (sums, kept, several, rejected) = (collect(), collect(), collect(), collect());
        run(seed, parallel(parallelism), |job| {
            let [a, b, c] = job.source(Script::records(vec![given.clone()])).parallelism(1).forks();
            // The sum of a key's values so far; 19 forgets, 18 is refused after it was counted.
            let (good, bad) = a
                .parallelism(1)
                .key_by(|item| item.key)
                .map_with_state(|item, sum: &mut Option<i64>| {
                    if item.value == 19 {
                        return Ok((item.key, sum.take().unwrap_or(0)));
                    }
                    let sum = sum.get_or_insert(0);
                    *sum += item.value;
                    if item.value == 18 { Err("refused") } else { Ok((item.key, *sum)) }
                })
                .uid("sums")
                .divert_errors_with(|item, error: &str| (item.number, error.to_owned()));
            good.sink(sums.sink());
            bad.sink(rejected.sink());
            let rises = |item: ItemView<'_>, last: &mut Option<i64>| {
                last.replace(item.value).is_none_or(|last| last < item.value)
            };
            b.parallelism(1)
                .key_by(|item| item.key)
                .filter_with_state(rises)
                .map(|item| (item.key, item.number))
                .sink(kept.sink());
            // Pairs.
            c.parallelism(1)
                .key_by(|item| item.key)
                .flat_map_with_state(|item, before: &mut Option<u64>| match before.take() {
                    Some(before) => vec![(item.key, before), (item.key, item.number)],
                    None => {
                        *before = Some(item.number);
                        Vec::new()
                    }
                })
                .sink(several.sink());
        });
        let (mut sum, mut last): (BTreeMap<u64, i64>, BTreeMap<u64, i64>) = Default::default();
        let mut expected = (Vec::new(), Vec::new(), Vec::new());
        for item in &given {
            match item.value {
                19 => expected.0.push((item.key, sum.remove(&item.key).unwrap_or(0))),
                value => {
                    *sum.entry(item.key).or_default() += value;
                    match value {
                        18 => expected.1.push((item.number, "refused".to_owned())),
                        _ => expected.0.push((item.key, sum[&item.key])),
                    }
                }
            }
            if last.insert(item.key, item.value).is_none_or(|last| last < item.value) {
                expected.2.push((item.key, item.number));
            }
        }
        let pairs = by_key(&given, |item| item.key).into_iter().flat_map(|(key, items)| {
            let even = items.len() / 2 * 2;
            items[..even].iter().map(|item| (key, item.number)).collect::<Vec<_>>()
        });
        let context = format!("seed {seed}, parallelism {parallelism}");
        assert_eq!(by_key(sums.take(), |row| row.0), by_key(expected.0, |row| row.0), "{context}");
        assert_eq!(sorted(rejected.take()), sorted(expected.1), "{context}");
        assert_eq!(by_key(kept.take(), |row| row.0), by_key(expected.2, |row| row.0), "{context}");
        assert_eq!(sorted(several.take()), sorted(pairs.collect()), "{context}");
    }
}

/// Says when it was called for a key, with timers at whole steps.
#[derive(Clone)]
struct Coalesced {
    step: Duration,
}

#[process]
impl Coalesced {
    fn on_record(&mut self, item: ItemView<'_>, cx: &mut KeyedContext<'_, u64, (u64, Timestamp)>) {
        cx.event_timer((item.at + 7.milliseconds()).round_up(self.step));
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut KeyedContext<'_, u64, (u64, Timestamp)>) {
        cx.emit((cx.key(), timer.at));
    }
}

#[test]
fn timers_for_rounded_times_are_one() {
    for (seed, step) in seeds().flat_map(|seed| [0, 1, 10, 100].map(|step| (seed, step))) {
        let given = items(seed);
        let out = collect();
        run(seed, parallel(2), |job| {
            let items = job.source(Script::records(vec![given.clone()])).event_time(out_of_order(1.hours()));
            items.key_by(|item| item.key).process(Coalesced { step: Duration::from_millis(step) }).sink(out.sink());
        });
        let step = (step as i64).max(1);
        // Rounded up by brute force.
        let round = |at: i64| (at..).find(|at| at % step == 0).expect("there is one");
        let expected: BTreeSet<_> = given.iter().map(|item| (item.key, ms(round(item.at.millis() + 7)))).collect();
        assert_eq!(sorted(out.take()), expected.into_iter().collect::<Vec<_>>(), "seed {seed}, step {step}");
    }
}

#[test]
fn none_of_each_key_is_a_mistake() {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    job.source(Script::records(vec![Vec::<u64>::new()]))
        .key_by(|n| n)
        .top_n(0, |n| n)
        .map(|(key, _, _)| key)
        .sink(collect().sink());
    let error = job.build().err().expect("nothing can come out").to_string();
    assert!(error.contains("by_key.rs:") && error.contains("ask for 1 or more"), "{error}");
}

#[test]
fn plans_tell_what_they_keep() {
    let graph = graph(parallel(1), |job| {
        let items = job.source(Script::records(vec![Vec::<Item>::new()])).event_time(out_of_order(1.seconds()));
        items.key_by(|item| item.key).sort_by_time().uid("sort").sink(collect().sink());
    });
    let operators = graph.vertices.iter().flat_map(|vertex| &vertex.operators);
    let sort = operators.into_iter().find(|operator| operator.kind == "sort_by_time").expect("it is in the graph");
    assert_eq!(sort.id().as_deref(), Some("sort"));
    assert_eq!(sort.states.iter().map(|state| state.name).collect::<Vec<_>>(), ["by-key", "pending-timers"]);
    assert!(sort.location.file.ends_with("by_key.rs"));
}
