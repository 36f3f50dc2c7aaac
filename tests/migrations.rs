//! State whose types have changed: a job goes on from checkpoints that an earlier version of its code wrote.
#![allow(clippy::disallowed_methods, reason = "tests stand outside of the engine")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use millstream::{
    connectors::{collect, generate},
    env::Env,
    graph::JobGraph,
    local,
    prelude::*,
    settings::Settings,
};
use millstream_testkit::SimEnv;

const RECORDS: u64 = 4_000;
const KEYS: u64 = 40;

/// The code as it was.
mod first {
    use millstream::prelude::*;

    #[derive(Record, Clone)]
    pub(super) struct Item {
        pub(super) id: u64,
    }

    /// Plain fields and collections.
    #[derive(State, Default)]
    pub(super) struct Account {
        pub(super) count: u64,
        pub(super) last: Option<Item>,
        pub(super) items: MapState<u64, Item>,
        pub(super) recent: ListState<Item>,
    }

    #[derive(Clone)]
    pub(super) struct Accounts;

    #[process]
    impl Accounts {
        fn on_record(
            &mut self,
            index: u64,
            account: &mut StateOf<Account>,
            cx: &mut KeyedContext<'_, u64, (u64, String)>,
        ) {
            account.count += 1;
            account.last = Some(Item { id: index });
            account.items.insert(index % 3, Item { id: index });
            account.recent.push(Item { id: index });
            cx.emit((index, &format!("first {}", account.count)));
        }
    }

    /// Plain fields alone.
    #[derive(State, Default)]
    pub(super) struct Total {
        pub(super) cents: u64,
    }

    #[derive(Clone)]
    pub(super) struct Totals;

    #[process]
    impl Totals {
        fn on_record(&mut self, index: u64, total: &mut StateOf<Total>, cx: &mut KeyedContext<'_, u64, (u64, String)>) {
            total.cents += 100;
            cx.emit((index, &format!("first {}", total.cents)));
        }
    }

    /// What each subtask keeps.
    #[derive(OperatorState, Default)]
    pub(super) struct Kept {
        #[state(list)]
        pub(super) items: Vec<Item>,
    }

    #[derive(Clone)]
    pub(super) struct Keeper;

    #[process]
    impl Keeper {
        fn on_record(&mut self, index: u64, kept: &mut Kept, cx: &mut Context<'_, (u64, String)>) {
            kept.items.push(Item { id: index });
            cx.emit((index, "kept"));
        }
    }
}

#[derive(Record, Clone)]
#[record(rename = "Item")]
struct ItemV1 {
    id: u64,
}

#[derive(Record, Clone)]
#[record(version = 2, from = ItemV1)]
struct Item {
    name: String,
}

impl From<ItemV1> for Item {
    fn from(old: ItemV1) -> Self {
        Self { name: format!("item {}", old.id) }
    }
}

#[derive(Record, Clone)]
#[record(rename = "Account")]
struct AccountV1 {
    count: u64,
    last: Option<Item>,
}

#[derive(State, Default)]
#[record(version = 2, from = AccountV1)]
struct Account {
    label: String,
    last: Option<Item>,
    count: u64,
    items: MapState<u64, Item>,
    recent: ListState<Item>,
}

impl From<AccountV1> for AccountFields {
    fn from(old: AccountV1) -> Self {
        Self { label: format!("had {}", old.count), last: old.last, count: old.count }
    }
}

#[derive(Clone)]
struct Accounts;

