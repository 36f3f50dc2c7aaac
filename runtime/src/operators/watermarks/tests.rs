//! Watermarks by split, punctuations, idleness: signal by signal.

use std::{marker::PhantomData, time::Duration};

use millstream_core::{record::Record, time::Timestamp};

use super::{Idleness, TimeStage};
use crate::{
    env::Instant,
    event_time::{WatermarkStrategy, WatermarkStrategyExt, monotonous, out_of_order, punctuated},
    failure::Location,
    graph::OperatorInfo,
    metrics::Gauge,
    operator::{Push, Signal, SplitSignal, Stage, Wait},
    stream::ByTime,
};

/// What came out: records as their time, and signals.
#[derive(Debug, PartialEq)]
enum Out {
    Record(i64),
    Watermark(i64),
    Idle,
    Active,
    End,
}

#[derive(Default)]
struct Probe(Vec<Out>);

impl Push<i64> for Probe {
    fn push(&mut self, _: i64, at: Timestamp) {
        self.0.push(Out::Record(at.millis()));
    }
}

impl Stage for Probe {
    fn signal(&mut self, signal: Signal) {
        self.0.push(match signal {
            Signal::Watermark(at) => Out::Watermark(at.millis()),
            Signal::Idle => Out::Idle,
            Signal::Active => Out::Active,
            Signal::End => Out::End,
            Signal::Tick(_) | Signal::Barrier(_) | Signal::Completed(_) | Signal::Aborted(_) => return,
            Signal::Split(split) => panic!("splits are of no concern behind their watermarks: {split:?}"),
        });
    }
    fn is_full(&self) -> bool {
        false
    }
    fn flush(&mut self, _: Instant) -> Option<Instant> {
        None
    }
    fn idle(&mut self) {}
    fn ready(&mut self) -> Wait<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn finish(&mut self) -> Wait<'_> {
        self.ready()
    }
}

type Stamped<F, S> = TimeStage<i64, ByTime<F>, S, Probe>;

