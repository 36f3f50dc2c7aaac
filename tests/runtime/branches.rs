//! Operators behind the place where a stream parts run in the parting task: what goes wrong there is their own, and what they keep is theirs.

use std::{cell::Cell, convert::Infallible, time::Duration};

use millstream::{
    failure::Failure,
    metrics::Metric,
    operator::{OpenContext, Operator},
    prelude::*,
    restart::RestartStrategy,
    settings::Settings,
    stream::Sealed,
};

use crate::{
    checkpoints::settings,
    script::{Script, Step},
    support::{Simulated, fails, graph, ms, parallel, run, seeds, sorted},
};

type Branch = Sealed<u64, EventTime, BestEffort>;

/// The ways in which a stream parts.
const WAYS: [&str; 6] = ["split", "fork", "side", "rejects", "late", "nested"];

/// Numbers up to 99; those below 10 come last, when event time has passed them.
fn numbers(job: &mut Job) -> impl Stream<Out = u64, Time = EventTime, Guarantee = BestEffort> + use<> {
    let early = (10..100).map(Step::Record).chain([Step::Wait(Duration::from_secs(60))]);
    let steps = early.chain((0..10).map(Step::Record)).collect();
    job.source(Script::steps(vec![steps])).event_time_by(|n| ms(n as i64), punctuated(|_, at| Some(at)))
}

struct Small;

impl SideOutput for Small {
    type Record = u64;
}

/// Puts aside what is small.
#[derive(Clone)]
struct Sorting;

#[process]
impl Sorting {
    fn on_record(&mut self, number: u64, cx: &mut Context<'_, u64, (Small,)>) {
        if number < 10 {
            cx.emit_to(Small, number);
        } else {
            cx.emit(number);
        }
    }
}

/// A branch that has the numbers below 10. What it parts from ends in a sink.
fn branch(job: &mut Job, way: &str) -> Branch {
    let numbers = numbers(job);
    let parted = |numbers: Branch| {
        let (small, rest) = numbers.split(|n| n < 10);
        rest.sink(collect().sink());
        small
    };
    match way {
        "split" => parted(numbers.sealed()),
        "fork" => {
            let (a, b) = numbers.fork();
            a.sink(collect().sink());
            b
        }
        "side" => {
            let (rest, small) = numbers.process(Sorting).side_output(Small);
            rest.sink(collect().sink());
            small
        }
        "rejects" => {
            let picky = numbers.map(|n| if n < 10 { Err("small") } else { Ok(n) });
            let (rest, small) = picky.divert_errors_with(|n, _| n);
            rest.sink(collect().sink());
            small
        }
        "late" => {
            let (windows, late) = numbers.key_by(|n| n % 7).window(tumbling(10.milliseconds())).with_late();
            windows.aggregate(|of| of.count()).sink(collect().sink());
            late
        }
        _ => {
            let (a, b) = numbers.fork();
            a.sink(collect().sink());
            parted(b)
        }
    }
}

/// Looks whether an operator runs in a branch of another task: its name stands in parentheses there.
fn is_chained(name: &str, build: impl Fn(&mut Job)) -> bool {
    let titles: Vec<_> = graph(parallel(2), build).vertices.iter().map(millstream::graph::Vertex::title).collect();
    let title = titles.iter().find(|title| title.contains(name)).expect("it runs somewhere");
    let at = title.find(name).expect("it does");
    title[..at].contains('(') && title[at..].contains(')')
}

/// The failure of a job with an operator in a branch, for each way in which the stream parts.
fn each_fails(name: &str, build: impl Fn(&mut Job, &str)) -> Vec<(Failure, String)> {
    let mut failures = Vec::new();
    for way in WAYS {
        assert!(is_chained(name, |job| build(job, way)), "{way}");
        for parallelism in 1..=3 {
            let what = format!("{way} x{parallelism}");
            failures.push((fails(parallelism as u64, parallel(parallelism), |job| build(job, way)), what));
        }
    }
    failures
}

#[test]
fn a_panic_is_blamed_on_the_operator_of_the_branch() {
    let line = Cell::new(0);
    let build = |job: &mut Job, way: &str| {
        let branch = branch(job, way).filter(|n| n < 10);
        line.set(line!() + 1);
        let inside = branch.map(|n| if n == 7 { panic!("boom") } else { n }).name("inside");
        inside.rebalance().sink(collect().sink());
    };
    for (failure, what) in each_fails("map inside", build) {
        assert_eq!(failure.operator(), Some("map inside"), "{what}: {failure}");
        let location = failure.location().expect("it stands somewhere");
        assert_eq!((location.file, location.line), (file!(), line.get()), "{what}: {failure}");
        assert!(failure.message().ends_with(": boom"), "{what}: {failure}");
    }
}

