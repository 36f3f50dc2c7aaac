//! Hooks: each subtask opens and closes a function of its own, and what they return may fail the job; the trait may be implemented by hand.

use std::{convert::Infallible, time::Duration};

use millstream::{
    failure::Failure,
    local,
    metrics::Counter,
    prelude::*,
    process::{KeyedProcessFunction, Timer},
};

use millstream_testkit::SimEnv;

use crate::{
    script::{Script, Step},
    support::{Simulated, fails, parallel, run, seeds, sorted},
};

/// Counts by a metric that is opened once, and fails where it is told to.
#[derive(Clone, Default)]
struct Counting {
    subtask: u64,
    seen: Counter,
    closed: Counter,
    wrong: &'static str,
}

#[process]
impl Counting {
    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), &'static str> {
        self.subtask = cx.subtask() as u64;
        self.seen = cx.counter("seen");
        self.closed = cx.counter("closed");
        if self.wrong == "open" { Err("no rules to go by") } else { Ok(()) }
    }

    fn on_record(&mut self, number: u64, cx: &mut KeyedContext<'_, u64, (u64, u64)>) {
        self.seen.add(1);
        cx.emit((number, self.subtask));
        cx.emit_at((number, self.subtask), Timestamp::from_millis(9));
    }

    fn close(&mut self) -> Result<(), String> {
        self.closed.add(1);
        if self.wrong == "close" { Err("something is left over".to_owned()) } else { Ok(()) }
    }
}

#[test]
fn each_subtask_has_a_function_of_its_own() {
    for seed in seeds() {
        let results = collect();
        let job = run(seed, parallel(4), |job| {
            let numbers = job.source(Script::records(vec![(0..100_u64).collect()]));
            numbers.key_by(|number| number).process(Counting::default()).sink(results.sink());
        });
        let mut subtasks: Vec<_> = results.take().into_iter().map(|(_, subtask)| subtask).collect();
        assert_eq!(subtasks.len(), 200);
        subtasks.sort();
        subtasks.dedup();
        assert_eq!(subtasks, [0, 1, 2, 3]);
        assert_eq!((job.counted("seen"), job.counted("closed")), (100, 4));
    }
}

#[test]
fn open_and_close_may_fail_the_job() {
    for (wrong, why) in [("open", "no rules to go by"), ("close", "something is left over")] {
        let failure = fails(1, parallel(2), |job| {
            let numbers = job.source(Script::records(vec![vec![1_u64]]));
            numbers.key_by(|number| number).process(Counting { wrong, ..Counting::default() }).sink(collect().sink());
        });
        assert_eq!((failure.operator(), failure.message()), (Some("process Counting"), why), "{failure}");
    }
}

/// What `#[process]` would have made, for numbers of one sign: each is put out with the one before it.
#[derive(Clone)]
struct ByHand;

/// A record besides.
#[derive(State, Record, Default, Debug)]
struct Before {
    before: Option<i64>,
}

impl KeyedProcessFunction for ByHand {
    type In = i64;
    type Key = bool;
    type State = Before;
    type Out = (i64, Option<i64>);
    type Sides = ();
    type Error = Infallible;

    const HAS_ON_TIMER: bool = true;

    fn name(&self) -> &'static str {
        "ByHand"
    }

    fn on_record<N: Push<Self::Out>>(
        &mut self,
        number: i64,
        state: &mut StateOf<'_, '_, Before, bool>,
        cx: &mut KeyedContext<'_, '_, bool, Self::Out, N>,
    ) -> Result<(), Infallible> {
        let seen: BeforeView<'_> = state.view();
        cx.emit((number, seen.before));
        state.before = Some(number);
        cx.event_timer(Timestamp::from_millis(1));
        Ok(())
    }

    fn on_timer<N: Push<Self::Out>>(
        &mut self,
        _: Timer,
        state: &mut StateOf<'_, '_, Before, bool>,
        cx: &mut KeyedContext<'_, '_, bool, Self::Out, N>,
    ) -> Result<(), Failure> {
        cx.emit((0, state.before));
        Ok(())
    }
}

