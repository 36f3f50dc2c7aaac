//! Timers: for each key and time one, in order of time, by the watermark or by the clock, and all of them at the end of the input.

use std::time::Duration;

use millstream::{metrics::Metric, prelude::*, settings::Settings};

use super::{Order, OrderView, What, WhatView, order, orders, steps, watermark};
use crate::{
    script::{Script, Step},
    spy::Spy,
    support::{Simulated, ms, parallel, run, seeds, sorted},
};

/// Does as ordered, and tells of each timer: its key, its time, how far event time has come, and `e` or `p`.
#[derive(Clone)]
struct Told;

type Fired = (u64, i64, i64, char);

#[process]
impl Told {
    fn on_record(&mut self, order: OrderView<'_>, cx: &mut KeyedContext<'_, u64, Fired>) {
        assert_eq!((cx.key(), cx.timestamp()), (order.key, order.at));
        match order.what {
            WhatView::Set => cx.event_timer(order.time),
            WhatView::Delete => cx.delete_event_timer(order.time),
            WhatView::SetProcessing => cx.processing_timer(order.time),
            WhatView::DeleteProcessing => cx.delete_processing_timer(order.time),
            WhatView::Tell => cx.emit((order.key, order.at.millis(), cx.watermark().millis(), 't')),
            WhatView::Watermark => {}
        }
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut KeyedContext<'_, u64, Fired>) {
        assert_eq!(cx.timestamp(), timer.at);
        assert!(!timer.is_processing() || cx.wall() > timer.at || cx.watermark() == Timestamp::MAX);
        let clock = if timer.is_event() { 'e' } else { 'p' };
        cx.emit((cx.key(), timer.at.millis(), cx.watermark().millis(), clock));
    }
}

const END: i64 = i64::MAX;

/// What is told, in order, by one subtask.
fn told(seed: u64, orders_given: Vec<Step<Order>>) -> (Vec<Fired>, Simulated) {
    let results = collect();
    let job = run(seed, parallel(1), |job| {
        orders(job, orders_given).key_by(|order| order.key).process(Told).sink(results.sink());
    });
    (results.take(), job)
}

#[test]
fn they_fire_in_order_of_time_each_once() {
    use What::{Delete, Set};
    for seed in seeds() {
        let given = [
            order(1, 10, Set, 300),
            order(1, 11, Set, 100),
            order(1, 12, Set, 100), // one and the same
            order(2, 13, Set, 100),
            order(2, 14, Set, 250),
            order(3, 15, Set, 200),
            order(3, 16, Delete, 200),
            order(3, 17, Delete, 999), // there is none
            order(4, 18, Delete, 250), // that of another key stays
            watermark(99),
            watermark(100),
            watermark(260),
        ];
        let (fired, _) = told(seed, steps(given));
        let mut first = fired[..2].to_vec();
        first.sort();
        assert_eq!(first, [(1, 100, 100, 'e'), (2, 100, 100, 'e')], "of one time in any order");
        assert_eq!(fired[2..], [(2, 250, 260, 'e'), (1, 300, END, 'e')]);
    }
}

/// As in Flink: it is not an error, and the next watermark brings it.
#[test]
fn one_that_is_too_late_fires_with_the_next_watermark() {
    use What::{Set, Tell};
    for seed in seeds() {
        let given = [
            watermark(1000),
            order(1, 1001, Set, 500),
            order(1, 1002, Set, 1000),
            order(1, 1003, Set, 1001),
            order(1, 1004, Tell, 0),
            watermark(1005),
        ];
        let (fired, job) = told(seed, steps(given));
        let expected = [(1, 1004, 1000, 't'), (1, 500, 1005, 'e'), (1, 1000, 1005, 'e'), (1, 1001, 1005, 'e')];
        assert_eq!(fired, expected);
        assert_eq!(job.counted("late_timers"), 2);
    }
}

/// Sets the next timer as long as there are steps to take.
#[derive(Clone)]
struct Stepping {
    until: i64,
}

#[process]
impl Stepping {
    fn on_record(&mut self, order: OrderView<'_>, cx: &mut KeyedContext<'_, u64, (u64, Timestamp)>) {
        if matches!(order.what, WhatView::Set) {
            cx.event_timer(order.time);
        }
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut KeyedContext<'_, u64, (u64, Timestamp)>) {
        cx.emit((cx.key(), timer.at));
        if timer.at.millis() < self.until {
            cx.event_timer(timer.at + 10.milliseconds());
        }
    }
}

/// The watermark is passed on when everything that it makes due has fired, with what was set meanwhile: nothing is late to the windows behind.
#[test]
fn what_timers_put_out_comes_before_the_watermark() {
    for seed in seeds() {
        let given = steps([order(1, 5, What::Set, 10), order(2, 6, What::Set, 20), watermark(45), watermark(1000)]);
        let results = collect();
        let job = run(seed, parallel(1), |job| {
            orders(job, given)
                .key_by(|order| order.key)
                .process(Stepping { until: 95 })
                .key_by(|(key, _)| key)
                .window(tumbling(Duration::from_millis(50)))
                .aggregate(|of| of.count())
                .map(|(key, window, count)| (key, window.start, count))
                .sink(results.sink());
        });
        let expected =
            [(1, ms(0), 4_u64), (1, ms(50), 5), (1, ms(100), 1), (2, ms(0), 3), (2, ms(50), 5), (2, ms(100), 1)];
        assert_eq!(sorted(results.take()), expected);
        assert_eq!(job.counted("late_records"), 0);
    }
}

