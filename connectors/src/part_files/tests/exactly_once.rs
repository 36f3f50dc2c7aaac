//! A job with checkpoints whose process is killed, or whose machine loses its power, in each step of its life: the output has every record once.

use std::{collections::BTreeSet, io::Read, sync::Arc, time::Duration};

use futures::FutureExt;
use millstream_runtime::{
    env::{Env, Files},
    sink::{Prepare, Prepared},
};
use millstream_testkit::{SimDisk, SimEnv, budget, rng::Rng};

use super::*;
use crate::{
    TextFiles,
    part_files::{OpenPart, PartitionBy, Unpartitioned, place::name_of},
};

const OUT: &str = "/somewhere/out";
const RUN: u64 = 0x5eed;
const RECORDS: u64 = 120;
const SUBTASKS_LIMIT: usize = 3;

type Partitioned = FileSink<TextFormat, PartitionBy<Unpartitioned, fn(&str) -> String, String>>;

/// The last complete checkpoint, as the engine would store it, and what has become of it.
#[derive(Clone, Default)]
struct Stored {
    number: u64,
    /// How many records had been read.
    position: u64,
    committables: Vec<FilePart>,
    states: Vec<OpenPart>,
    last: bool,
    /// Checkpoints that were given up, or cannot be read any more, are numbers that were used.
    given_up: u64,
    /// What is to be gone back to if this one cannot be read.
    before: Option<Box<Stored>>,
    /// The job has gone back to it from a later one.
    gone_back: bool,
}

impl Stored {
    /// The checkpoint before this one, which cannot be read any more.
    /// None if there is none: then the job would have to begin anew.
    fn go_back(self) -> Option<Self> {
        let mut before = *self.before.filter(|before| before.number > 0)?;
        before.given_up = self.number + self.given_up - before.number;
        before.gone_back = true;
        Some(before)
    }
}

/// How the job ends an attempt by itself, now and then, in a process that goes on.
const FAILS: &str = "the job fails here";

fn record(number: u64) -> String {
    format!("record {number}")
}

fn partition(line: &str) -> String {
    format!("of/{}", line.len())
}

/// Runs an attempt of the job from the last checkpoint on.
async fn attempt(
    sink: &Partitioned,
    env: &Arc<SimEnv>,
    rng: &mut Rng,
    stored: &mut Stored,
    fails: bool,
) -> Result<(), Failure> {
    let cx = SinkContext::detached(Arc::clone(env) as Arc<dyn Env>, "text").in_attempt_of(RUN);
    sink.check(&cx)?;
    let mut committer = sink.committer(&cx)?;
    if stored.gone_back {
        assert!(committer.take_back(stored.number, &stored.committables, &stored.states).await?);
    }
    committer.recover(&stored.committables, &stored.states).await?;
    committer.commit(stored.committables.clone(), stored.last).await?;
    if stored.last {
        return Ok(());
    }
    let parallelism = 1 + rng.index(SUBTASKS_LIMIT);
    let mut dealt = vec![Vec::new(); parallelism];
    stored.states.iter().enumerate().for_each(|(index, state)| dealt[index % parallelism].push(state.clone()));
    let writer = |(subtask, states)| sink.writer(&cx.clone().at_subtask(subtask, parallelism), states);
    let mut writers = dealt.into_iter().enumerate().map(writer).collect::<Result<Vec<_>, _>>()?;

    let (mut position, mut pending) = (stored.position, Vec::new());
    loop {
        for _ in 0..rng.below(16).min(RECORDS - position) {
            let writer = &mut writers[rng.index(parallelism)];
            writer.write(&record(position), Timestamp::MIN)?;
            position += 1;
            if writer.is_full() || rng.one_in(8) {
                writer.flush().await?;
            }
        }
        env.sleep(Duration::from_millis(rng.below(3000))).await;
        for writer in &mut writers {
            if writer.deadline().is_some_and(|deadline| deadline <= env.now()) {
                writer.flush().await?;
            }
        }
        if fails && rng.one_in(8) {
            // What is under way is left alone, and goes on.
            for writer in &mut writers {
                let _ = writer.flush().now_or_never();
            }
            return Err(Failure::new(FAILS));
        }
        let at = Prepare { checkpoint: stored.number + stored.given_up + 1, last: position == RECORDS, close: false };
        let mut states = Vec::new();
        for writer in &mut writers {
            let prepared = writer.prepare(at).await?;
            pending.extend(prepared.committables);
            states.extend(prepared.state);
        }
        if !at.last && rng.one_in(4) {
            stored.given_up += 1;
            continue; // what was handed over is committed with the next one
        }
        let committables = std::mem::take(&mut pending);
        let before = Some(Box::new(Stored { before: None, ..stored.clone() }));
        *stored = Stored {
            number: at.checkpoint,
            position,
            committables: committables.clone(),
            states,
            last: at.last,
            before,
            ..Stored::default()
        };
        committer.commit(committables, at.last).await?;
        if at.last {
            assert!(stored.states.is_empty(), "nothing stays open behind the last checkpoint");
            return Ok(());
        }
    }
}