#[process]
impl Accounts {
    fn on_record(&mut self, index: u64, account: &mut StateOf<Account>, cx: &mut KeyedContext<'_, u64, (u64, String)>) {
        // What was there before this record.
        let (last, label, count) = (account.last.clone().map(|last| last.name), account.label.clone(), account.count);
        let items: Vec<String> = account.items.iter().map(|(key, item)| format!("{key}={}", item.name)).collect();
        let recent: Vec<String> = account.recent.iter().map(|item| item.name.to_owned()).collect();
        account.count += 1;
        account.last = Some(Item { name: format!("item {index}") });
        account.items.insert(index % 3, Item { name: format!("item {index}") });
        account.recent.push(Item { name: format!("item {index}") });
        let items: BTreeSet<String> = items.into_iter().collect();
        cx.emit((index, &format!("{}|{count} {last:?} {items:?}|{label}", recent.join(","))));
    }
}

#[derive(Record)]
#[record(rename = "Total")]
struct TotalV1 {
    cents: u64,
}

#[derive(State, Default)]
#[record(version = 2, from = TotalV1)]
struct Total {
    euros: f64,
    records: u64,
}

impl From<TotalV1> for Total {
    fn from(old: TotalV1) -> Self {
        Self { euros: old.cents as f64 / 100.0, records: old.cents / 100 }
    }
}

#[derive(Clone)]
struct Totals;

#[process]
impl Totals {
    fn on_record(&mut self, index: u64, total: &mut StateOf<Total>, cx: &mut KeyedContext<'_, u64, (u64, String)>) {
        cx.emit((index, &format!("{} {}", total.euros, total.records)));
        total.euros += 1.0;
        total.records += 1;
    }
}

#[derive(OperatorState, Default)]
struct Kept {
    #[state(list)]
    items: Vec<Item>,
}

#[derive(Clone)]
struct Keeper;

#[process]
impl Keeper {
    fn on_record(&mut self, index: u64, kept: &mut Kept, _: &mut Context<'_, (u64, String)>) {
        kept.items.push(Item { name: format!("item {index}") });
    }

    fn on_end(&mut self, kept: &mut Kept, cx: &mut Context<'_, (u64, String)>) {
        for item in kept.items.drain(..) {
            cx.emit((0, &item.name));
        }
    }
}

/// What a job puts out, by the process function that did.
type Results = [collect::Collect<(u64, String)>; 3];

/// The job with the functions of one version.
macro_rules! job {
    ($settings:expr, $results:expr, $accounts:expr, $totals:expr, $keeper:expr) => {{
        let mut job = Job::<ExactlyOnce>::new("migrations", $settings);
        let [accounts, totals, kept]: &Results = $results;
        let keyed = |index: u64| index % KEYS;
        let indices = || generate(RECORDS, 1, |_, index| index).rate(20_000.0);
        job.source(indices())
            .uid("one")
            .key_by(keyed)
            .process($accounts)
            .uid("accounts")
            .sink(accounts.sink().uid("sink accounts"));
        job.source(indices())
            .uid("two")
            .key_by(keyed)
            .process($totals)
            .uid("totals")
            .sink(totals.sink().uid("sink totals"));
        job.source(indices())
            .uid("three")
            .parallelism(1)
            .process($keeper)
            .uid("kept")
            .sink(kept.sink().uid("sink kept"));
        job.build().expect("the job is well formed")
    }};
}

fn as_it_was(dir: &Path, parallelism: usize, results: &Results) -> JobGraph {
    job!(settings(dir, parallelism), results, first::Accounts, first::Totals, first::Keeper)
}

fn as_it_is(dir: &Path, parallelism: usize, results: &Results) -> JobGraph {
    job!(settings(dir, parallelism), results, Accounts, Totals, Keeper)
}

fn settings(dir: &Path, parallelism: usize) -> Settings {
    let mut settings = Settings { parallelism, ..Settings::default() };
    settings.checkpoints.dir = Some(dir.into());
    settings.checkpoints.interval = Duration::from_millis(2);
    settings
}

