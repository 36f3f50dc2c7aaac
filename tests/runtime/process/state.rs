//! State per key: what it reads as before it is first written, how it is written, and that keys do not see each other.

use std::{collections::BTreeMap, time::Duration};

use millstream::{connectors::Collect, metrics::Metric, prelude::*};
use millstream_testkit::rng::Rng;

use crate::{
    script::{Script, Step},
    support::{Simulated, parallel, run, seeds, sorted},
};

#[derive(State, Debug, PartialEq)]
struct Account {
    balance: i64,
    lowest: i64,
    notes: Option<String>,
}

impl Default for Account {
    fn default() -> Self {
        Self { balance: 0, lowest: i64::MAX, notes: None }
    }
}

impl Account {
    fn book(&mut self, amount: i64) {
        self.balance += amount;
        self.lowest = self.lowest.min(self.balance);
    }
}

/// Books amounts; zero closes the account.
#[derive(Clone)]
struct Booking;

#[process]
impl Booking {
    fn on_record(
        &mut self,
        (key, amount): (&str, i64),
        account: &mut StateOf<Account>,
        cx: &mut KeyedContext<'_, String, (String, i64, i64)>,
    ) {
        assert_eq!(key, cx.key());
        if account.is_absent() {
            assert_eq!(**account, Account::default(), "what is absent reads as the default");
            assert!(account.is_absent(), "and reading does not change that");
        }
        if amount == 0 {
            account.clear();
            assert!(account.is_absent());
            assert_eq!(account.lowest, i64::MAX);
            return;
        }
        account.book(amount);
        assert!(!account.is_absent());
        account.notes.get_or_insert_default().push('.');
        cx.emit((key, account.balance, account.lowest));
    }
}

#[test]
fn plain_fields_are_a_struct_for_each_key() {
    let mut rng = Rng::new(1);
    let amounts: Vec<_> = (0..3000)
        .map(|_| {
            (format!("account {}", rng.below(40)), if rng.below(10) == 0 { 0 } else { rng.below(100) as i64 - 50 })
        })
        .collect();
    let mut accounts = BTreeMap::<String, Account>::new();
    let mut expected = Vec::new();
    for (key, amount) in &amounts {
        if *amount == 0 {
            accounts.remove(key);
            continue;
        }
        let account = accounts.entry(key.clone()).or_default();
        account.book(*amount);
        expected.push((key.clone(), account.balance, account.lowest));
    }
    let expected = sorted(expected);
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2, 7].map(|parallelism| (seed, parallelism))) {
        let results = collect();
        run(seed, parallel(parallelism), |job| {
            job.source(Script::records(vec![amounts.clone()]))
                .key_by(|(key, _)| key.to_owned())
                .process(Booking)
                .sink(results.sink());
        });
        assert_eq!(sorted(results.take()), expected, "seed {seed}, parallelism {parallelism}");
    }
}

#[derive(State, Default)]
struct Visits {
    total: u64,
    pages: MapState<String, u64>,
    latest: ListState<String>,
    longest: ReducingState<Longest>,
    lengths: AggregatingState<String, Lengths>,
    motto: ValueState<Option<String>>,
}

struct Longest;

impl Reducer for Longest {
    type Of = String;

    fn reduce(longest: &str, page: &str) -> String {
        if page.len() > longest.len() { page } else { longest }.to_owned()
    }
}

#[derive(Clone, Default)]
struct Lengths;

#[aggregate]
impl Lengths {
    fn add(sum: &mut u64, page: &str) {
        *sum += page.len() as u64;
    }

    fn finish(sum: &u64) -> u64 {
        *sum
    }
}

#[derive(Clone)]
struct Visiting;

