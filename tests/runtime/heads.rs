//! A head with two inputs, written by hand on the public contracts: ports, bounded steps, waiting, and operators fused behind it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use millstream::{
    env::{Env, Instant},
    failure::Failure,
    metrics::Counter,
    operator::{Signal, Stage, Wait},
    prelude::*,
    runtime::{BatchCursor, ChainContext, Head, Progress, TaskContext, Two},
    stream::{Plan, two_inputs},
};

use crate::{
    script::{Script, Step},
    support::{fails, parallel, run, seeds, sorted},
};

/// How many records the head pushes in a step.
const STEP_RECORDS: usize = 3;

/// Tags what comes from the left with `l`, from the right with `r`. It takes a whole batch, waits a while, then pushes a few records in each step.
pub(crate) struct Tagging {
    pub(crate) panics: bool,
}

impl Plan for Tagging {
    type In = Two<u64, String>;
    type Out = (char, String);
    type Chain<N: Push<(char, String)>> = TaggingHead<N>;

    fn chain<N: Push<(char, String)>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<TaggingHead<N>, Failure> {
        let info = cx.operator(0);
        let open = cx.open_context(&info);
        Ok(TaggingHead {
            env: Arc::clone(open.env()),
            batches: open.counter("batches"),
            idle: open.counter("all_idle"),
            panics: self.panics,
            pending: VecDeque::new(),
            until: Instant::default(),
            watermark: Timestamp::MIN,
            ended: false,
            next,
        })
    }
}

pub(crate) struct TaggingHead<N> {
    env: Arc<dyn Env>,
    batches: Counter,
    /// How often all inputs were idle.
    idle: Counter,
    panics: bool,
    pending: VecDeque<(char, String, Timestamp)>,
    /// Nothing is pushed before.
    until: Instant,
    watermark: Timestamp,
    ended: bool,
    next: N,
}

impl<N: Push<(char, String)>> Head for TaggingHead<N> {
    fn poll(&mut self, _: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        assert!(!self.next.is_full(), "a head is polled when its output is ready");
        if let Some(port) = input.port() {
            self.batches.add(1);
            assert!(!self.panics, "boom");
            match port {
                0 => {
                    let records = input.records::<u64>().expect("a cursor with a port has records");
                    self.pending.extend(records.map(|(number, at)| ('l', number.to_string(), at)));
                }
                1 => {
                    let records = input.records::<String>().expect("a cursor with a port has records");
                    self.pending.extend(records.map(|(text, at)| ('r', text.to_owned(), at)));
                }
                other => return Err(Failure::new(format!("there is no port {other}"))),
            }
            input.advance_to(usize::MAX);
            self.until = self.env.now() + Duration::from_millis(1);
        }
        if !self.pending.is_empty() && self.env.now() < self.until {
            return Ok(Progress::Waiting);
        }
        for _ in 0..STEP_RECORDS {
            let Some((side, text, at)) = self.pending.pop_front() else { return Ok(Progress::Consumed) };
            assert!(
                at > self.watermark || self.watermark == Timestamp::MIN,
                "{at} comes after watermark {}",
                self.watermark
            );
            self.next.push((side, &text), at);
            if self.next.is_full() {
                return Ok(Progress::NeedsOutput);
            }
        }
        Ok(Progress::MoreWork)
    }

    fn wait(&mut self) -> Wait<'_> {
        Box::pin(async {
            self.env.sleep_until(self.until).await;
            Ok(())
        })
    }
}

impl<N: Push<(char, String)>> Stage for TaggingHead<N> {
    fn signal(&mut self, signal: Signal) {
        assert!(!self.ended, "nothing follows the end");
        match signal {
            Signal::Watermark(at) => {
                assert!(self.pending.is_empty(), "a head with work pending gets no watermark");
                assert!(at > self.watermark, "watermarks never go back");
                self.watermark = at;
            }
            Signal::Idle => self.idle.add(1),
            Signal::End => self.ended = true,
            _ => {}
        }
        self.next.signal(signal);
    }