#[test]
fn at_the_end_of_the_input_all_fire_with_those_that_they_set() {
    let given = steps([order(1, 5, What::Set, 10)]);
    let results = collect();
    run(1, parallel(2), |job| {
        orders(job, given).key_by(|order| order.key).process(Stepping { until: 100_000 }).sink(results.sink());
    });
    assert_eq!(results.take().len(), 10_000, "more than fire in one step of a task");
}

/// In a stream without event time nothing else makes them fire.
#[test]
fn without_event_time_they_wait_for_the_end() {
    let given = vec![vec![order(1, 5, What::Set, 10), order(1, 5, What::Tell, 0), order(2, 5, What::Set, 9)]];
    let results = collect();
    run(1, parallel(1), |job| {
        let untimed = job.source(Script::records(given)).map(|order| OrderView { at: Timestamp::MIN, ..order }.own());
        untimed.key_by(|order| order.key).process(Told).sink(results.sink());
    });
    assert_eq!(results.take(), [(1, i64::MIN, i64::MIN, 't'), (2, 9, END, 'e'), (1, 10, END, 'e')]);
}

impl OrderView<'_> {
    fn own(self) -> Order {
        Order::from_view(self)
    }
}

#[test]
fn by_the_clock_they_fire_when_their_millisecond_is_over() {
    use What::{DeleteProcessing, SetProcessing};
    for seed in seeds() {
        let (sim, start) = {
            let sim = millstream_testkit::SimEnv::new(seed);
            let start = millstream::env::Env::wall(&*sim).millis();
            (sim, start)
        };
        drop(sim);
        let given = vec![
            Step::Record(order(1, 1, SetProcessing, start + 400)),
            Step::Record(order(1, 2, SetProcessing, start + 200)),
            Step::Record(order(2, 3, SetProcessing, start + 300)),
            Step::Record(order(2, 4, SetProcessing, start + 350)),
            Step::Record(order(2, 5, DeleteProcessing, start + 350)),
            Step::Record(order(3, 6, SetProcessing, start - 1000)), // long ago: at once
            Step::Record(order(3, 7, SetProcessing, start + 3_600_000)), // the end of the input comes first
            Step::Wait(Duration::from_millis(1000)),
            Step::Record(order(4, 8, What::Tell, 0)),
        ];
        let (fired, _) = told(seed, given);
        let fired: Vec<_> = fired.into_iter().map(|(key, at, _, clock)| (key, at - start, clock)).collect();
        let expected =
            [(3, -1000, 'p'), (1, 200, 'p'), (2, 300, 'p'), (1, 400, 'p'), (4, 8 - start, 't'), (3, 3_600_000, 'p')];
        assert_eq!(fired, expected, "seed {seed}");
    }
}

/// Sets a timer by the clock whenever one fires.
#[derive(Clone)]
struct Beating;

#[process]
impl Beating {
    fn on_record(&mut self, key: u64, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.processing_timer(cx.wall() + 1.seconds());
        let _ = key;
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(cx.key());
        cx.processing_timer(timer.at + 1.seconds());
    }
}

#[test]
fn a_clock_that_beats_for_ever_ends_with_the_input() {
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(2), |job| {
            let source = Script::steps(vec![vec![Step::Record(7_u64), Step::Wait(Duration::from_millis(3500))]]);
            job.source(source).key_by(|key| key).process(Beating).sink(results.sink());
        });
        assert_eq!(results.take(), [7; 4], "three beats, and the last one that was waited for");
    }
}

/// The sink sees to it that nobody writes to it while it is full.
#[test]
fn a_slow_output_holds_them_up() {
    for seed in seeds() {
        let spy = Spy::slow(Duration::from_micros(10));
        let settings = Settings { buffer_bytes: 1 << 10, memory_bytes: 1 << 20, ..parallel(2) };
        let given = steps((1..=5_000).map(|key| order(key, 1, What::Set, 10 + key as i64 % 7)).chain([watermark(100)]));
        run(seed, settings, |job| {
            let (near, far) = orders(job, given).fork();
            near.key_by(|order| order.key).process(Told).map(|(key, ..)| key).sink(spy.clone());
            let far = far.key_by(|order| order.key).process(Told).map(|(key, ..)| (key, "x".repeat(100)));
            far.rebalance().map(|(key, _)| key).sink(spy.clone());
        });
        assert_eq!(spy.seen().committed, 2 * 5_000, "seed {seed}");
    }
}

#[test]
fn they_are_counted() {
    let given = vec![
        Step::Record(order(1, 1, What::Set, 10)),
        Step::Record(order(1, 2, What::Set, 20)),
        Step::Record(order(2, 3, What::SetProcessing, i64::MAX - 1)),
        Step::Record(watermark(10)),
        Step::Never,
    ];
    let job = Simulated::start(1, parallel(1), |job| {
        orders(job, given).key_by(|order| order.key).process(Told).sink(collect().sink());
    });
    let gauge = |name: &str| {
        let metrics = job.job.metrics().snapshot();
        metrics.into_iter().find_map(|(id, metric)| match metric {
            Metric::Gauge(gauge) if id.name == name && id.operator == "process Told" => Some(gauge.get()),
            _ => None,
        })
    };
    job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_secs(1)));
    assert_eq!(gauge("timers"), Some(2));
    job.job.cancel();
    job.wait().expect_err("it is cancelled");
}
