//! Files written by jobs that never end: what appears while they run, and what is left when they end.
#![allow(clippy::disallowed_methods, reason = "tests look at files of their own")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use millstream_connectors::{TextFiles, collect, generate, generate_unbounded, records};
use millstream_runtime::{
    env::Env,
    local,
    settings::Settings,
    stream::{Job, Stream},
};
use millstream_testkit::SimEnv;

fn job(parallelism: usize) -> Job {
    Job::new("test", Settings { parallelism, ..Settings::default() })
}

/// The files below a directory that are no hidden ones, in the order of their names.
fn visible(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let hidden = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with('.');
    paths.retain(|path| !hidden(path));
    paths.into_iter().flat_map(|path| if path.is_dir() { visible(&path) } else { vec![path] }).collect()
}

fn parts(directory: &Path) -> Vec<PathBuf> {
    let mut paths = visible(directory);
    paths.retain(|path| path.extension().is_some());
    paths
}

/// The numbers in all parts, each of which must hold whole lines.
fn numbers(directory: &Path) -> Vec<u64> {
    let mut numbers = Vec::new();
    for part in parts(directory) {
        let text = fs::read_to_string(&part).unwrap();
        assert!(text.ends_with('\n'), "{part:?}");
        numbers.extend(text.lines().map(|line| line.parse::<u64>().unwrap()));
    }
    numbers.sort_unstable();
    numbers
}

/// Lets virtual time pass until a condition holds.
async fn until(sim: &SimEnv, mut condition: impl FnMut() -> bool) {
    while !condition() {
        sim.sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn parts_of_a_job_that_never_ends_appear_while_it_runs() {
    for (seed, parallelism) in [(1, 1), (2, 2), (3, 3)] {
        let directory = tempfile::tempdir().unwrap();
        let sim = SimEnv::new(seed);
        sim.block_on(async {
            let mut job = job(parallelism);
            job.source(generate_unbounded(1, |_, index| index).rate(20.0))
                .map(|n| n.to_string())
                .sink(TextFiles::write(directory.path()).roll_every(Duration::from_secs(10)));
            let handle = local::start(job.build().unwrap(), sim.clone());
            until(&sim, || parts(directory.path()).len() >= 5 * parallelism).await;
            let seen = numbers(directory.path());
            assert!(!directory.path().join("_SUCCESS").exists());
            handle.drain();
            handle.wait().await.unwrap();
            let all = numbers(directory.path());
            assert!(
                seen.len() >= 200 * parallelism && all.len() >= seen.len(),
                "seed {seed}: {} {}",
                seen.len(),
                all.len()
            );
            assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: a line is there twice");
        });
        assert!(directory.path().join("_SUCCESS").exists());
        assert!(
            !fs::read_dir(directory.path()).unwrap().any(|entry| entry.unwrap().path().is_dir()),
            "hidden parts are left"
        );
    }
}

#[test]
fn compressed_parts_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let (gzip, zstd) = (directory.path().join("gzip"), directory.path().join("zstd"));
    let lines: Vec<String> = (0..5_000).map(|n| format!("line {n}")).collect();
    let sim = SimEnv::new(1);
    for (sink, out) in [(TextFiles::write(&gzip).gzip(), &gzip), (TextFiles::write(&zstd).zstd(), &zstd)] {
        let mut write = job(2);
        write.source(records(lines.clone())).map(|line| line.to_owned()).sink(sink.part_bytes(10_000));
        sim.block_on(local::run(write.build().unwrap(), sim.clone())).unwrap();
        let (results, mut read) = (collect(), job(2));
        read.source(TextFiles::read(out)).sink(results.sink());
        sim.block_on(local::run(read.build().unwrap(), sim.clone())).unwrap();
        let (mut found, mut expected) = (results.take(), lines.clone());
        found.sort_unstable();
        expected.sort_unstable();
        assert!(found == expected, "{out:?}");
    }
}

#[test]
fn a_part_appears_at_its_age_though_no_record_comes() {
    for seed in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let sim = SimEnv::new(seed);
        sim.block_on(async {
            let mut job = job(1);
            // The second record comes a hundred seconds after the first.
            job.source(generate_unbounded(1, |_, index| index).rate(0.01)).map(|n| n.to_string()).sink(
                TextFiles::write(directory.path())
                    .roll_every(Duration::from_secs(5))
                    .partition_by(|line| line.len())
                    .gzip(),
            );
            let handle = local::start(job.build().unwrap(), sim.clone());
            let began = sim.now();
            until(&sim, || !parts(directory.path()).is_empty()).await;
            assert!(sim.now().since(began) < Duration::from_secs(150), "seed {seed}");
            handle.cancel();
            assert!(handle.wait().await.unwrap_err().is_cancelled());
        });
        // What has appeared stays, but does not look complete.
        assert_eq!(visible(directory.path()).len(), 1);
        assert!(!directory.path().join("_SUCCESS").exists());
    }
}