/// The numbers of the records that can be seen, sorted.
fn visible(disk: &SimDisk) -> Vec<u64> {
    let mut numbers = Vec::new();
    for path in disk.tree(Path::new(OUT)) {
        let hidden = path.components().any(|name| name.as_os_str().to_str().unwrap().starts_with('.'));
        if hidden || !name_of(&path).starts_with(&format!("part-{RUN:016x}-")) {
            continue;
        }
        let Some(bytes) = disk.read(&path) else { continue }; // an empty directory
        let text = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => {
                let mut text = String::new();
                flate2::read::MultiGzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
                text
            }
            Some("zst") => String::from_utf8(zstd::decode_all(&*bytes).unwrap()).unwrap(),
            _ => String::from_utf8(bytes).unwrap(),
        };
        assert!(text.ends_with('\n'), "{} is not whole: {text:?}", path.display());
        numbers.extend(text.lines().map(|line| line.strip_prefix("record ").unwrap().parse::<u64>().unwrap()));
    }
    numbers.sort_unstable();
    numbers
}

/// A disk with the output of another run, and something else beside it.
fn earlier_run() -> SimDisk {
    let disk = SimDisk::new();
    let directories = [OUT, "/somewhere/out/of/8", "/somewhere/out/of/old"].map(Path::new);
    for directory in directories {
        disk.create_dir(directory).unwrap();
        let part = directory.join("part-00000000000000aa-00000-000000.txt");
        disk.create(&part).unwrap().sync().unwrap();
    }
    for name in ["_SUCCESS", "of/old/notes"] {
        disk.create(&Path::new(OUT).join(name)).unwrap().sync().unwrap();
    }
    let made = directories.iter().flat_map(|directory| directory.ancestors());
    made.for_each(|directory| disk.sync_dir(directory).unwrap());
    disk
}

/// Runs the job until it is done. The machine stops after so many steps: it is killed, or loses its power. Gives how many steps it took.
fn run(make: &dyn Fn() -> Partitioned, seed: u64, stop_after: Option<u64>) -> u64 {
    let disk = earlier_run();
    let (mut rng, mut stored) = (Rng::new(seed), Stored::default());
    let mut stops = stop_after.into_iter().chain((0..2).map(|n| 17 * (n + seed % 5 + 1)));
    let told = format!("seed {seed}, stopped after {stop_after:?}");
    if let Some(steps) = stop_after.and_then(|_| stops.next()) {
        disk.stop_after(steps);
    }
    'process: for process in 0.. {
        let env = SimEnv::with_files(seed + 1000 * process, disk.clone());
        let sink = make();
        loop {
            let fails = stop_after.is_some();
            let ended = env.block_on(attempt(&sink, &env, &mut rng, &mut stored, fails));
            match ended {
                Ok(()) if disk.has_stopped() => {} // nobody knows that it had ended
                Ok(()) => break 'process,
                Err(failure) => assert!(disk.has_stopped() || failure.message() == FAILS, "{told}: {failure}"),
            }
            let seen = visible(&disk);
            assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{told}: twice in {seen:?}");
            // What was committed since the checkpoint that the job has gone back to is there until it is taken back.
            let hidden = seen.last().is_none_or(|last| *last < stored.position);
            let taken_back = !(stored.gone_back && disk.has_stopped());
            assert!(hidden || !taken_back, "{told}: {seen:?} of {}", stored.position);
            if disk.has_stopped() {
                break;
            }
        }
        env.drop_tasks();
        if rng.one_in(2) {
            disk.restart()
        } else {
            disk.lose_power(&mut rng)
        }
        if rng.one_in(3) {
            stored = stored.clone().go_back().unwrap_or(stored);
        }
        if let Some(steps) = stops.next() {
            disk.stop_after(steps);
        }
    }
    assert_eq!(visible(&disk), (0..RECORDS).collect::<Vec<_>>(), "{told}");
    let left = disk.tree(Path::new(OUT));
    assert!(left.iter().any(|path| *path == Path::new(OUT).join("_SUCCESS")), "{told}: {left:?}");
    assert!(!left.iter().any(|path| path.display().to_string().contains("/.")), "{told}: {left:?}");
    let others = left.iter().filter(|path| !name_of(path).starts_with(&format!("part-{RUN:016x}-")));
    assert_eq!(others.map(|path| name_of(path)).collect::<Vec<_>>(), ["_SUCCESS", "notes"], "{told}: {left:?}");
    assert!(disk.read(&Path::new(OUT).join("_SUCCESS")).is_some_and(|mark| mark == format!("{RUN:016x}\n").as_bytes()));
    disk.steps()
}