#[test]
fn the_trait_may_be_implemented_by_hand() {
    let results = collect();
    run(1, parallel(2), |job| {
        let numbers = job.source(Script::records(vec![vec![1_i64, -1, 2, -2]]));
        numbers.key_by(|number| number > 0).process(ByHand).sink(results.sink());
    });
    let expected = [(-2, Some(-1)), (-1, None), (0, Some(-2)), (0, Some(2)), (1, None), (2, Some(1))];
    assert_eq!(sorted(results.take()), expected);
}

/// Tells of checkpoints by metrics; without key it also keeps how many there were.
#[derive(Clone, Default)]
struct Watching {
    snapshots: Counter,
    complete: Counter,
}

#[derive(OperatorState, Default)]
struct Snapshots {
    #[state(list)]
    taken: Vec<u64>,
}

#[process]
impl Watching {
    fn open(&mut self, _: &mut Snapshots, cx: &OpenContext<'_>) {
        (self.snapshots, self.complete) = (cx.counter("unkeyed_snapshots"), cx.counter("unkeyed_complete"));
    }

    fn on_record(&mut self, number: u64, _: &mut Snapshots, cx: &mut Context<'_, u64>) {
        cx.emit(number);
    }

    fn on_snapshot(&mut self, snapshots: &mut Snapshots, checkpoint: u64) {
        assert!(snapshots.taken.iter().all(|taken| *taken < checkpoint));
        snapshots.taken.push(checkpoint);
        self.snapshots.add(1);
    }

    fn on_complete(&mut self, _: u64) {
        self.complete.add(1);
    }
}

#[derive(Clone, Default)]
struct WatchingKeys(Watching);

#[process]
impl WatchingKeys {
    fn open(&mut self, cx: &OpenContext<'_>) {
        (self.0.snapshots, self.0.complete) = (cx.counter("keyed_snapshots"), cx.counter("keyed_complete"));
    }

    fn on_record(&mut self, number: u64, before: &mut StateOf<Before>, cx: &mut KeyedContext<'_, u64, u64>) {
        before.before = Some(number as i64);
        cx.emit(number);
    }

    fn on_snapshot(&mut self, _: u64) {
        self.0.snapshots.add(1);
    }

    fn on_complete(&mut self, _: u64) {
        self.0.complete.add(1);
    }
}

#[test]
fn they_learn_of_checkpoints() {
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let mut settings = parallel(2);
        settings.checkpoints.dir = Some(dir.path().into());
        settings.checkpoints.interval = Duration::from_millis(20);
        let mut job = Job::<ExactlyOnce>::new("test", settings);
        let results = collect();
        let split = || (0..50).flat_map(|n| [Step::Record(n), Step::Wait(Duration::from_millis(10))]).collect();
        job.source(Script::steps(vec![split(), split()]))
            .process(Watching::default())
            .key_by(|number| number % 7)
            .process(WatchingKeys::default())
            .sink(results.sink());
        let sim = SimEnv::new(seed);
        let handle = local::start(job.build().expect("it is well formed"), sim.clone());
        let job = Simulated { sim, job: handle };
        job.wait().expect("it ends well");
        assert_eq!(results.take().len(), 100);
        let counted = |name: &str| job.counted(name);
        assert!(counted("unkeyed_snapshots") >= 2 * 10, "seed {seed}: {}", counted("unkeyed_snapshots"));
        assert_eq!(counted("unkeyed_snapshots"), counted("keyed_snapshots"), "seed {seed}");
        for (complete, snapshots) in [("unkeyed_complete", "unkeyed_snapshots"), ("keyed_complete", "keyed_snapshots")]
        {
            let (complete, snapshots) = (counted(complete), counted(snapshots));
            assert!(complete > 0 && complete <= snapshots, "seed {seed}: {complete} of {snapshots}");
        }
    }
}
