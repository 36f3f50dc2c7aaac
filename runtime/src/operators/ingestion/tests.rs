//! Ingestion time signal by signal: what the clock says, and what it must not be believed.

use millstream_core::time::Timestamp;

use super::IngestionStage;
use crate::{
    env::Instant,
    metrics::Gauge,
    operator::{Push, Signal, SplitSignal, Stage, Wait},
    task::clock::StepClock,
};

/// What came out: the times of records, and signals.
#[derive(Default)]
struct Probe {
    times: Vec<i64>,
    signals: Vec<Signal>,
}

impl Push<i64> for Probe {
    fn push(&mut self, _: i64, at: Timestamp) {
        self.times.push(at.millis());
    }
}

impl Stage for Probe {
    fn signal(&mut self, signal: Signal) {
        self.signals.push(signal);
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

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn stage(began: i64) -> IngestionStage<Probe> {
    IngestionStage {
        clock: StepClock::new(at(began)),
        latest: Timestamp::MIN,
        passed_on: Timestamp::MIN,
        gauge: Gauge::default(),
        next: Probe::default(),
    }
}

#[test]
fn a_record_happens_when_its_step_begins_whatever_time_it_had() {
    let mut stage = stage(1_000);
    Push::<i64>::push(&mut stage, 7, at(5));
    Push::<i64>::push(&mut stage, 8, at(9_999));
    stage.clock.set(at(1_250));
    Push::<i64>::push(&mut stage, 9, Timestamp::MIN);
    assert_eq!(stage.next.times, [1_000, 1_000, 1_250]);
}

#[test]
fn time_stands_still_while_the_clock_is_behind_itself() {
    let mut stage = stage(5_000);
    let mut clock = [5_000, 4_000, 4_999, 5_000, 5_001].into_iter();
    for wall in clock.by_ref() {
        stage.clock.set(at(wall));
        Push::<i64>::push(&mut stage, 0, Timestamp::MIN);
    }
    assert_eq!(stage.next.times, [5_000, 5_000, 5_000, 5_000, 5_001]);
}

#[test]
fn no_record_is_behind_the_watermark_though_the_clock_goes_back() {
    let mut stage = stage(100);
    stage.signal(Signal::Tick(at(700)));
    assert_eq!(stage.next.signals, [Signal::Watermark(at(699)), Signal::Tick(at(700))]);
    stage.clock.set(at(300));
    Push::<i64>::push(&mut stage, 0, Timestamp::MIN);
    assert_eq!(stage.next.times, [700], "the watermark said that nothing before 700 would follow");
    stage.next.signals.clear();
    stage.signal(Signal::Tick(at(400)));
    assert_eq!(stage.next.signals, [Signal::Tick(at(400))], "watermarks do not go back, nor are they repeated");
}

#[test]
fn the_watermark_follows_the_clock_without_records_and_whatever_the_input_says() {
    let mut stage = stage(0);
    for signal in [
        Signal::Split(SplitSignal::Hold),
        Signal::Split(SplitSignal::Start(3)),
        Signal::Idle,
        Signal::Watermark(at(77)),
        Signal::Tick(at(200)),
        Signal::Active,
        Signal::Tick(at(400)),
    ] {
        stage.signal(signal);
    }
    let [first, second] = [Signal::Tick(at(200)), Signal::Tick(at(400))];
    assert_eq!(stage.next.signals, [Signal::Watermark(at(199)), first, Signal::Watermark(at(399)), second]);
}

#[test]
fn the_last_watermark_is_the_inputs() {
    let mut stage = stage(0);
    stage.signal(Signal::Watermark(Timestamp::MAX));
    stage.signal(Signal::Tick(at(200)));
    stage.signal(Signal::End);
    assert_eq!(stage.next.signals, [Signal::Watermark(Timestamp::MAX), Signal::Tick(at(200)), Signal::End]);
    assert_eq!(stage.gauge.get(), i64::MAX);
}
