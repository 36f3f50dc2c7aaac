//! [`Life`]: one simulated world that a job runs in, from its start to its end, or to that of the world.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use millstream_runtime::{
    env::Env,
    failure::Failure,
    local,
    restart::RestartStrategy,
    settings::{Settings, StateBackend},
};

use super::{Golden, scratch::Scratch};
use crate::{
    crash::{CrashEnv, MISHAP, Mishap},
    rng::Rng,
    sim::SimEnv,
};

/// How long the environment is watched after the job, for tasks that stay behind, in virtual time.
const AFTERMATH: Duration = Duration::from_secs(1);
/// The step with which the first checkpoint begins: by then the job runs.
const FIRST_CHECKPOINT: &str = "checkpoint begins";
/// So little memory for keyed state that the rows of most jobs go to files.
const STATE_BYTES: usize = 16 << 10;
/// How often a job starts again by itself, where that is what is tried.
const RESTARTS: RestartStrategy = RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_millis(1) };

/// A world for a job.
#[derive(Clone, Copy)]
pub(super) struct Life {
    pub(super) parallelism: usize,
    pub(super) seed: u64,
    pub(super) checkpoints: bool,
    /// The job starts again by itself if it fails.
    pub(super) restarts: bool,
    pub(super) mishap: Mishap,
}

impl Default for Life {
    fn default() -> Self {
        Self { parallelism: 1, seed: 0, checkpoints: true, restarts: false, mishap: Mishap::None }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parallelism, seed, checkpoints, restarts, mishap } = self;
        let checkpoints = if *checkpoints { "with" } else { "without" };
        let restarts = if *restarts { ", restarting" } else { "" };
        write!(f, "parallelism {parallelism} from seed {seed} {checkpoints} checkpoints{restarts}, mishap: {mishap:?}")
    }
}

/// What became of it.
pub(super) struct Lived {
    /// How the job ended; `None` if the world did.
    pub(super) ended: Option<Result<(), Failure>>,
    /// How long the job ran, in virtual time.
    pub(super) took: Duration,
    pub(super) history: u64,
    pub(super) steps: BTreeMap<&'static str, u64>,
    pub(super) file_operations: u64,
}

impl Lived {
    /// True if the job failed by its mishap before it had begun: then it does not start again by itself, as if it had a mistake.
    pub(super) fn failed_at_start(&self) -> bool {
        let by_mishap = |failure: &Failure| failure.message().contains(MISHAP);
        !self.steps.contains_key(FIRST_CHECKPOINT) && matches!(&self.ended, Some(Err(failure)) if by_mishap(failure))
    }
}

impl Golden {
    /// Runs the job in a world.
    pub(super) fn live(&self, life: Life, scratch: &Scratch) -> Lived {
        let graph = self.graph(settings(life, scratch), scratch);
        let world = CrashEnv::new(SimEnv::new(life.seed), life.mishap);
        let env: Arc<dyn Env> = Arc::clone(&world) as Arc<dyn Env>;
        let mut took = Duration::ZERO;
        let ended = world.block_on(async {
            let began = world.now();
            let ended = local::run(graph, env).await;
            took = world.now().since(began);
            world.sleep(AFTERMATH).await;
            ended.map(|_| ())
        });
        let left = world.sim().tasks();
        world.sim().drop_tasks(); // they may hold the environment that holds them
        assert!(left.is_empty(), "{scratch}: tasks are left when the job has ended, in {life}: {}", left.join(", "));
        Lived {
            ended,
            took,
            history: world.sim().history(),
            steps: world.steps(),
            file_operations: world.file_operations(),
        }
    }
}

/// What must not make a difference either is drawn from the seed: buffer sizes and intervals, and memory so scarce that senders wait for credit.
pub(super) fn settings(life: Life, scratch: &Scratch) -> Settings {
    let mut rng = Rng::new(!life.seed);
    let mut one_of = |values: [u64; 3]| values[rng.index(3)];
    let mut settings = Settings {
        parallelism: life.parallelism,
        buffer_bytes: one_of([1 << 10, 4 << 10, 32 << 10]) as usize,
        buffer_timeout: Duration::from_micros(one_of([100, 10_000, 1_000_000])),
        watermark_interval: Duration::from_millis(one_of([1, 200, 10_000])),
        memory_bytes: one_of([1 << 20, 8 << 20, 256 << 20]) as usize,
        // What fails without being made to must be seen.
        restart: Some(if life.restarts { RESTARTS } else { RestartStrategy::None }),
        ..Settings::default()
    };
    settings.checkpoints.dir = life.checkpoints.then(|| scratch.checkpoints().into());
    settings.checkpoints.interval = Duration::from_micros(one_of([100, 1_000, 20_000]));
    settings.checkpoints.retained = one_of([1, 2, 3]) as u32;
    // Never, at once, and for some of the barriers.
    settings.checkpoints.alignment_timeout = Duration::from_nanos(one_of([0, 1, 50_000]));
    // All in memory, in files once that is used up, and in files from the start. Each life draws anew, so a checkpoint of one is gone on from with another.
    (settings.state.backend, settings.state.memory_bytes) = match one_of([0, 1, 2]) {
        0 => (StateBackend::Memory, None),
        1 => (StateBackend::Memory, Some(STATE_BYTES)),
        _ => (StateBackend::Redb, Some(STATE_BYTES)),
    };
    settings.state.dir = Some(scratch.state());
    settings
}
