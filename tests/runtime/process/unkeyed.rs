//! Process functions without key: fused into their chains, with state of each subtask's own and a last word at the end of the input.

use std::time::Duration;

use millstream::prelude::*;

use super::{Order, OrderView, What, order, orders, steps, watermark};
use crate::{
    script::{Script, Step},
    spy::{FULL_RECORDS, Spy},
    support::{fails, ms, parallel, run, seeds, sorted},
};

#[derive(OperatorState)]
struct Waiting {
    #[state(list)]
    numbers: Vec<u64>,
    #[state(broadcast)]
    size: u64,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { numbers: Vec::new(), size: 3 }
    }
}

/// Puts numbers out in batches, the last one at the end.
#[derive(Clone)]
struct Batches {
    refused: Option<u64>,
    at_end: Result<(), &'static str>,
}

const BATCHES: Batches = Batches { refused: None, at_end: Ok(()) };

#[process]
impl Batches {
    fn open(&mut self, waiting: &mut Waiting, cx: &OpenContext<'_>) {
        assert_eq!(waiting.size, 3);
        waiting.size += cx.subtask() as u64;
    }

    fn on_record(
        &mut self,
        number: u64,
        waiting: &mut Waiting,
        cx: &mut Context<'_, Vec<u64>>,
    ) -> Result<(), &'static str> {
        if self.refused == Some(number) {
            return Err("refused");
        }
        waiting.numbers.push(number);
        if waiting.numbers.len() as u64 == waiting.size {
            cx.emit(std::mem::take(&mut waiting.numbers).view());
        }
        Ok(())
    }

    fn on_end(&mut self, waiting: &mut Waiting, cx: &mut Context<'_, Vec<u64>>) -> Result<(), &'static str> {
        assert_eq!((cx.timestamp(), cx.watermark()), (Timestamp::MAX, Timestamp::MAX));
        cx.emit(waiting.numbers.view());
        self.at_end
    }
}

fn numbers(job: &mut Job, count: u64) -> impl Stream<Out = u64, Time = NoTime> + use<> {
    job.source(Script::records(vec![(0..count).collect()]))
}

#[test]
fn each_subtask_has_state_of_its_own_and_the_last_word() {
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(2), |job| {
            numbers(job, 100).rebalance().process(BATCHES).sink(results.sink());
        });
        let mut batches: Vec<Vec<u64>> = results.take();
        // 50 numbers for each: in threes with 2 left over, in fours with 2 left over.
        let sizes = sorted(batches.iter().map(Vec::len).collect());
        assert_eq!(sizes, [vec![2; 2], vec![3; 16], vec![4; 12]].concat(), "seed {seed}");
        batches.sort();
        assert_eq!(sorted(batches.concat()), (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn directly_behind_a_source_it_is_fused_with_it() {
    let results = collect();
    let job = run(1, parallel(1), |job| numbers(job, 7).process(BATCHES).sink(results.sink()));
    assert_eq!(results.take(), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    assert_eq!(job.job.chains().len(), 1);
}

/// Holds everything back until the end.
#[derive(Clone)]
struct Hoarding;

#[derive(OperatorState, Default)]
struct Hoard {
    #[state(union)]
    numbers: Vec<u64>,
}

#[process]
impl Hoarding {
    fn on_record(&mut self, number: u64, hoard: &mut Hoard, cx: &mut Context<'_, u64>) {
        if number == u64::MAX {
            cx.emit(number);
        }
        hoard.numbers.push(number);
    }

    fn on_end(&mut self, hoard: &mut Hoard, cx: &mut Context<'_, u64>) {
        hoard.numbers.drain(..).for_each(|number| cx.emit(number));
    }
}

/// The sink sees to it that nobody writes to it while it is full, so no more than it takes are put out at the end here. What matters is that the end is
/// not told while the sink is full of what came before.
#[test]
fn the_end_comes_when_there_is_room_for_an_answer() {
    for seed in seeds() {
        let spy = Spy::slow(Duration::from_micros(10));
        run(seed, parallel(1), |job| {
            let full = vec![u64::MAX; FULL_RECORDS as usize];
            job.source(Script::records(vec![full])).rebalance().process(Hoarding).sink(spy.clone());
        });
        assert_eq!(spy.seen().committed, 2 * FULL_RECORDS, "seed {seed}");
    }
}

/// Tells how far time has come.
#[derive(Clone)]
struct Telling;

#[process]
impl Telling {
    fn on_record(&mut self, order: OrderView<'_>, cx: &mut Context<'_, (Timestamp, Timestamp, bool)>) {
        if Order::from_view(order).what == What::Tell {
            let old = cx.wall() > order.time;
            cx.emit((cx.timestamp(), cx.watermark(), old));
            cx.emit_at((cx.timestamp(), cx.watermark(), old), ms(50_000));
        }
    }
}

#[test]
fn it_knows_the_times() {
    let given = vec![
        order(1, 5, What::Tell, i64::MAX),
        watermark(10),
        order(1, 3, What::Tell, i64::MAX),
        order(1, 15, What::Tell, 1000),
        watermark(20),
    ];
    let results = collect();
    run(1, parallel(1), |job| {
        let told = orders(job, steps(given)).process(Telling);
        told.key_by(|_| 0_u8)
            .window(tumbling(10.seconds()))
            .aggregate(|of| of.collect(|(at, watermark, old)| (at, watermark, old)))
            .map(|(_, window, told)| (window.start, told.to_vec()))
            .sink(results.sink());
    });
    let told = [(ms(5), Timestamp::MIN, false), (ms(3), ms(10), false), (ms(15), ms(10), true)];
    // That of 3 is late.
    assert_eq!(sorted(results.take()), [(ms(0), told.to_vec()), (ms(50_000), told.to_vec())]);
}

#[test]
fn rejected_records_have_their_policies() {
    let refusing = Batches { refused: Some(4), ..BATCHES };
    let failure = fails(1, parallel(1), |job| numbers(job, 7).process(refusing.clone()).sink(collect().sink()));
    assert_eq!(failure.operator(), Some("process Batches"), "{failure}");
    assert!(failure.message().starts_with("refused\n  record: 4\n"), "{failure}");
    let results = collect();
    let job = run(1, parallel(1), |job| numbers(job, 7).process(refusing).skip_errors().sink(results.sink()));
    assert_eq!(results.take(), [vec![0, 1, 2], vec![3, 5, 6], vec![]]);
    assert_eq!(job.counted("records_skipped"), 1);
}

#[test]
fn an_error_at_the_end_fails_the_job() {
    let function = Batches { at_end: Err("incomplete"), ..BATCHES };
    let failure = fails(1, parallel(1), |job| numbers(job, 7).process(function).skip_errors().sink(collect().sink()));
    assert_eq!((failure.operator(), failure.message()), (Some("process Batches"), "incomplete"), "{failure}");
}

/// A keyed stream is a stream whose records are where their key is.
#[test]
fn any_stream_will_do() {
    let results = collect();
    run(1, parallel(3), |job| {
        let steps = vec![vec![Step::Record(1_u64), Step::Record(2), Step::Record(3)]];
        job.source(Script::steps(steps)).key_by(|_| 7_u64).process(BATCHES).sink(results.sink());
    });
    let batches: Vec<Vec<u64>> = results.take();
    assert_eq!(sorted(batches.concat()), [1, 2, 3]);
    assert_eq!(batches.iter().filter(|batch| !batch.is_empty()).count(), 1, "all are at one place");
}
