//! How a world ends: at once, and for good.
#![allow(clippy::disallowed_methods, reason = "the tests look at what a world has left behind")]

use std::{
    fs,
    future::pending,
    io::Write,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use millstream_runtime::env::blocking;

use super::*;

fn world(mishap: Mishap) -> Arc<CrashEnv> {
    CrashEnv::new(SimEnv::new(11), mishap)
}

/// Takes a step every millisecond for a while, and counts them.
fn walk(world: &Arc<CrashEnv>, steps: u64) -> Arc<AtomicU64> {
    let walked = Arc::<AtomicU64>::default();
    let (own, count) = (Arc::clone(world), Arc::clone(&walked));
    world.spawn(
        "walker",
        Box::pin(async move {
            for _ in 0..steps {
                own.sleep(Duration::from_millis(1)).await;
                own.step("walk");
                count.fetch_add(1, SeqCst);
            }
        }),
    );
    walked
}

#[test]
fn a_world_without_mishap_counts_and_ends_well() {
    let world = world(Mishap::None);
    let walked = walk(&world, 10);
    assert_eq!(world.block_on(world.sleep(Duration::from_secs(1))), Some(()));
    assert_eq!((walked.load(SeqCst), world.is_over()), (10, false));
    assert_eq!(world.steps(), BTreeMap::from([("walk", 10)]));
}

#[test]
fn a_world_ends_at_its_time_or_step() {
    let at = Instant::default() + Duration::from_millis(5);
    for (mishap, walks) in [(Mishap::EndAt(at), 2..5), (Mishap::EndAtStep { name: "walk", nth: 4 }, 3..4)] {
        let world = world(mishap);
        let walked = walk(&world, 10);
        assert_eq!(world.block_on(pending::<()>()), None);
        assert!(walks.contains(&walked.load(SeqCst)), "{mishap:?}: {walked:?}");
        assert!(world.is_over() && world.sim().tasks().is_empty());
        assert_eq!(Arc::strong_count(&world), 1, "nothing of it is left");
    }
}

#[test]
fn whoever_is_first_to_panic_at_a_step_is_alone() {
    let world = world(Mishap::PanicAtStep { name: "walk", nth: 2 });
    let walked = |name| catch_unwind(AssertUnwindSafe(|| world.step(name))).is_ok();
    assert_eq!(["walk", "other", "other", "walk", "walk"].map(walked), [true, true, true, false, true]);
    assert!(!world.is_over());
}

/// Tries to write to a file when it is dropped.
struct Testament(Arc<CrashEnv>, std::path::PathBuf);

impl Drop for Testament {
    fn drop(&mut self) {
        assert!(self.0.files().create(&self.1).is_err() && self.0.files().remove(&self.1).is_err());
        self.0.step("dropped");
    }
}

#[test]
fn nothing_happens_to_files_after_the_end_and_a_write_is_torn() {
    let scratch = tempfile::tempdir().unwrap();
    let (torn, late) = (scratch.path().join("torn"), scratch.path().join("late"));
    // The file is made, written to, and written to again.
    let world = world(Mishap::EndAtFile { nth: 3 });
    let own = Arc::clone(&world);
    let (path, after) = (torn.clone(), late.clone());
    let testament = Testament(Arc::clone(&world), late.clone());
    let ended = world.block_on(async {
        let _testament = testament;
        blocking(&*world, move || {
            let mut file = own.files().create(&path).unwrap();
            file.write_all(b"first ").unwrap();
            file.write_all(b"second").unwrap_err();
            own.files().create(&after).map(|_| ()).unwrap_err();
        })
        .await;
    });
    assert_eq!(ended, None);
    assert_eq!(fs::read_to_string(torn).unwrap(), "first sec");
    assert!(!late.exists());
    assert_eq!(Arc::strong_count(&world), 1);
}

#[test]
fn an_operation_that_fails_does_so_once_unless_it_only_tidies_up() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("file");
    let done = |nth| {
        let world = world(Mishap::FailFile { nth });
        let files = world.files();
        [
            files.create(&path).is_ok(),
            files.len(&path).is_ok(),
            files.remove(&path).is_ok(),
            files.create(&path).is_ok(),
        ]
    };
    assert_eq!(done(2), [true, false, true, true]);
    assert_eq!(done(3), [true; 4]);
    assert_eq!(done(4), [true, true, true, false]);
}