fn stage<S: WatermarkStrategy<i64>>(strategy: S) -> Stamped<impl Fn(i64) -> Timestamp + Clone + Send, S> {
    TimeStage {
        gauge: Gauge::default(),
        time_of: ByTime(|record: <i64 as Record>::View<'_>| Timestamp::from_millis(record)),
        generator: strategy.generator(),
        strategy,
        split: None,
        others: Vec::new(),
        holds: false,
        passed_on: Timestamp::MIN,
        idle: Idleness { since: None, seen: false, passed_on: false },
        info: OperatorInfo::new("event_time", "", Location::caller()),
        next: Probe::default(),
        record: PhantomData,
    }
}

fn tick(at: i64) -> Signal {
    Signal::Tick(Timestamp::from_millis(at))
}

macro_rules! outputs {
    ($stage:ident) => {
        std::mem::take(&mut $stage.next.0)
    };
}

#[test]
fn the_gauge_shows_the_watermark_that_was_passed_on() {
    let mut stage = stage(out_of_order(Duration::from_millis(100)));
    let gauge = stage.gauge.clone();
    stage.push(500, Timestamp::MIN);
    assert_eq!(gauge.get(), 0, "nothing is passed on before the tick");
    stage.signal(tick(1));
    assert_eq!(outputs!(stage).last(), Some(&Out::Watermark(399)));
    assert_eq!(gauge.get(), 399);
    stage.signal(Signal::Watermark(Timestamp::MAX));
    assert_eq!(gauge.get(), i64::MAX);
}

#[test]
fn a_periodic_watermark_is_the_greatest_time_less_the_bound_less_a_millisecond() {
    let mut stage = stage(out_of_order(Duration::from_millis(100)));
    stage.signal(tick(0));
    assert_eq!(outputs!(stage), [], "nothing is known before the first record");
    for at in [500, 300, 450] {
        stage.push(at, Timestamp::MIN);
    }
    stage.signal(tick(1));
    stage.signal(tick(2));
    assert_eq!(outputs!(stage), [Out::Record(500), Out::Record(300), Out::Record(450), Out::Watermark(399)]);
    stage.push(-7, Timestamp::MIN);
    stage.signal(tick(3));
    assert_eq!(outputs!(stage), [Out::Record(-7)], "a watermark is passed on once and never goes back");
}

#[test]
fn times_at_the_ends_of_the_scale_neither_overflow_nor_end_the_stream() {
    let mut stage = stage(out_of_order(Duration::from_millis(100)));
    stage.push(i64::MIN + 5, Timestamp::MIN);
    stage.signal(tick(1));
    stage.push(i64::MAX, Timestamp::MIN);
    stage.signal(tick(2));
    let far = i64::MAX - 101;
    assert_eq!(outputs!(stage), [Out::Record(i64::MIN + 5), Out::Record(i64::MAX), Out::Watermark(far)]);
}

#[test]
fn a_punctuation_is_passed_on_behind_its_record_at_once() {
    let mut stage = stage(punctuated(|record: i64, at| (record % 10 == 0).then_some(at)));
    for at in [5, 20, 10, 30] {
        stage.push(at, Timestamp::MIN);
    }
    assert_eq!(
        outputs!(stage),
        [Out::Record(5), Out::Record(20), Out::Watermark(20), Out::Record(10), Out::Record(30), Out::Watermark(30)]
    );
}

#[test]
fn nothing_passes_while_bounded_splits_wait_for_a_reader() {
    let mut stage = stage(monotonous());
    stage.signal(Signal::Split(SplitSignal::Hold));
    stage.signal(Signal::Split(SplitSignal::Start(0)));
    stage.push(100, Timestamp::MIN);
    stage.signal(tick(1));
    stage.signal(Signal::Split(SplitSignal::Done(0)));
    stage.signal(tick(2));
    assert_eq!(outputs!(stage), [Out::Record(100)]);
    stage.signal(Signal::Split(SplitSignal::Start(1)));
    stage.push(40, Timestamp::MIN);
    stage.signal(Signal::Split(SplitSignal::Release));
    assert_eq!(outputs!(stage), [Out::Record(40), Out::Watermark(39)], "the split that is done holds nothing back");
}

#[test]
fn open_splits_hold_each_other_back() {
    let mut stage = stage(monotonous());
    stage.signal(Signal::Split(SplitSignal::Start(0)));
    stage.push(100, Timestamp::MIN);
    stage.signal(Signal::Split(SplitSignal::Start(1)));
    stage.signal(tick(1));
    assert_eq!(outputs!(stage), [Out::Record(100)], "the new split has said nothing yet");
    stage.push(50, Timestamp::MIN);
    stage.signal(tick(2));
    assert_eq!(outputs!(stage), [Out::Record(50), Out::Watermark(49)]);
    stage.signal(Signal::Split(SplitSignal::Switch(0)));
    stage.push(200, Timestamp::MIN);
    stage.signal(tick(3));
    assert_eq!(outputs!(stage), [Out::Record(200)]);
    stage.signal(Signal::Split(SplitSignal::Done(1)));
    stage.signal(tick(4));
    assert_eq!(outputs!(stage), [Out::Watermark(199)]);
}

#[test]
fn silence_is_idleness_after_its_time_and_a_record_ends_it() {
    let mut stage = stage(monotonous().with_idleness(Duration::from_millis(1000)));
    stage.push(10, Timestamp::MIN);
    stage.signal(tick(0));
    assert_eq!(outputs!(stage), [Out::Record(10), Out::Watermark(9)]);
    for at in [200, 700, 1199] {
        stage.signal(tick(at));
    }
    assert_eq!(outputs!(stage), []);
    stage.signal(tick(1200));
    stage.signal(tick(1400));
    assert_eq!(outputs!(stage), [Out::Idle]);
    stage.push(20, Timestamp::MIN);
    stage.signal(tick(1600));
    stage.signal(tick(1800));
    assert_eq!(outputs!(stage), [Out::Active, Out::Record(20), Out::Watermark(19)], "silence is counted from anew");
}

#[test]
fn the_last_watermark_is_the_last() {
    let mut stage = stage(monotonous().with_idleness(Duration::from_millis(1)));
    stage.signal(tick(0));
    stage.signal(tick(10));
    stage.push(10, Timestamp::MIN);
    stage.signal(Signal::Idle);
    stage.signal(Signal::Watermark(Timestamp::from_millis(5)));
    stage.signal(Signal::Watermark(Timestamp::MAX));
    stage.signal(tick(100));
    stage.signal(tick(200));
    stage.signal(Signal::End);
    let last = Out::Watermark(Timestamp::MAX.millis());
    assert_eq!(outputs!(stage), [Out::Idle, Out::Active, Out::Record(10), Out::Idle, Out::Active, last, Out::End]);
}
