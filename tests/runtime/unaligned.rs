//! Checkpoints whose barriers overtake records: they are complete however slow the sink is, and what was on its way counts once, wherever the job goes on from them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millstream::{
    checkpoint::{CheckpointKind, CheckpointStats},
    connectors::generate,
    env::{Env, Instant},
    failure::Failure,
    graph::JobGraph,
    prelude::*,
    settings::Settings,
    sink::{Committer, Prepare, Prepared, Sink, SinkContext, SinkWriter},
};

use crate::{checkpoints::simulate, support::seeds};

/// So many that they do not fit into the channels.
const RECORDS: u64 = 200_000;
const KEYS: u64 = 50;
/// How many records a writer takes before it is full.
const FULL_RECORDS: usize = 16;
/// How long the sink stands still.
const STANDSTILL: Duration = Duration::from_secs(30);
const ALIGNMENT_TIMEOUT: Duration = Duration::from_secs(1);
/// How much longer a checkpoint may take than barriers wait.
const SLACK: Duration = Duration::from_secs(2);

/// A sink that stands still from one time to another. It keeps what it has not written.
#[derive(Clone)]
struct Still {
    from: Instant,
    to: Instant,
    /// What is visible, by what tells each record that was written from all others.
    visible: Arc<Mutex<BTreeMap<u64, (u64, u64)>>>,
}

impl Still {
    fn new(from: Duration, to: Duration) -> Self {
        let at = |time| Instant::default() + time;
        Self { from: at(from), to: at(to), visible: Arc::default() }
    }

    /// The same place, where nothing stands still any more.
    fn flowing(&self) -> Self {
        Self { from: Instant::default(), to: Instant::default(), ..self.clone() }
    }

    fn visible(&self) -> Vec<(u64, u64)> {
        let mut visible: Vec<_> =
            self.visible.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect();
        visible.sort_unstable();
        visible
    }
}

impl Sink for Still {
    type In = (u64, u64);
    type Guarantee = ExactlyOnce;
    type Committable = (u64, (u64, u64));
    type Writer = StillWriter;
    type Committer = Visible;

    fn name(&self) -> String {
        "still".into()
    }

    fn writer(&self, cx: &SinkContext, restored: Vec<(u64, u64)>) -> Result<StillWriter, Failure> {
        Ok(StillWriter {
            sink: self.clone(),
            env: Arc::clone(cx.env()),
            pending: restored,
            written: vec![],
            records: 0,
        })
    }

    fn committer(&self, _: &SinkContext) -> Result<Visible, Failure> {
        Ok(Visible(self.clone()))
    }
}

struct StillWriter {
    sink: Still,
    env: Arc<dyn Env>,
    pending: Vec<(u64, u64)>,
    written: Vec<(u64, (u64, u64))>,
    records: u64,
}

impl SinkWriter for StillWriter {
    type In = (u64, u64);
    type Committable = (u64, (u64, u64));
    type State = (u64, u64);

    const INTERRUPTIBLE: bool = true;

    fn write(&mut self, record: (u64, u64), _: Timestamp) -> Result<(), Failure> {
        self.pending.push(record);
        self.records += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= FULL_RECORDS
    }

    fn records(&self) -> u64 {
        self.records
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        // Some time for each, so that others come first now and then.
        self.env.sleep(Duration::from_micros(20)).await;
        let now = self.env.now();
        if now >= self.sink.from && now < self.sink.to {
            self.env.sleep_until(self.sink.to).await;
        }
        let env = &self.env;
        self.written.extend(self.pending.drain(..).map(|record| (env.random(), record)));
        Ok(())
    }

    async fn prepare(&mut self, at: Prepare) -> Result<Prepared<(u64, (u64, u64)), (u64, u64)>, Failure> {
        if at.last {
            self.flush().await?;
        }
        Ok(Prepared { committables: std::mem::take(&mut self.written), state: self.pending.clone() })
    }
}

struct Visible(Still);

impl Committer for Visible {
    type Committable = (u64, (u64, u64));
    type State = (u64, u64);

    async fn recover(&mut self, _: &[(u64, (u64, u64))], _: &[(u64, u64)]) -> Result<(), Failure> {
        Ok(())
    }

    async fn commit(&mut self, what: Vec<(u64, (u64, u64))>, _: bool) -> Result<(), Failure> {
        self.0.visible.lock().unwrap_or_else(PoisonError::into_inner).extend(what);
        Ok(())
    }

    async fn abort(&mut self) {}
}

fn settings(dir: &Path, parallelism: usize, alignment_timeout: Duration) -> Settings {
    let mut settings = Settings { parallelism, memory_bytes: 1 << 20, ..Settings::default() };
    settings.checkpoints.dir = Some(dir.into());
    settings.checkpoints.interval = Duration::from_secs(3_600);
    settings.checkpoints.alignment_timeout = alignment_timeout;
    settings
}

/// Counts the records of each key, a result for every record; over two exchanges to the sink.
fn counts(settings: Settings, sink: Still) -> JobGraph {
    let mut job = Job::<ExactlyOnce>::new("counts", settings);
    job.source(generate(RECORDS, 1, |_, index| index))
        .key_by(|index| index % KEYS)
        .rolling(|of| of.count())
        .uid("counts")
        .map(|(key, Rolling(count))| (key, count))
        .rebalance()
        .sink(sink);
    job.build().expect("the job is well formed")
}