#[test]
fn a_job_that_is_cancelled_leaves_neither_parts_nor_directories() {
    for seed in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let sim = SimEnv::new(seed);
        sim.block_on(async {
            let mut job = job(2);
            job.source(generate_unbounded(1, |_, index| index).rate(20_000.0))
                .map(|n| n.to_string())
                .sink(TextFiles::write(directory.path().join("new/out")).part_bytes(500));
            let handle = local::start(job.build().unwrap(), sim.clone());
            sim.sleep(Duration::from_millis(50 + 10 * seed)).await;
            handle.cancel();
            assert!(handle.wait().await.unwrap_err().is_cancelled());
            sim.sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "seed {seed}");
    }
}

#[test]
fn a_check_that_fails_takes_back_the_directories_of_other_sinks() {
    let directory = tempfile::tempdir().unwrap();
    let sim = SimEnv::new(1);
    fs::write(directory.path().join("file"), "").unwrap();
    let failure = sim.block_on(async {
        let mut job = job(1);
        let numbers = job.source(generate(10, 1, |_, index| index)).map(|n| n.to_string());
        let (odd, even) = numbers.split(|n| n.ends_with(['1', '3', '5', '7', '9']));
        odd.sink(TextFiles::write(directory.path().join("out")));
        even.sink(TextFiles::write(directory.path().join("file")));
        local::run(job.build().unwrap(), sim.clone()).await.unwrap_err()
    });
    assert!(failure.message().starts_with("cannot write "), "{failure}");
    assert_eq!(visible(directory.path()), [directory.path().join("file")]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn two_sinks_of_a_job_need_two_directories() {
    let directory = tempfile::tempdir().unwrap();
    let sim = SimEnv::new(1);
    let run = |other: PathBuf| {
        sim.block_on(async {
            let mut job = job(1);
            let (odd, even) =
                job.source(generate(10, 1, |_, index| index)).map(|n| n.to_string()).split(|n| n.ends_with('1'));
            odd.sink(TextFiles::write(directory.path().join("out")).overwrite());
            even.sink(TextFiles::write(other).overwrite());
            local::run(job.build().unwrap(), sim.clone()).await.map(drop)
        })
    };
    // The second would remove what the first has committed.
    let failure = run(directory.path().join("./out")).unwrap_err();
    assert!(failure.message().starts_with("another sink of this job writes into directory "), "{failure}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    // One inside of the other is all right, and so is another run of the job.
    for _ in 0..2 {
        run(directory.path().join("out/even")).unwrap();
        assert_eq!(numbers(directory.path()), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn appended_lines_are_whole_and_follow_what_was_there() {
    for seed in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log/lines.txt");
        fs::create_dir(directory.path().join("log")).unwrap();
        fs::write(&file, "of an earlier run\ncut of").unwrap();
        let sim = SimEnv::new(seed);
        let lines: Vec<String> = (0..20_000).map(|n| format!("line {n} of {}", "x".repeat(n % 50))).collect();
        sim.block_on(async {
            let mut job = job(3);
            job.source(records(lines.clone())).rebalance().map(|line| line.to_owned()).sink(TextFiles::append(&file));
            local::run(job.build().unwrap(), sim.clone()).await.unwrap();
        });
        let text = fs::read_to_string(&file).unwrap();
        let mut found: Vec<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(found[..2], ["of an earlier run", "cut of"]);
        let (mut found, mut lines) = (found.split_off(2), lines);
        found.sort_unstable();
        lines.sort_unstable();
        assert!(found == lines, "seed {seed}");
    }
}

#[test]
fn appended_lines_are_there_while_the_job_runs_and_stay_when_it_is_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines.txt");
    let sim: Arc<SimEnv> = SimEnv::new(4);
    sim.block_on(async {
        let mut job = job(1);
        job.source(generate_unbounded(1, |_, index| index).rate(1.0))
            .map(|n| n.to_string())
            .sink(TextFiles::append(&file));
        let handle = local::start(job.build().unwrap(), sim.clone());
        until(&sim, || fs::read_to_string(&file).unwrap_or_default().lines().count() >= 3).await;
        handle.cancel();
        assert!(handle.wait().await.unwrap_err().is_cancelled());
    });
    assert!(fs::read_to_string(&file).unwrap().starts_with("0\n1\n2\n"));
}

#[test]
fn lines_are_not_appended_to_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let sim = SimEnv::new(4);
    let failure = sim.block_on(async {
        let mut job = job(1);
        job.source(records(vec![String::new()])).map(|line| line.to_owned()).sink(TextFiles::append(directory.path()));
        local::run(job.build().unwrap(), sim.clone()).await.unwrap_err()
    });
    assert!(
        failure
            .message()
            .ends_with(" is a directory; name a file in it to append to, or write part files with `TextFiles::write`"),
        "{failure}"
    );
}
