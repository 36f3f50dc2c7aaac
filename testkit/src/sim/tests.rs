//! The simulation itself: what the seed decides, what it must not, and how it ends.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use millstream_runtime::env::{Env, Instant, blocking};

use super::{SimEnv, WALL_START};

type Log = Arc<Mutex<Vec<usize>>>;

/// Lets the others run, once.
async fn step_aside() {
    let mut asked = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Ten tasks of three steps each; the order of their steps and the history.
fn run(seed: u64) -> (Vec<usize>, u64) {
    let sim = SimEnv::new(seed);
    let log = Log::default();
    for task in 0..10 {
        let log = log.clone();
        let own = async move {
            for _ in 0..3 {
                log.lock().unwrap().push(task);
                step_aside().await;
            }
        };
        sim.spawn("stepper", Box::pin(own));
    }
    sim.block_on(async { sim.sleep(Duration::from_secs(1)).await });
    assert_eq!(sim.tasks(), Vec::<String>::new());
    (Arc::into_inner(log).unwrap().into_inner().unwrap(), sim.history())
}

fn message(panicking: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(said) => *said,
        Err(panic) => panic.downcast::<&str>().expect("it says why").to_string(),
    }
}

#[test]
fn the_same_seed_gives_the_same_history_and_others_differ() {
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_ne!(first.0, other.0, "the order of the tasks depends on the seed");
    assert_ne!(first.1, other.1);
    assert_eq!(first.0.len(), 30);
}

#[test]
fn timers_fire_in_the_order_of_their_times_and_never_early() {
    for seed in 0..20 {
        let sim = SimEnv::new(seed);
        let log = Log::default();
        for millis in [30, 10, 20, 10_000, 0] {
            let (log, clock) = (log.clone(), Arc::downgrade(&sim));
            let timer = sim.sleep(Duration::from_millis(millis));
            let own = async move {
                timer.await;
                let now = clock.upgrade().expect("the environment outlives its tasks").now();
                assert!(now >= Instant::from_nanos(millis * 1_000_000));
                log.lock().unwrap().push(millis as usize);
            };
            sim.spawn("sleeper", Box::pin(own));
        }
        sim.block_on(async { sim.sleep(Duration::from_secs(20)).await });
        assert_eq!(*log.lock().unwrap(), [0, 10, 20, 30, 10_000], "seed {seed}");
    }
}

#[test]
fn a_timeout_happens_while_another_task_is_busy() {
    let sim = SimEnv::new(3);
    sim.spawn(
        "busy",
        Box::pin(async {
            loop {
                step_aside().await;
            }
        }),
    );
    sim.block_on(sim.sleep(Duration::from_millis(5)));
    assert_eq!(sim.tasks(), ["busy"]);
}

#[test]
fn a_timer_that_is_dropped_does_not_hold_time_up() {
    let sim = SimEnv::new(4);
    sim.block_on(async {
        let mut long = sim.sleep(Duration::from_secs(3000));
        assert!(futures::poll!(&mut long).is_pending());
        drop(long);
        sim.sleep(Duration::from_millis(1)).await;
    });
    assert!(sim.now() < Instant::from_nanos(1_000_000_000));
    let stuck = message(|| sim.block_on(pending()));
    assert!(stuck.contains("deadlock"), "{stuck}");
}

#[test]
fn a_deadlock_names_the_tasks_and_the_seed() {
    let sim = SimEnv::new(42);
    sim.spawn("source", Box::pin(pending()));
    sim.spawn("sink", Box::pin(pending()));
    sim.spawn("done", Box::pin(async {}));
    let stuck = message(|| sim.block_on(pending()));
    assert_eq!(stuck, "simulation: deadlock: nothing can run, no timer is set; waiting: source, sink, main (seed 42)");
}