/// Stops in every step, or in some of them, for some seeds.
fn survives(make: impl Fn() -> Partitioned) {
    for seed in 0..budget::choose(2, 30) {
        let steps = run(&make, seed, None);
        assert!(steps > 60, "a job of {steps} steps shows little");
        for stop_after in (seed..steps).step_by(budget::choose(9, 1)) {
            run(&make, seed, Some(stop_after));
        }
    }
}

fn sink() -> Partitioned {
    let by: fn(&str) -> String = partition;
    TextFiles::write(OUT).part_bytes(200).overwrite().partition_by(by)
}

#[test]
fn parts_that_are_closed_at_each_checkpoint() {
    survives(sink);
}

#[test]
fn parts_that_stay_open_across_checkpoints() {
    survives(|| sink().roll_every(Duration::from_secs(20)));
}

#[test]
fn compressed_parts() {
    survives(|| sink().gzip());
    survives(|| sink().zstd().roll_every(Duration::from_secs(20)));
}

/// A job with one writer, for the tests below.
struct Solo {
    sink: Partitioned,
    cx: SinkContext,
    committer: <Partitioned as Sink>::Committer,
}

impl Solo {
    async fn begin(env: &Arc<SimEnv>, sink: Partitioned) -> Result<Self, Failure> {
        let cx = SinkContext::detached(Arc::clone(env) as Arc<dyn Env>, "text").in_attempt_of(RUN);
        sink.check(&cx)?;
        let committer = sink.committer(&cx)?;
        Ok(Self { sink, cx, committer })
    }

    /// Writes lines behind what is restored, and prepares.
    async fn write(
        &self,
        restored: Vec<OpenPart>,
        lines: &[&str],
        at: Prepare,
    ) -> Result<Prepared<FilePart, OpenPart>, Failure> {
        let mut writer = self.sink.writer(&self.cx, restored)?;
        for line in lines {
            writer.write(line, Timestamp::MIN)?;
        }
        writer.prepare(at).await
    }
}

fn at(checkpoint: u64) -> Prepare {
    Prepare { checkpoint, last: false, close: false }
}

fn world(seed: u64) -> (SimDisk, Arc<SimEnv>) {
    let disk = SimDisk::new();
    (disk.clone(), SimEnv::with_files(seed, disk))
}

fn names(disk: &SimDisk) -> Vec<String> {
    disk.tree(Path::new(OUT)).iter().map(|path| path.strip_prefix(OUT).unwrap().display().to_string()).collect()
}

#[test]
fn names_tell_run_checkpoint_and_writer() {
    let (disk, env) = world(1);
    env.block_on(async {
        let mut job = Solo::begin(&env, sink()).await.unwrap();
        let prepared = job.write(Vec::new(), &["a", "b", "cc"], at(7)).await.unwrap();
        assert_eq!(prepared.state, []);
        job.committer.commit(prepared.committables, false).await.unwrap();
        let writer = job.cx.attempt();
        assert_eq!(
            names(&disk),
            [
                ".staging-0000000000005eed/cleared".to_owned(),
                ".staging-0000000000005eed/made-2".to_owned(),
                format!("of/1/part-0000000000005eed-00000007-{writer:016x}-000000.txt"),
                format!("of/2/part-0000000000005eed-00000007-{writer:016x}-000001.txt"),
            ]
        );
    });
}

