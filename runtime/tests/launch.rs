//! Jobs started by name from a `main` of one's own.
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use millstream_runtime::{
    launch::{self, Error},
    settings::Settings,
    stream::{ExactlyOnce, Job, Stream},
};
use support::{Count, Numbers};

static COUNTED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

struct Bounds {
    below: u64,
    fail_at: Option<u64>,
}

fn sink(number: usize) -> Count {
    Count { records: &COUNTED[number], fail_at: None }
}

fn counted(number: usize) -> u64 {
    COUNTED[number].load(Ordering::Relaxed)
}

fn plain(job: &mut Job) {
    job.source(Numbers(Some(10))).sink(sink(0));
}

fn bounded(job: &mut Job, bounds: Bounds) -> Result<(), String> {
    if bounds.below == 0 {
        return Err("nothing lies below 0".to_owned());
    }
    job.source(Numbers(Some(bounds.below))).sink(Count { fail_at: bounds.fail_at, ..sink(1) });
    Ok(())
}

fn endless(job: &mut Job, number: usize) {
    job.source(Numbers(None)).sink(sink(number));
}

fn strict(job: &mut Job<ExactlyOnce>) {
    job.settings().parallelism = 0;
}

fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a test has threads").block_on(future)
}

#[test]
fn functions_of_both_shapes_run_by_name() {
    on_tokio(async {
        launch::run(plain, ()).await.expect("the job is sound");
        assert_eq!(counted(0), 10);
        launch::run(bounded, Bounds { below: 20, fail_at: None }).await.expect("the job is sound");
        assert_eq!(counted(1), 20);
    });
}

#[test]
fn errors_tell_a_job_that_failed_from_one_that_was_never_started() {
    on_tokio(async {
        let failed = launch::run(bounded, Bounds { below: 20, fail_at: Some(0) }).await;
        assert!(matches!(&failed, Err(Error::Failed(failure)) if failure.message() == "0 is not wanted"), "{failed:?}");

        let refused = launch::run(bounded, Bounds { below: 0, fail_at: None }).await;
        let Err(Error::Build(error)) = refused else { panic!("not refused: {refused:?}") };
        let message = error.to_string();
        assert!(message.starts_with("job `bounded` (runtime/tests/launch.rs:"), "{message}");
        assert!(message.ends_with("): nothing lies below 0"), "{message}");

        let error = launch::start(strict, ()).expect_err("an empty job cannot run");
        assert!(error.to_string().contains("parallelism 0 is not from 1 to 128"), "{error}");
    });
}

#[test]
fn a_handle_cancels_and_drains() {
    on_tokio(async {
        let settings = Settings { parallelism: 1, ..Settings::default() };
        let flowing = async |number| {
            while counted(number) == 0 {
                tokio::task::yield_now().await;
            }
        };
        let job = launch::start_with(endless, 2, settings.clone()).expect("the job is sound");
        assert_eq!((job.name(), job.chains().len()), ("endless", 1));
        flowing(2).await;
        job.cancel();
        assert!(job.wait().await.expect_err("it was cancelled").is_cancelled());

        let job = launch::start_with(endless, 3, settings).expect("the job is sound");
        flowing(3).await;
        job.drain();
        job.wait().await.expect("a drained job ends well");
    });
}
