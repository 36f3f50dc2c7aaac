//! Watermarks by split, punctuations, idleness: signal by signal.

use std::{marker::PhantomData, time::Duration};

use millstream_core::{record::Record, time::Timestamp};

use super::{Splits, TimeStage};
use crate::{
    alignment::{Alignment, Report, group::Member},
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
        splits: Splits::new(strategy.generator()),
        strategy,
        holds: false,
        passed_on: Timestamp::MIN,
        idle: false,
        member: None,
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

/// Two splits that are both open, at 100 and at 50; the second one is current. The watermark is 49.
fn two_splits() -> Stamped<impl Fn(i64) -> Timestamp + Clone + Send, impl WatermarkStrategy<i64>> {
    let mut stage = stage(monotonous().with_idleness(Duration::from_millis(1000)));
    stage.signal(Signal::Split(SplitSignal::Start(0)));
    stage.push(100, Timestamp::MIN);
    stage.signal(Signal::Split(SplitSignal::Start(1)));
    stage.push(50, Timestamp::MIN);
    stage.signal(tick(0));
    assert_eq!(outputs!(stage), [Out::Record(100), Out::Record(50), Out::Watermark(49)]);
    stage
}

#[test]
fn a_silent_split_is_left_out_until_it_speaks() {
    let mut stage = two_splits();
    stage.signal(Signal::Split(SplitSignal::Switch(0)));
    for at in [500, 1000, 1500] {
        stage.push(at, Timestamp::MIN);
        stage.signal(tick(at));
    }
    assert_eq!(
        outputs!(stage),
        [Out::Record(500), Out::Record(1000), Out::Record(1500), Out::Watermark(1499)],
        "the other one has been silent for a second, and the subtask as a whole has not"
    );
    stage.signal(Signal::Split(SplitSignal::Switch(1)));
    stage.push(60, Timestamp::MIN);
    stage.signal(Signal::Split(SplitSignal::Switch(0)));
    stage.push(2000, Timestamp::MIN);
    stage.signal(tick(2000));
    assert_eq!(
        outputs!(stage),
        [Out::Record(60), Out::Record(2000)],
        "it counts again, and the watermark does not go back"
    );
    stage.signal(Signal::Split(SplitSignal::Done(1)));
    stage.signal(tick(2001));
    assert_eq!(outputs!(stage), [Out::Watermark(1999)]);
}

#[test]
fn a_punctuation_does_not_pass_by_an_idle_split_that_has_just_spoken() {
    let mut stage = stage(
        punctuated(|record: i64, at| (record % 10 == 0).then_some(at)).with_idleness(Duration::from_millis(1000)),
    );
    stage.signal(Signal::Split(SplitSignal::Start(0)));
    stage.push(10, Timestamp::MIN);
    stage.signal(Signal::Split(SplitSignal::Start(1)));
    stage.signal(tick(0));
    for at in [0, 500, 1000] {
        stage.signal(Signal::Split(SplitSignal::Switch(1)));
        stage.push(21, Timestamp::MIN);
        stage.signal(tick(at));
    }
    outputs!(stage);
    stage.signal(Signal::Split(SplitSignal::Switch(0)));
    stage.push(11, Timestamp::MIN);
    stage.signal(Signal::Split(SplitSignal::Switch(1)));
    stage.push(30, Timestamp::MIN);
    assert_eq!(outputs!(stage), [Out::Record(11), Out::Record(30)], "split 0 is at 10 and no longer idle");
}

#[test]
fn a_subtask_is_idle_when_all_its_splits_are() {
    let mut stage = two_splits();
    for at in [500, 1000, 1499] {
        stage.signal(tick(at));
    }
    assert_eq!(outputs!(stage), []);
    stage.signal(tick(1500));
    stage.signal(tick(1700));
    assert_eq!(outputs!(stage), [Out::Idle]);
    stage.signal(Signal::Split(SplitSignal::Switch(0)));
    stage.push(200, Timestamp::MIN);
    stage.signal(tick(1800));
    assert_eq!(outputs!(stage), [Out::Active, Out::Record(200), Out::Watermark(199)], "the other one is still idle");
}

#[test]
fn a_new_split_is_waited_for_as_long_as_any() {
    let mut stage = two_splits();
    stage.signal(tick(500));
    stage.signal(tick(1400));
    stage.signal(Signal::Split(SplitSignal::Start(2)));
    stage.signal(tick(1500));
    assert_eq!(outputs!(stage), [], "the new one has not been silent for a second");
    stage.signal(tick(2500));
    assert_eq!(outputs!(stage), [Out::Idle]);
}

#[test]
fn nothing_is_said_behind_idleness_though_what_held_back_lets_go() {
    let mut stage = stage(monotonous().with_idleness(Duration::from_millis(1000)));
    stage.signal(Signal::Split(SplitSignal::Hold));
    stage.push(10, Timestamp::MIN);
    for at in [0, 100, 1100] {
        stage.signal(tick(at));
    }
    assert_eq!(outputs!(stage), [Out::Record(10), Out::Idle]);
    stage.signal(Signal::Split(SplitSignal::Release));
    stage.signal(tick(1200));
    assert_eq!(outputs!(stage), []);
    stage.push(20, Timestamp::MIN);
    stage.signal(tick(1300));
    assert_eq!(outputs!(stage), [Out::Active, Out::Record(20), Out::Watermark(19)]);
}

fn member() -> Member {
    Member::of_one_group(&[Alignment::new("group", Duration::from_secs(1))]).remove(0)
}

#[test]
fn a_group_learns_after_each_step_how_far_the_subtask_has_come() {
    let mut stage = stage(monotonous().with_idleness(Duration::from_millis(1000)));
    let member = member();
    stage.member = Some(member.clone());
    let at = |millis| Report::At(Timestamp::from_millis(millis));
    let step = Instant::from_nanos(0);
    stage.flush(step);
    assert_eq!(member.reported(), Report::At(Timestamp::MIN));
    stage.push(500, Timestamp::MIN);
    stage.flush(step);
    assert_eq!(member.reported(), at(499), "without a tick");
    stage.signal(tick(0));
    stage.signal(Signal::Split(SplitSignal::Hold));
    stage.push(900, Timestamp::MIN);
    stage.flush(step);
    assert_eq!(member.reported(), at(499), "no later watermark passes");
    stage.signal(Signal::Split(SplitSignal::Release));
    stage.flush(step);
    assert_eq!(member.reported(), at(899));
    for millis in [1, 100, 1100] {
        stage.signal(tick(millis));
    }
    stage.flush(step);
    assert_eq!(member.reported(), Report::LeftOut, "it is idle");
    stage.push(1000, Timestamp::MIN);
    stage.flush(step);
    assert_eq!(member.reported(), at(999));
    stage.signal(Signal::Watermark(Timestamp::MAX));
    assert_eq!(member.reported(), Report::LeftOut, "it has ended");
    stage.flush(step);
    assert_eq!(member.reported(), Report::LeftOut);
}

#[test]
fn who_waits_for_others_is_not_idle() {
    let mut stage = stage(monotonous().with_idleness(Duration::from_millis(1000)));
    let member = member();
    stage.member = Some(member.clone());
    stage.push(10, Timestamp::MIN);
    stage.signal(tick(0));
    stage.signal(tick(900));
    member.set_waits(true);
    stage.signal(tick(5000));
    member.set_waits(false);
    stage.signal(tick(5500));
    assert_eq!(outputs!(stage), [Out::Record(10), Out::Watermark(9)]);
    stage.signal(tick(6500));
    assert_eq!(outputs!(stage), [Out::Idle], "silence counts from the end of the pause");
}