    fn is_full(&self) -> bool {
        self.next.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        self.next.flush(now)
    }

    fn idle(&mut self) {
        self.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        self.next.ready()
    }

    fn finish(&mut self) -> Wait<'_> {
        self.next.finish()
    }
}

fn left() -> Script<u64> {
    Script::records((0..4).map(|split| (split * 100..split * 100 + 100).collect()).collect())
}

fn right() -> Script<String> {
    let text = |n: i32| Step::Record(format!("text {n}"));
    Script::steps(vec![
        (0..50).flat_map(|n| [text(n), Step::Wait(Duration::from_millis(7))]).collect(),
        (50..99).map(text).collect(),
    ])
}

fn expected() -> Vec<(char, String)> {
    let left = (0..400).filter(|n| n % 3 != 0).map(|n| ('l', n.to_string()));
    sorted(left.chain((0..99).map(|n| ('r', format!("text {n}")))).collect())
}

fn kept(side: char, text: &str) -> bool {
    side == 'r' || text.parse::<u64>().is_ok_and(|number| number % 3 != 0)
}

#[test]
fn a_head_with_two_ports_reads_both_and_what_is_behind_it_is_fused() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2, 3].map(|parallelism| (seed, parallelism))) {
        let results = collect();
        let job = run(seed, parallel(parallelism), |job| {
            let (left, right) = (job.source(left()), job.source(right()));
            two_inputs("tag", left, right, Tagging { panics: false })
                .filter(|(side, text)| kept(side, text))
                .sink(results.sink());
        });
        assert_eq!(sorted(results.take()), expected(), "seed {seed} x{parallelism}");
        assert!(job.counted("batches") > 2);
        // A bounded source is held back until all its splits have readers. Were it idle before, others could close windows on what is coming.
        assert_eq!(job.counted("all_idle"), 0, "seed {seed} x{parallelism}");
    }
}

#[test]
fn keyed_streams_meet_by_key_with_event_time() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2, 3].map(|parallelism| (seed, parallelism))) {
        let results = collect();
        run(seed, parallel(parallelism), |job| {
            // The sides go through time at different paces; the head asserts that no record of either is behind the watermark of both.
            let left = job.source(left()).event_time_by(|n| Timestamp::from_millis(n as i64 * 10), monotonous());
            let right = job.source(right()).event_time_by(
                |text| Timestamp::from_millis(text["text ".len()..].parse().expect("a number")),
                monotonous(),
            );
            let (left, right) = (left.key_by(|n| n % 7), right.key_by(|text| text.len() as u64));
            two_inputs("tag", left, right, Tagging { panics: false })
                .filter(|(side, text)| kept(side, text))
                .sink(results.sink());
        });
        assert_eq!(sorted(results.take()), expected(), "seed {seed} x{parallelism}");
    }
}

#[test]
fn a_slow_end_stops_the_head_in_the_middle_of_its_work() {
    for seed in seeds() {
        let spy = crate::spy::Spy::slow(Duration::from_millis(1));
        run(seed, parallel(2), |job| {
            let (left, right) = (job.source(left()), job.source(right()));
            two_inputs("tag", left, right, Tagging { panics: false }).map(|_| 1_u64).sink(spy.clone());
        });
        assert_eq!(spy.seen().committed, 499, "seed {seed}");
    }
}

#[test]
fn a_panic_in_a_head_fails_the_job_with_the_name_of_its_chain() {
    let failure = fails(1, parallel(2), |job| {
        let (left, right) = (job.source(left()), job.source(right()));
        two_inputs("tag", left, right, Tagging { panics: true }).sink(collect().sink());
    });
    assert!(failure.operator().is_some_and(|operator| operator.starts_with("tag -> sink collect ")), "{failure}");
    assert!(failure.message().ends_with(": boom"), "{failure}");
}
