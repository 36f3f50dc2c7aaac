//! Golden jobs in a cluster: tasks of several TaskManagers, which exchange records over connections; one of them may be lost.

use std::{sync::Arc, time::Duration};

use millstream_runtime::{
    cluster::MiniCluster,
    env::{Env, Instant},
    stream::Job,
};

use super::{
    Golden,
    lives::{Life, settings},
    seeds,
};
use crate::{budget, rng::Rng, sim::SimEnv};

/// How many seeds are tried here: at the desk and in CI, and with a full budget.
const SEEDS: (usize, usize) = (1, 50);
/// After the end of a cluster tasks have so long to end, too.
const AFTERMATH: Duration = Duration::from_secs(1);

impl Golden {
    /// Runs the job in clusters, and compares.
    pub(super) fn check_clusters(&self) {
        for seed in seeds().take(budget::choose(SEEDS.0, SEEDS.1)) {
            for (parallelism, checkpoints) in [(2, false), (3, true)] {
                let life = Life { parallelism, seed, checkpoints, restarts: checkpoints, ..Life::default() };
                let took = self.in_cluster(life, None);
                if checkpoints {
                    let mut rng = Rng::new(seed ^ 0x00c1_a57e);
                    let lost_at = took.mul_f64(rng.below(1_000) as f64 / 1_000.0);
                    self.in_cluster(life, Some((rng.index(parallelism), lost_at)));
                }
            }
        }
    }

    /// Runs the job in a cluster with a spare TaskManager, of which one may be lost at a time. Gives how long it took.
    fn in_cluster(&self, life: Life, lost: Option<(usize, Duration)>) -> Duration {
        let losing = lost.map_or(String::new(), |(which, at)| format!(", losing TaskManager {which} after {at:?}"));
        let scratch = self.scratch(life.seed, &format!("in a simulated cluster: {life}{losing}"));
        let settings = settings(life, &scratch);
        let (golden, name, input, output) = (self.clone(), self.name(), self.find_input(), scratch.output());
        let build = move || {
            let mut job = Job::new(&name, settings.clone());
            (golden.job)(&mut job, &input, &output);
            job.build()
        };
        let world = SimEnv::new(life.seed);
        let env: Arc<dyn Env> = Arc::clone(&world) as Arc<dyn Env>;
        let (ended, took) = world.block_on(async {
            let began = env.now();
            let cluster = MiniCluster::start(Arc::clone(&env), life.parallelism + 1, 1, build).await;
            let cluster = cluster.unwrap_or_else(|failure| panic!("{scratch}: no cluster: {failure}"));
            let ended = {
                let runs = cluster.run();
                let loses = async {
                    if let Some((which, at)) = lost {
                        env.sleep(at).await;
                        cluster.lose(which);
                    }
                    std::future::pending::<()>().await
                };
                let (runs, loses) = (std::pin::pin!(runs), std::pin::pin!(loses));
                match futures::future::select(runs, loses).await {
                    futures::future::Either::Left((ended, _)) => ended,
                    futures::future::Either::Right(((), _)) => unreachable!("it waits for ever"),
                }
            };
            let took = Instant::since(env.now(), began);
            let stopped = cluster.stop().await;
            env.sleep(AFTERMATH).await;
            (ended.and(stopped), took)
        });
        let left = world.tasks();
        world.drop_tasks(); // they may hold the environment that holds them
        scratch.ended_well(Some(&ended));
        assert!(left.is_empty(), "{scratch}: tasks are left when the cluster has ended: {}", left.join(", "));
        self.compare(&scratch);
        took
    }
}