#[test]
fn a_rejected_record_is_blamed_on_the_operator_of_the_branch() {
    let line = Cell::new(0);
    let build = |job: &mut Job, way: &str| {
        let branch = branch(job, way).filter(|n| n < 10);
        line.set(line!() + 1);
        let inside = branch.map(|n| if n == 7 { Err("not welcome") } else { Ok(n) }).name("inside");
        inside.rebalance().sink(collect().sink());
    };
    for (failure, what) in each_fails("map inside", build) {
        assert_eq!(failure.operator(), Some("map inside"), "{what}: {failure}");
        let location = failure.location().expect("it stands somewhere");
        assert_eq!((location.file, location.line), (file!(), line.get()), "{what}: {failure}");
        assert!(failure.message().starts_with("not welcome\n  record: 7\n"), "{what}: {failure}");
    }
}

#[test]
fn rejected_records_of_a_branch_are_skipped_and_counted() {
    for (seed, way) in seeds().flat_map(|seed| WAYS.map(|way| (seed, way))) {
        let results = collect();
        let job = run(seed, parallel(1 + seed as usize % 3), |job| {
            let branch = branch(job, way).filter(|n| n < 10);
            let inside = branch.map(|n| if n % 3 == 0 { Err("of three") } else { Ok(n) }).name("inside");
            inside.skip_errors().rebalance().sink(results.sink());
        });
        assert_eq!(sorted(results.take()), [1, 2, 4, 5, 7, 8], "{way}, seed {seed}");
        let skipped = job.job.metrics().snapshot().into_iter().filter(|(id, _)| id.name == "records_skipped");
        let skipped = skipped.map(|(id, metric)| (id.operator, metric));
        for (operator, metric) in skipped {
            assert_eq!(operator, "map inside", "{way}");
            assert!(matches!(metric, Metric::Counter(_)), "{way}");
        }
        assert_eq!(job.counted("records_skipped"), 4, "{way}, seed {seed}");
    }
}

/// Passes numbers on, and goes wrong where it is told to.
#[derive(Clone)]
struct Hooked(&'static str);

impl Operator<u64> for Hooked {
    type Out = u64;
    type Error = Infallible;
    const KIND: &'static str = "hooked";

    fn open(&mut self, _: &OpenContext<'_>) -> Result<(), Failure> {
        self.goes_wrong("open")
    }

    fn process<N: Push<u64>>(&mut self, number: u64, at: Timestamp, out: &mut N) -> Result<(), Infallible> {
        out.push(number, at);
        Ok(())
    }

    fn watermark<N: Push<u64>>(&mut self, at: Timestamp, _: &mut N) -> Result<(), Failure> {
        if at == Timestamp::MAX { self.goes_wrong("watermark") } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.goes_wrong("close")
    }
}

impl Hooked {
    fn goes_wrong(&self, at: &str) -> Result<(), Failure> {
        match self.0.strip_suffix('!') {
            Some(panics) if panics == at => panic!("{at} is out of order"),
            None if self.0 == at => Err(Failure::new(format!("{at} is out of order"))),
            _ => Ok(()),
        }
    }
}

#[test]
fn hooks_in_a_branch_fail_the_job_by_their_own_name() {
    for wrong in ["open", "open!", "watermark", "watermark!", "close", "close!"] {
        let line = Cell::new(0);
        let build = |job: &mut Job, way: &str| {
            let branch = branch(job, way);
            line.set(line!() + 1);
            let inside = branch.then(move || Hooked(wrong)).name("inside");
            inside.rebalance().sink(collect().sink());
        };
        for (failure, what) in each_fails("hooked inside", build) {
            let what = format!("{wrong}, {what}: {failure}");
            assert_eq!(failure.operator(), Some("hooked inside"), "{what}");
            assert_eq!(failure.location().map(|location| location.line), Some(line.get()), "{what}");
            let message = format!("{} is out of order", wrong.trim_end_matches('!'));
            assert!(failure.message().ends_with(&message), "{what}");
        }
    }
}

/// The last checkpoint commits everything: so it has to come behind whatever may still go wrong with records.
#[test]
fn nothing_is_committed_if_the_end_of_the_input_is_refused() {
    for seed in seeds() {
        for in_branch in [false, true] {
            let dir = tempfile::tempdir().expect("there is room");
            let results = collect();
            let settings = settings(dir.path(), 2, Duration::from_secs(3600));
            let settings = Settings { restart: Some(RestartStrategy::None), ..settings };
            let mut job = Job::<ExactlyOnce>::new("test", settings);
            let numbers = job.source(Script::records(vec![vec![1_u64, 2, 3]]));
            let numbers = if in_branch {
                let (a, b) = numbers.fork();
                a.rebalance().union(b.then(|| Hooked("watermark")).rebalance()).sealed()
            } else {
                numbers.then(|| Hooked("watermark")).rebalance().sealed()
            };
            numbers.sink(results.sink());
            let sim = millstream_testkit::SimEnv::new(seed);
            let handle = millstream::local::start(job.build().expect("it is well formed"), sim.clone());
            let job = Simulated { sim, job: handle };
            let failure = job.wait().expect_err("the end is refused");
            assert_eq!(failure.message(), "watermark is out of order", "seed {seed}, in a branch: {in_branch}");
            assert_eq!(results.take(), [0; 0], "seed {seed}, in a branch: {in_branch}");
        }
    }
}