#[test]
fn a_job_that_only_ticks_is_found_by_the_time_limit() {
    let sim = SimEnv::with_time_limit(42, Duration::from_secs(2));
    let ticks = sim.clone();
    sim.spawn(
        "ticker",
        Box::pin(async move {
            loop {
                ticks.sleep(Duration::from_millis(100)).await;
            }
        }),
    );
    let stuck = message(|| sim.block_on(pending()));
    assert_eq!(stuck, "simulation: not done after 2s of virtual time; waiting: ticker, main (seed 42)");
    sim.drop_tasks();
    assert_eq!(Arc::strong_count(&sim), 1, "the ticker held its environment");
}

#[test]
fn blocking_work_gives_its_result_late_and_runs_also_if_nobody_waits() {
    let sim = SimEnv::new(5);
    assert_eq!(sim.block_on(blocking(&*sim, || 6 * 7)), 42);
    assert!(sim.now() > Instant::default());

    let ran = Arc::new(AtomicUsize::new(0));
    let counter = ran.clone();
    drop(sim.blocking(Box::new(move || {
        counter.fetch_add(1, SeqCst);
    })));
    sim.block_on(sim.sleep(Duration::from_secs(1)));
    assert_eq!(ran.load(SeqCst), 1);
}

#[test]
fn a_panic_in_blocking_work_reaches_the_one_who_waits() {
    let sim = SimEnv::new(6);
    let panic = message(|| sim.block_on(blocking(&*sim, || panic!("the disk is on fire"))));
    assert_eq!(panic, "the disk is on fire");
}

#[test]
fn a_panic_in_a_task_ends_the_simulation_and_leaves_it_usable() {
    let sim = SimEnv::new(7);
    sim.spawn("bad", Box::pin(async { panic!("it has a bug") }));
    assert_eq!(message(|| sim.block_on(pending())), "it has a bug");
    assert_eq!(sim.block_on(async { 1 }), 1);
}

#[test]
fn the_wall_clock_begins_at_a_fixed_instant_and_goes_with_the_other() {
    let sim = SimEnv::new(8);
    assert_eq!(sim.wall(), WALL_START);
    assert_eq!(WALL_START.to_string(), "2024-01-01T00:00:00Z");
    sim.block_on(sim.sleep(Duration::from_secs(90)));
    let later = sim.wall().millis() - WALL_START.millis();
    assert!((90_000..90_010).contains(&later), "{later}");
}

#[test]
fn random_numbers_come_from_the_seed() {
    let draw = |seed| SimEnv::new(seed).random();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn tasks_that_are_left_are_dropped_with_the_environment() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let sim = SimEnv::new(9);
    let guard = Dropped(drops.clone());
    sim.spawn(
        "left",
        Box::pin(async move {
            let _guard = guard;
            pending().await
        }),
    );
    sim.block_on(sim.sleep(Duration::from_millis(1)));
    assert_eq!(drops.load(SeqCst), 0);
    drop(sim);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn connections_carry_bytes_in_order_and_end_when_dropped() {
    use futures::io::{AsyncReadExt, AsyncWriteExt};
    let text: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect(); // more than a pipe holds
    for seed in 0..10 {
        let sim = SimEnv::new(seed);
        let (received, refused, taken) = sim.block_on(async {
            let mut listener = sim.network().listen("here:1").await.unwrap();
            let sending = {
                let (sim, text) = (Arc::clone(&sim), text.clone());
                async move {
                    let mut to = sim.network().connect("here:1").await.unwrap();
                    to.write_all(&text).await.unwrap();
                }
            };
            let taken = sim.network().listen(listener.address()).await.err().unwrap().kind();
            sim.spawn("client", Box::pin(sending));
            let (mut from, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            let mut received = Vec::new();
            from.read_to_end(&mut received).await.unwrap();
            drop(listener);
            (received, sim.network().connect("here:1").await.err().unwrap().kind(), taken)
        });
        assert!(received == text);
        assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
        assert_eq!(taken, std::io::ErrorKind::AddrInUse);
    }
}