#[process]
impl Visiting {
    fn on_record(
        &mut self,
        (_, page): (u64, &str),
        visits: &mut StateOf<Visits>,
        cx: &mut KeyedContext<'_, u64, (u64, String)>,
    ) {
        match page {
            "clear" => {
                visits.clear();
                assert!(visits.is_absent() && visits.pages.is_empty() && visits.latest.is_empty());
                assert_eq!((visits.longest.get(), visits.lengths.get(), visits.total), (None, None, 0));
                assert!(visits.motto.is_absent());
            }
            "forget" => {
                visits.clear_fields();
                assert_eq!(visits.total, 0);
                visits.pages.remove("/a");
                visits.latest.replace(["/b".to_owned()]);
                assert_eq!(visits.latest.get(0).map(String::as_str), Some("/b"));
                *visits.motto = Some("forgotten".to_owned());
            }
            "tell" => {
                let pages = visits.pages.iter().map(|(page, count)| format!("{page}:{count}")).collect::<Vec<_>>();
                let middle = visits.pages.range("/b"..="/c").rev().map(|(page, _)| page).collect::<Vec<_>>();
                let latest = visits.latest.iter().cloned().collect::<Vec<_>>();
                assert_eq!((visits.pages.len(), visits.latest.len()), (pages.len(), latest.len() as u64));
                let told = format!(
                    "{} {pages:?} {middle:?} {latest:?} {:?} {:?} {:?}",
                    visits.total,
                    visits.longest.get(),
                    visits.lengths.get(),
                    *visits.motto
                );
                cx.emit((cx.key(), &told));
            }
            page => {
                visits.total += 1;
                if let Some(count) = visits.pages.get_mut(page) {
                    *count += 1;
                } else {
                    assert_eq!(visits.pages.insert(page, 1), None);
                }
                assert!(visits.pages.contains(page));
                visits.latest.push(page.to_owned());
                visits.longest.add(page);
                visits.lengths.add(page, cx.timestamp());
            }
        }
    }
}

#[test]
fn collections_are_those_of_the_key() {
    let pages = |key: u64, pages: &[&str]| pages.iter().map(|page| (key, (*page).to_owned())).collect::<Vec<_>>();
    let build = |job: &mut Job, results: &Collect<(u64, String)>| {
        let first = ["/a", "/c", "/a", "tell", "forget", "tell", "clear", "tell"];
        let second = ["/bb", "/a", "/d", "/c", "tell", "forget", "/b", "tell"];
        job.source(Script::records(vec![pages(1, &first), pages(2, &second)]))
            .key_by(|(key, _)| key)
            .process(Visiting)
            .sink(results.sink());
    };
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 3].map(|parallelism| (seed, parallelism))) {
        let results = collect();
        run(seed, parallel(parallelism), |job| build(job, &results));
        let (first, second): (Vec<_>, Vec<_>) = results.take().into_iter().partition(|(key, _)| *key == 1);
        let texts = |told: Vec<(u64, String)>| told.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        let expected = [
            r#"3 ["/a:2", "/c:1"] ["/c"] ["/a", "/c", "/a"] Some("/a") Some(6) None"#,
            r#"0 ["/c:1"] ["/c"] ["/b"] Some("/a") Some(6) Some("forgotten")"#,
            "0 [] [] [] None None None",
        ];
        assert_eq!(texts(first), expected, "seed {seed}, parallelism {parallelism}");
        let expected = [
            r#"4 ["/a:1", "/bb:1", "/c:1", "/d:1"] ["/c", "/bb"] ["/bb", "/a", "/d", "/c"] Some("/bb") Some(9) None"#,
            r#"1 ["/b:1", "/bb:1", "/c:1", "/d:1"] ["/c", "/bb", "/b"] ["/b", "/b"] Some("/bb") Some(11) Some("forgotten")"#,
        ];
        assert_eq!(texts(second), expected, "seed {seed}, parallelism {parallelism}");
    }
}

#[test]
fn what_it_takes_in_memory_is_measured() {
    let record = |i: i64| Step::Record((format!("account {}", i % 7), 1 + i));
    // The third window is open when nothing more comes; what was aggregated of it before is sent when the stream is idle.
    let given: Vec<_> = (0..2100).map(record).chain([Step::Never]).collect();
    let job = Simulated::start(1, parallel(1), |job| {
        let records = job.source(Script::steps(vec![given])).event_time_by(
            |(_, i): (&str, i64)| Timestamp::from_millis(i),
            monotonous().with_idleness(Duration::from_millis(100)),
        );
        let (a, rest) = records.fork();
        let (b, c) = rest.fork();
        a.key_by(|(key, _)| key.to_owned()).process(Booking).sink(collect().sink());
        b.key_by(|(key, _)| key.to_owned()).rolling(|of| of.count()).sink(collect().sink());
        c.key_by(|(key, _)| key.to_owned())
            .window(tumbling(1.seconds()))
            .aggregate(|of| of.count())
            .sink(collect().sink());
    });
    job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(1)));
    let metrics = job.job.metrics().snapshot();
    let measured = metrics.into_iter().filter_map(|(id, metric)| match metric {
        Metric::Gauge(gauge) if id.name == "state_bytes" => Some((id.operator, gauge.get())),
        _ => None,
    });
    let measured: Vec<_> = measured.collect();
    assert_eq!(measured.len(), 3, "{measured:?}");
    assert!(measured.iter().all(|(_, bytes)| *bytes > 100), "{measured:?}");
    job.job.cancel();
    job.wait().expect_err("it is cancelled");
}