#[test]
fn an_open_part_is_cut_off_at_its_checkpoint_and_gone_on_with() {
    let (disk, env) = world(2);
    let make = || sink().roll_every(Duration::from_secs(60));
    env.block_on(async {
        let first = Solo::begin(&env, make()).await.unwrap();
        let mut writer = first.sink.writer(&first.cx, Vec::new()).unwrap();
        writer.write("a", Timestamp::MIN).unwrap();
        let prepared = writer.prepare(at(1)).await.unwrap();
        let [open] = &*prepared.state else { panic!("{prepared:?}") };
        assert_eq!((&prepared.committables[..], &*open.1, open.2), (&[][..], "of/1", 2));
        // Behind the checkpoint: another line there, and another part.
        writer.write("b", Timestamp::MIN).unwrap();
        writer.write("cc", Timestamp::MIN).unwrap();
        let lost = writer.prepare(at(2)).await.unwrap();
        assert_eq!(lost.state.len(), 2);

        // The job goes back to the first checkpoint.
        let mut second = Solo::begin(&env, make()).await.unwrap();
        second.committer.recover(&[], &prepared.state).await.unwrap();
        let staged = Path::new(OUT).join(&open.0);
        assert_eq!(names(&disk), [open.0.clone(), ".staging-0000000000005eed/made-2".to_owned()]);
        let again = second.write(prepared.state.clone(), &["d"], at(2)).await.unwrap();
        assert_eq!(disk.read(&staged).unwrap(), b"a\nd\n");
        assert_eq!(again.state, [(open.0.clone(), open.1.clone(), 4, open.3)]);

        // One that is not written to is as it was, and is cut off all the same when it is closed.
        disk.append(&staged).unwrap().write_all(b"junk").unwrap();
        let mut third = Solo::begin(&env, make()).await.unwrap();
        third.committer.recover(&[], &again.state).await.unwrap();
        assert_eq!(third.write(again.state.clone(), &[], at(3)).await.unwrap().state, again.state);
        let last = third.write(again.state, &[], Prepare { checkpoint: 4, last: true, close: true }).await.unwrap();
        third.committer.commit(last.committables.clone(), true).await.unwrap();
        assert_eq!(last.state, []);
        let [(_, part)] = &*last.committables else { panic!("{last:?}") };
        assert_eq!(disk.read(&Path::new(OUT).join(part)).unwrap(), b"a\nd\n");
        assert_eq!(names(&disk), ["_SUCCESS", part]);
    });
}

#[test]
fn open_parts_close_at_their_age_restarts_included() {
    let (_, env) = world(3);
    let make = || sink().roll_every(Duration::from_secs(60));
    env.block_on(async {
        let first = Solo::begin(&env, make()).await.unwrap();
        let began = env.now();
        let prepared = first.write(Vec::new(), &["a"], at(1)).await.unwrap();
        env.sleep(Duration::from_secs(40)).await;
        let second = Solo::begin(&env, make()).await.unwrap();
        let mut writer = second.sink.writer(&second.cx, prepared.state).unwrap();
        let due = writer.deadline().unwrap().since(began);
        assert!((Duration::from_secs(59)..Duration::from_secs(61)).contains(&due), "{due:?}");
        env.sleep(Duration::from_secs(30)).await;
        let prepared = writer.prepare(at(2)).await.unwrap();
        assert_eq!((prepared.committables.len(), prepared.state.len()), (1, 0));
    });
}

#[test]
fn parts_that_cannot_be_gone_on_with_are_closed() {
    let (_, env) = world(4);
    let open = || sink().roll_every(Duration::from_secs(60));
    env.block_on(async {
        // Three writers have one part each of the same partition; then there is one writer.
        let mut states = Vec::new();
        for _ in 0..3 {
            let job = Solo::begin(&env, open()).await.unwrap();
            states.extend(job.write(Vec::new(), &["a"], at(1)).await.unwrap().state);
        }
        let job = Solo::begin(&env, open()).await.unwrap();
        let prepared = job.write(states.clone(), &["b"], at(2)).await.unwrap();
        assert_eq!((prepared.committables.len(), prepared.state.len()), (2, 1));
        assert_eq!(prepared.state[0].2, 4);

        // A sink that was changed since: it compresses, or does not roll by age any more.
        for changed in [sink(), open().gzip()] {
            let job = Solo::begin(&env, changed).await.unwrap();
            let prepared = job.write(states.clone(), &["b"], at(2)).await.unwrap();
            assert_eq!((prepared.committables.len(), prepared.state.len()), (4, 0));
            assert!(prepared.committables[..3].iter().all(|(_, part)| part.ends_with(".txt")));
        }
    });
}

