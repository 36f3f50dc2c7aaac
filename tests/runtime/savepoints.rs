//! Savepoints: made while a job runs, or stops; moved, and begun with at another parallelism; and what is refused.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use millstream::{
    connectors::{CsvFiles, collect, generate},
    env::Env,
    graph::JobGraph,
    local::{self, Location},
    prelude::*,
    settings::Settings,
};

use crate::{
    checkpoints::{settings, simulate},
    support::seeds,
};

#[derive(Record, Debug)]
struct Counted {
    key: u64,
    count: u64,
}

const RECORDS: u64 = 3_000;
const KEYS: u64 = 40;

/// Counts the records of each key: a result for every record.
fn counts(settings: Settings, uid: &'static str, results: &collect::Collect<(u64, u64)>) -> JobGraph {
    let mut job = Job::<ExactlyOnce>::new("counts of keys", settings);
    job.source(generate(RECORDS, 1, |_, index| index).rate(20_000.0))
        .key_by(|index| index % KEYS)
        .rolling(|of| of.count())
        .uid(uid)
        .map(|(key, Rolling(count))| (key, count))
        .sink(results.sink());
    job.build().expect("the job is well formed")
}

fn place(path: &Path) -> Location {
    path.into()
}

/// Settings of a job that begins with a savepoint.
fn beginning(dir: &Path, parallelism: usize, from: &Location) -> Settings {
    let mut settings = settings(dir, parallelism, Duration::from_millis(5));
    settings.checkpoints.from = Some(from.clone());
    settings
}

/// That every count of every key is there, however often.
fn check(mut all: Vec<(u64, u64)>, seed: u64) {
    all.sort_unstable();
    all.dedup(); // results are kept outside of the checkpoints, so some come twice where a job begins with what was before them
    let expected: Vec<_> = (0..KEYS).flat_map(|key| (1..=RECORDS / KEYS).map(move |count| (key, count))).collect();
    assert!(all == expected, "seed {seed}: {} of {}", all.len(), expected.len());
}

#[test]
fn a_savepoint_is_moved_and_begun_with_at_another_parallelism() {
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let at = |name: &str| dir.path().join(name);
        let results = collect();
        let graph = counts(settings(&at("first"), 2, Duration::from_millis(3)), "counts", &results);
        let (made, stopped) = simulate(seed, graph, async |sim, job| {
            sim.sleep(Duration::from_millis(40)).await;
            let made = job.savepoint(Some(&place(&at("savepoints")))).await.expect("nothing is in its way");
            sim.sleep(Duration::from_millis(40)).await;
            let last = job.status().checkpoints.last_completed().expect("there are some").checkpoint;
            assert!(last > made.checkpoint, "the job goes on: {last}");
            let stopped =
                job.stop_with_savepoint(Some(&place(&at("savepoints"))), false).await.expect("nothing is in its way");
            assert_eq!(job.wait().await.expect("it ends well").stopped, Some(stopped.checkpoint));
            (made, stopped)
        });
        let before = results.take();
        // Nothing of where it was made is needed, and it may lie elsewhere.
        fs::remove_dir_all(at("first")).expect("nobody uses it");
        let moved = |savepoint: &local::Savepoint, name| {
            let path = savepoint.place.as_directory().expect("it is a directory");
            fs::rename(path, at(name)).expect("nobody uses it");
            place(&at(name))
        };
        let (made, stopped) = (moved(&made, "early"), moved(&stopped, "late"));

        // The late one: stopped on the way, the job goes on from its own checkpoint though it is started in the same way.
        let mut resumed = Vec::new();
        for life in 0..3 {
            let graph = counts(beginning(&at("second"), 3, &stopped), "counts", &results);
            let restored = simulate(seed + 100 + life, graph, async |sim, job| {
                if life < 2 {
                    sim.sleep(Duration::from_millis(12)).await;
                    job.stop().await.expect("nothing is in its way");
                }
                job.wait().await.expect("it ends well");
                job.status().restored
            });
            resumed.push(restored.expect("each goes on from something"));
        }
        assert!(resumed[0] < resumed[1] && resumed[1] < resumed[2], "seed {seed}: {resumed:?}");
        check([before.clone(), results.take()].concat(), seed);

        // The early one, in the same place: that is another run.
        let graph = counts(beginning(&at("second"), 1, &made), "counts", &results);
        simulate(seed + 200, graph, async |_, job| job.wait().await.expect("it ends well"));
        let after = results.take();
        let mut firsts = BTreeMap::<u64, u64>::new();
        after.iter().for_each(|(key, count)| {
            _ = firsts.entry(*key).and_modify(|first| *first = (*first).min(*count)).or_insert(*count)
        });
        assert!(firsts.values().all(|first| *first > 1), "it goes on from what was counted: {firsts:?}");
        check([before, after].concat(), seed);
    }
}