/// Runs a job for so long, or to its end; what it failed with, if it did.
fn live(seed: u64, graph: JobGraph, millis: Option<u64>) -> Option<String> {
    let sim = SimEnv::new(seed);
    let env: Arc<dyn Env> = sim.clone();
    let job = local::start(graph, env);
    let failure = sim.block_on(async {
        if let Some(millis) = millis {
            sim.sleep(Duration::from_millis(millis)).await;
            job.stop().await.expect("nothing is in its way");
        }
        job.wait().await.err().map(|failure| failure.to_string())
    });
    sim.drop_tasks(); // they hold the environment that holds them
    failure
}

/// What was put out, by the record; what a life repeats is there once, as its transactions may be committed again.
fn taken(results: &collect::Collect<(u64, String)>) -> BTreeMap<u64, String> {
    let mut taken = BTreeMap::new();
    for (index, text) in results.take() {
        let before = taken.insert(index, text.clone());
        assert!(before.is_none_or(|before| before == text), "record {index} has come to two results");
    }
    taken
}

#[test]
fn a_job_goes_on_with_new_types() {
    for (seed, parallelisms) in [[1, 1, 1], [2, 2, 3], [3, 1, 2]].into_iter().enumerate() {
        let (seed, dir) = (seed as u64 * 10, tempfile::tempdir().expect("there is room"));
        let results: Results = [collect(), collect(), collect()];
        assert_eq!(live(seed, as_it_was(dir.path(), parallelisms[0], &results), Some(60)), None);
        let [old_accounts, old_totals] = [taken(&results[0]), taken(&results[1])];
        results[2].take();
        assert!(!old_accounts.is_empty() && !old_totals.is_empty(), "the first life has got somewhere");
        // So that deltas and merges of the new version stand on what was migrated.
        assert_eq!(live(seed + 1, as_it_is(dir.path(), parallelisms[1], &results), Some(60)), None);
        assert_eq!(live(seed + 2, as_it_is(dir.path(), parallelisms[2], &results), None), None);

        let accounts = taken(&results[0]);
        let mut had = BTreeMap::<u64, BTreeSet<u64>>::new();
        old_accounts.keys().for_each(|index| _ = had.entry(index % KEYS).or_default().insert(*index));
        assert_eq!(accounts.len() + old_accounts.len(), RECORDS as usize);
        let mut longest = BTreeMap::<u64, usize>::new();
        for (index, text) in accounts {
            let key = index % KEYS;
            // Records come in any order, so the list of all before this one says what the rest has to be.
            let (recent, rest) = text.split_once('|').expect("a list and the rest");
            let number = |name: &str| name.strip_prefix("item ").and_then(|number| number.parse().ok());
            let before: Vec<u64> = recent.split_terminator(',').map(|name| number(name).expect("an item")).collect();
            let old = had.get(&key).cloned().unwrap_or_default();
            assert_eq!(before.iter().take(old.len()).copied().collect::<BTreeSet<_>>(), old, "those of the first life");
            let name = |index: &u64| format!("item {index}");
            let items: BTreeMap<u64, u64> = before.iter().map(|index| (index % 3, *index)).collect();
            let items: BTreeSet<String> = items.iter().map(|(key, index)| format!("{key}={}", name(index))).collect();
            let label = if old.is_empty() { String::new() } else { format!("had {}", old.len()) };
            assert_eq!(rest, format!("{} {:?} {items:?}|{label}", before.len(), before.last().map(name)));
            let longest = longest.entry(key).or_default();
            *longest = before.len().max(*longest);
        }
        assert!(longest.values().all(|before| *before as u64 == RECORDS / KEYS - 1), "nothing was lost: {longest:?}");
        let totals: BTreeSet<(u64, String)> =
            taken(&results[1]).into_iter().map(|(index, text)| (index % KEYS, text)).collect();
        assert_eq!(totals.len() + old_totals.len(), RECORDS as usize, "each total of a key is there once");
        let last = RECORDS / KEYS - 1;
        assert!((0..KEYS).all(|key| totals.contains(&(key, format!("{last} {last}")))));
        let kept: BTreeSet<String> = results[2].take().into_iter().map(|(_, name)| name).collect();
        assert!(kept == (0..RECORDS).map(|index| format!("item {index}")).collect(), "{} are kept", kept.len());
    }
}