#[test]
fn commits_are_repeated_without_effect_and_a_part_that_is_gone_is_told() {
    let (disk, env) = world(5);
    env.block_on(async {
        let mut job = Solo::begin(&env, sink()).await.unwrap();
        let prepared = job.write(Vec::new(), &["a", "bb"], Prepare { checkpoint: 1, last: true, close: true }).await.unwrap();
        let (parts, mut steps) = (prepared.committables, None);
        for _ in 0..3 {
            job.committer.commit(parts.clone(), true).await.unwrap();
            let there = (names(&disk), disk.read(&Path::new(OUT).join("_SUCCESS")).unwrap());
            assert_eq!(there.1, b"0000000000005eed\n");
            assert_eq!(*steps.get_or_insert_with(|| there.clone()), there);
        }
        // The job that died right behind its last commit goes on, and sees that it is done.
        let mut resumed = Solo::begin(&env, sink()).await.unwrap();
        resumed.committer.recover(&parts, &[]).await.unwrap();
        resumed.committer.commit(parts.clone(), true).await.unwrap();
        assert_eq!(Some(names(&disk)), steps.map(|(names, _)| names));

        disk.remove(&Path::new(OUT).join(&parts[1].1)).unwrap();
        let failure = resumed.committer.commit(parts.clone(), true).await.unwrap_err();
        assert_eq!(
            failure.message(),
            format!(
                "cannot commit {OUT}/{}: the part is neither there nor at {OUT}/{}, where it was written; someone has removed it, and its \
                 records with it",
                parts[1].1, parts[1].0
            )
        );
    });
}

#[test]
fn an_open_part_that_is_shorter_than_it_was_is_told() {
    let (disk, env) = world(6);
    env.block_on(async {
        let job = Solo::begin(&env, sink().roll_every(Duration::from_secs(60))).await.unwrap();
        let prepared = job.write(Vec::new(), &["a"], at(1)).await.unwrap();
        drop(disk.truncate(&Path::new(OUT).join(&prepared.state[0].0), 1).unwrap());
        let failure = job.write(prepared.state, &["b"], at(2)).await.unwrap_err();
        assert!(failure.message().starts_with(&format!("cannot write {OUT}/.staging-")), "{failure}");
    });
}

#[test]
fn a_run_that_goes_on_knows_its_own_output_from_that_of_others() {
    let (disk, env) = world(7);
    env.block_on(async {
        let mut job = Solo::begin(&env, sink()).await.unwrap();
        let prepared = job.write(Vec::new(), &["a"], at(1)).await.unwrap();
        job.committer.commit(prepared.committables, false).await.unwrap();
        Solo::begin(&env, sink()).await.unwrap();

        let other = SinkContext::detached(Arc::clone(&env) as Arc<dyn Env>, "text").in_attempt_of(RUN << 32);
        let cautious = TextFiles::write(OUT);
        let failure = cautious.check(&other).unwrap_err();
        assert!(failure.message().contains(" holds the output of an earlier run (part-"), "{failure}");
        let before: BTreeSet<_> = names(&disk).into_iter().collect();
        let overwriting = sink().overwrite();
        overwriting.check(&other).unwrap();
        let mut committer = overwriting.committer(&other).unwrap();
        // It removes them with its first part, and not again after a restart.
        committer.commit(Vec::new(), false).await.unwrap();
        assert!(before.is_subset(&names(&disk).into_iter().collect()));
        let mut writer = overwriting.writer(&other, Vec::new()).unwrap();
        for number in 1..=2 {
            writer.write("a", Timestamp::MIN).unwrap();
            let parts = writer.prepare(at(number)).await.unwrap().committables;
            overwriting.committer(&other).unwrap().commit(parts, false).await.unwrap();
            let parts: Vec<_> = names(&disk).into_iter().filter(|name| name.contains("/part-")).collect();
            assert!(
                parts.len() as u64 == number && parts.iter().all(|part| part.contains("part-00005eed00000000-")),
                "{parts:?}"
            );
        }
    });
}

#[test]
fn recovery_waits_for_what_a_dead_attempt_has_under_way() {
    for seed in 0..50 {
        let (disk, env) = world(seed);
        env.block_on(async {
            let make = sink().roll_every(Duration::from_secs(60));
            let first = Solo::begin(&env, make.clone()).await.unwrap();
            let mut writer = first.sink.writer(&first.cx, Vec::new()).unwrap();
            writer.write("a", Timestamp::MIN).unwrap();
            let prepared = writer.prepare(at(1)).await.unwrap();
            writer.write("b", Timestamp::MIN).unwrap();
            writer.write("cc", Timestamp::MIN).unwrap();
            assert_eq!(writer.flush().now_or_never(), Some(Ok(())));
            drop(writer);

            let mut second = Solo::begin(&env, make).await.unwrap();
            second.committer.recover(&[], &prepared.state).await.unwrap();
            let again = second.write(prepared.state.clone(), &["d"], at(2)).await.unwrap();
            env.sleep(Duration::from_secs(1)).await; // virtual: whatever is under way ends
            assert_eq!(disk.read(&Path::new(OUT).join(&again.state[0].0)).unwrap(), b"a\nd\n", "seed {seed}");
            assert_eq!(names(&disk).len(), 2, "seed {seed}: {:?}", names(&disk));
        });
    }
}