#[test]
fn output_goes_on_where_the_savepoint_ends_and_is_taken_back_if_it_went_further() {
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let at = |name: &str| dir.path().join(name);
        let graph = |settings: Settings, output: &str| {
            let mut job = Job::<ExactlyOnce>::new("counts of keys", settings);
            job.source(generate(RECORDS, 1, |_, index| index).rate(20_000.0))
                .key_by(|index| index % KEYS)
                .rolling(|of| of.count())
                .uid("counts")
                .map(|(key, Rolling(count))| Counted { key, count })
                .sink(CsvFiles::write(at(output)).part_bytes(1 << 16));
            job.build().expect("the job is well formed")
        };
        let first = settings(&at("first"), 2, Duration::from_millis(3));
        let (early, late) = simulate(seed, graph(first, "output"), async |sim, job| {
            sim.sleep(Duration::from_millis(30)).await;
            let early = job.savepoint(Some(&place(dir.path()))).await.expect("nothing is in its way");
            sim.sleep(Duration::from_millis(30)).await;
            let late = job.stop_with_savepoint(Some(&place(dir.path())), false).await.expect("nothing is in its way");
            job.wait().await.expect("it ends well");
            (early.place, late.place)
        });
        let run = |settings: Settings, output: &str| {
            simulate(seed + 7, graph(settings, output), async |_, job| {
                job.wait().await.map_err(|failure| failure.to_string())
            })
        };
        let further = run(beginning(&at("second"), 3, &early), "output").expect_err("there is later output");
        assert!(further.contains("--rewind") && further.contains("would be written twice"), "{further}");
        // In another place it harms nobody: what comes there is what the savepoint has not counted.
        run(beginning(&at("third"), 3, &early), "elsewhere").expect("there is nothing");
        let elsewhere = lines(&at("elsewhere"));
        assert!(elsewhere.len() < RECORDS as usize && !elsewhere.is_empty(), "{}", elsewhere.len());
        let rewound = match seed % 2 {
            0 => Settings { ..beginning(&at("fourth"), 3, &late) },
            _ => {
                let mut settings = beginning(&at("fourth"), 1, &early);
                settings.checkpoints.rewind = true;
                settings
            }
        };
        run(rewound, "output").expect("each record counts once");
        let expected: Vec<_> = (0..KEYS)
            .flat_map(|key| (1..=RECORDS / KEYS).map(move |count| format!("{key},{count}")))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        assert!(lines(&at("output")) == expected, "seed {seed}");
    }
}

/// The committed lines of all files, sorted; those that come twice come twice.
fn lines(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).expect("it is there").map(|file| file.expect("it can be read").path());
    let parts = files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-")));
    let text: Vec<_> = parts.map(|path| fs::read_to_string(path).expect("it can be read")).collect();
    let mut lines: Vec<_> = text.iter().flat_map(|text| text.lines().skip(1).map(str::to_owned)).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_drain_commits_all_and_leaves_a_savepoint_that_nothing_goes_on_from() {
    let dir = tempfile::tempdir().expect("there is room");
    let results = collect();
    let graph = counts(settings(&dir.path().join("own"), 2, Duration::from_secs(60)), "counts", &results);
    let drained = simulate(1, graph, async |sim, job| {
        sim.sleep(Duration::from_millis(30)).await;
        let drained = job.stop_with_savepoint(Some(&place(dir.path())), true).await.expect("nothing is in its way");
        assert_eq!(job.wait().await.expect("it ends well").stopped, None);
        drained
    });
    assert!(!results.take().is_empty());
    let graph = counts(beginning(&dir.path().join("other"), 2, &drained.place), "counts", &results);
    let failure = simulate(2, graph, async |_, job| job.wait().await.expect_err("nothing is left to do"));
    assert!(failure.to_string().contains("had come to its end in the savepoint"), "{failure}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = tempfile::tempdir().expect("there is room");
    let at = |name: &str| dir.path().join(name);
    let results = collect();
    let graph = counts(settings(&at("own"), 2, Duration::from_secs(60)), "counts", &results);
    let made = simulate(1, graph, async |_, job| {
        let nowhere = job.savepoint(None).await.expect_err("nobody has said where");
        assert!(nowhere.contains("savepoint.dir"), "{nowhere}");
        fs::write(at("file"), "in the way").expect("there is room");
        let in_the_way = job.stop_with_savepoint(Some(&place(&at("file"))), false).await.expect_err("it is a file");
        assert!(in_the_way.contains("file"), "{in_the_way}");
        // The job was not stopped for that.
        let made = job.savepoint(Some(&place(dir.path()))).await.expect("nothing is in its way");
        job.wait().await.expect("it ends well");
        made
    });
    results.take();
    let begin = |uid, change: &dyn Fn(&mut Settings)| {
        let mut settings = beginning(&tempfile::tempdir().expect("there is room").keep(), 2, &made.place);
        change(&mut settings);
        simulate(3, counts(settings, uid, &results), async |_, job| {
            job.wait().await.map_err(|failure| failure.to_string())
        })
    };
    let renamed = begin("sums", &|_| {}).expect_err("its state would be lost");
    assert!(renamed.contains("operator `counts`") && renamed.contains("--allow-dropped-state"), "{renamed}");
    let regrouped = begin("counts", &|settings| settings.max_parallelism = 64).expect_err("keys are elsewhere");
    assert!(regrouped.contains("max_parallelism to 128 again"), "{regrouped}");
    results.take();
    begin("sums", &|settings| settings.checkpoints.allow_dropped_state = true).expect("it may be dropped");
    assert_eq!(results.take().iter().map(|(_, count)| *count).min(), Some(1), "it counts anew");

    let mut segments =
        fs::read_dir(made.place.as_directory().expect("it is one").join("segments")).expect("it has some");
    let segment = segments.next().expect("there is one").expect("it can be read").path();
    let mut bytes = fs::read(&segment).expect("it can be read");
    bytes[30] ^= 1;
    fs::write(&segment, bytes).expect("it can be written");
    let damaged = begin("counts", &|_| {}).expect_err("a block is damaged");
    assert!(damaged.contains("the savepoint in") && damaged.contains("cannot be read"), "{damaged}");
    fs::remove_file(&segment).expect("it is there");
    let missing = begin("counts", &|_| {}).expect_err("a segment is missing");
    assert!(missing.contains("is missing") && missing.contains("in the savepoint in"), "{missing}");
}