/// Every count of every key.
fn expected() -> Vec<(u64, u64)> {
    (0..KEYS).flat_map(|key| (1..=RECORDS / KEYS).map(move |count| (key, count))).collect()
}

fn last_of(job: &millstream::local::JobHandle) -> CheckpointStats {
    job.status().checkpoints.last_completed().cloned().expect("one was made")
}

#[test]
fn a_checkpoint_does_not_wait_for_a_sink_that_stands_still() {
    for seed in seeds() {
        for then in [[1, 2], [3, 2]][seed as usize % 2] {
            let dir = tempfile::tempdir().expect("there is room");
            let sink = Still::new(Duration::from_millis(5), Duration::from_millis(5) + STANDSTILL);
            let graph = counts(settings(dir.path(), 2, ALIGNMENT_TIMEOUT), sink.clone());
            let stats = simulate(seed, graph, async |sim, job| {
                sim.sleep(Duration::from_secs(5)).await;
                let began = sim.now();
                job.checkpoint().await.expect("nothing is in its way");
                let took = sim.now().since(began);
                assert!(took < ALIGNMENT_TIMEOUT + SLACK, "seed {seed}: {took:?}");
                last_of(job)
            });
            let longest = stats.longest();
            assert_eq!(stats.kind, CheckpointKind::Periodic, "seed {seed}: the source has more to read");
            assert!(longest.unaligned && longest.channel_bytes > 0, "seed {seed}: {longest:?}");
            assert!(longest.alignment >= ALIGNMENT_TIMEOUT, "seed {seed}: {longest:?}");
            let visible = sink.visible().len() as u64;
            assert!(visible < RECORDS / 2, "seed {seed}: {visible} came through before it stood still");
            // The first world is gone; the next begins where the checkpoint was made, with as many subtasks, or others.
            let graph = counts(settings(dir.path(), then, ALIGNMENT_TIMEOUT), sink.flowing());
            simulate(seed + 100, graph, async |_, job| {
                assert_eq!(job.wait().await.map(|report| report.stopped), Ok(None), "seed {seed} at {then}");
                assert_eq!(job.status().restored, Some(stats.checkpoint), "seed {seed} at {then}");
            });
            assert!(sink.visible() == expected(), "seed {seed} at {then}: every count once");
        }
    }
}

#[test]
fn without_a_timeout_it_does() {
    let dir = tempfile::tempdir().expect("there is room");
    let sink = Still::new(Duration::from_millis(5), Duration::from_millis(5) + STANDSTILL);
    let graph = counts(settings(dir.path(), 2, Duration::ZERO), sink.clone());
    let longest = simulate(3, graph, async |sim, job| {
        sim.sleep(Duration::from_secs(5)).await;
        let began = sim.now();
        job.checkpoint().await.expect("nothing is in its way for ever");
        let took = sim.now().since(began);
        assert!(took > STANDSTILL / 2, "{took:?}");
        last_of(job).longest()
    });
    assert!(!longest.unaligned && longest.channel_bytes == 0, "{longest:?}");
}

#[test]
fn one_after_the_other_overtakes_and_the_job_goes_on_from_any() {
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let sink = Still::new(Duration::ZERO, Duration::ZERO);
        for life in 0..4_u64 {
            let parallelism = [3, 3, 1, 2][life as usize];
            let mut settings = settings(dir.path(), parallelism, Duration::from_nanos(1));
            settings.checkpoints.interval = Duration::from_micros(700);
            let graph = counts(settings, sink.clone());
            simulate(seed * 10 + life, graph, async |sim, job| {
                if life < 3 {
                    // Some lives end while what was on its way is being replayed.
                    sim.sleep(Duration::from_micros(2_000 + 900 * seed * life)).await;
                } else {
                    assert_eq!(job.wait().await.map(|report| report.stopped), Ok(None), "seed {seed}");
                }
            });
        }
        assert!(sink.visible() == expected(), "seed {seed}: every count once");
    }
}

#[test]
fn a_job_with_other_edges_says_what_was_on_its_way() {
    let dir = tempfile::tempdir().expect("there is room");
    let sink = Still::new(Duration::from_millis(5), Duration::from_millis(5) + STANDSTILL);
    let graph = counts(settings(dir.path(), 2, ALIGNMENT_TIMEOUT), sink.clone());
    simulate(1, graph, async |sim, job| {
        sim.sleep(Duration::from_secs(5)).await;
        job.checkpoint().await.expect("nothing is in its way");
    });
    let mut job = Job::<ExactlyOnce>::new("counts", settings(dir.path(), 2, ALIGNMENT_TIMEOUT));
    job.source(generate(RECORDS, 1, |_, index| index))
        .key_by(|index| index % KEYS)
        .rolling(|of| of.count())
        .uid("counts")
        .map(|(key, Rolling(count))| (key, count))
        .shuffle()
        .sink(sink.flowing());
    let graph = job.build().expect("the job is well formed");
    let failure = simulate(2, graph, async |_, job| job.wait().await.expect_err("it has no place for them"));
    let told = failure.to_string();
    assert!(told.contains("was `rebalance` and is `shuffle` now") && told.contains("savepoint"), "{told}");
}