/// A checkpoint of [`as_it_was`], kept as it was written when state could first change. It must be readable for ever.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/migrations");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("there is room");
    for entry in fs::read_dir(from).expect("it is there") {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("it can be read");
        match entry.is_dir() {
            true => copy(&entry, &to.join(name)),
            false if name == "lock" => {} // of the process
            false => _ = fs::copy(entry, to.join(name)).expect("there is room"),
        }
    }
}

#[test]
#[ignore = "writes the fixture anew"]
fn write_the_fixture() {
    let dir = tempfile::tempdir().expect("there is room");
    let results: Results = [collect(), collect(), collect()];
    assert_eq!(live(1, as_it_was(dir.path(), 1, &results), Some(45)), None);
    fs::remove_dir_all(FIXTURE).ok();
    copy(dir.path(), Path::new(FIXTURE));
}

#[test]
fn yesterdays_checkpoint_is_restored() {
    let dir = tempfile::tempdir().expect("there is room");
    copy(Path::new(FIXTURE), dir.path());
    let results: Results = [collect(), collect(), collect()];
    assert_eq!(live(7, as_it_is(dir.path(), 2, &results), None), None);
    let mut accounts = taken(&results[0]);
    // What was committed last may come again in a process that begins with an empty place.
    accounts.retain(|_, text| !text.starts_with("first"));
    let had = RECORDS as usize - accounts.len();
    assert!(had > 0, "the checkpoint has records");
    let labels = |text: &String| text.rsplit_once("had ").and_then(|(_, count)| count.parse::<usize>().ok());
    let counts: BTreeMap<u64, usize> =
        accounts.iter().filter_map(|(index, text)| Some((index % KEYS, labels(text)?))).collect();
    assert_eq!(counts.values().sum::<usize>(), had, "each account says how many records it had");
    let mut kept: BTreeSet<String> = results[2].take().into_iter().map(|(_, name)| name).collect();
    kept.remove("kept");
    assert!(kept == (0..RECORDS).map(|index| format!("item {index}")).collect(), "{} are kept", kept.len());
}

#[test]
fn a_type_that_changes_without_a_version_is_refused() {
    let dir = tempfile::tempdir().expect("there is room");
    let results: Results = [collect(), collect(), collect()];
    assert_eq!(live(1, as_it_was(dir.path(), 1, &results), Some(30)), None);
    /// Another layout, and no version.
    mod changed {
        use millstream::prelude::*;

        #[derive(State, Default)]
        pub(super) struct Total {
            pub(super) euros: f64,
        }

        #[derive(Clone)]
        pub(super) struct Totals;

        #[process]
        impl Totals {
            fn on_record(
                &mut self,
                index: u64,
                total: &mut StateOf<Total>,
                cx: &mut KeyedContext<'_, u64, (u64, String)>,
            ) {
                total.euros += 1.0;
                cx.emit((index, "changed"));
            }
        }
    }
    let graph = job!(settings(dir.path(), 1), &results, first::Accounts, changed::Totals, first::Keeper);
    let failure = live(2, graph, None).expect("the state cannot be read");
    for part in [
        "state `plain-fields`",
        "`Total` (version 1) is stored",
        "has other fields than `Total` (version 1)",
        "new version",
    ] {
        assert!(failure.contains(part), "{failure}");
    }
    // The types as they are now have written nothing yet, so that the job goes back to its earlier code; afterwards they have.
    assert_eq!(live(3, as_it_is(dir.path(), 1, &results), Some(30)), None);
    let failure = live(4, as_it_was(dir.path(), 1, &results), None).expect("the state is newer");
    assert!(failure.contains("(version 2) is stored, which is newer than"), "{failure}");
}
