//! Side outputs: with key, without, and of an operator of one's own.

use std::convert::Infallible;

use millstream::{
    connectors::collect::collect,
    prelude::*,
    process::{HasSides, Side, Sides},
    settings::Settings,
};

use crate::{
    script::Script,
    support::{Simulated, fails, ms, parallel, run, seeds, sorted},
};

/// Numbers that a function puts aside, with its key.
struct Small;

impl SideOutput for Small {
    type Record = (u64, i64);
}

/// What timers have to say.
struct Fired;

impl SideOutput for Fired {
    type Record = String;
}

/// Splits numbers into those that are small and the rest, and tells of each tenth of a second in which there were some.
#[derive(Clone)]
struct Sort;

#[process]
impl Sort {
    fn on_record(
        &mut self,
        number: i64,
        cx: &mut KeyedContext<'_, u64, i64, (Small, Fired)>,
    ) -> Result<(), &'static str> {
        cx.event_timer(ms(number - number % 100 + 99));
        match number {
            666 => return Err("the beast"),
            0..300 => cx.emit_to(Small, (cx.key(), number)),
            _ => cx.emit(number),
        }
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut KeyedContext<'_, u64, i64, (Small, Fired)>) {
        let text = format!("{} at {}", cx.key(), timer.at.millis());
        cx.emit_to_at(Fired, &text, timer.at);
    }
}

fn numbers(seed: u64) -> Vec<i64> {
    let mut state = seed + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as i64 % 1000
    };
    (0..500).map(|_| next()).collect()
}

fn small_buffers(parallelism: usize) -> Settings {
    Settings { buffer_bytes: 1024, ..parallel(parallelism) }
}

#[test]
fn of_a_keyed_function_are_streams_with_watermarks() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 3].map(|parallelism| (seed, parallelism))) {
        let numbers = numbers(seed);
        let (rest, small, fired) = (collect(), collect(), collect());
        let given = numbers.clone();
        let job = run(seed, small_buffers(parallelism), |job| {
            let (stream, of_timers) = job
                .source(Script::records(vec![given]))
                .event_time_by(ms, out_of_order(1.seconds()))
                .key_by(|number| number as u64 % 7)
                .process(Sort)
                .uid("sort")
                .side_output(Fired);
            let (stream, aside) = stream.skip_errors().side_output(Small);
            stream.sink(rest.sink());
            // Windows need the watermark, and the times of records.
            aside
                .key_by(|(key, _)| key)
                .window(tumbling(100.milliseconds()))
                .aggregate(|of| of.count())
                .sink(small.sink());
            of_timers.sink(fired.sink());
        });
        let expected = |keep: fn(&i64) -> bool| sorted(numbers.iter().copied().filter(keep).collect::<Vec<_>>());
        assert_eq!(sorted(rest.take()), expected(|number| *number >= 300 && *number != 666), "seed {seed}");
        assert_eq!(job.counted("records_skipped"), numbers.iter().filter(|number| **number == 666).count() as u64);

        let mut windows = std::collections::BTreeMap::new();
        for number in expected(|number| *number < 300) {
            let start = ms(number - number % 100);
            *windows.entry((number as u64 % 7, Window::new(start, start + 100.milliseconds()))).or_insert(0) += 1;
        }
        let windows: Vec<_> = windows.into_iter().map(|((key, window), count)| (key, window, count)).collect();
        assert_eq!(sorted(small.take()), sorted(windows), "seed {seed}, parallelism {parallelism}");

        let mut timers: Vec<_> = numbers.iter().map(|n| format!("{} at {}", n % 7, n - n % 100 + 99)).collect();
        timers.sort();
        timers.dedup();
        assert_eq!(sorted(fired.take()), timers, "seed {seed}, parallelism {parallelism}");
    }
}

#[test]
fn may_be_read_twice_or_not_at_all() {
    let (first, second, rest) = (collect(), collect(), collect());
    run(1, small_buffers(2), |job| {
        let (stream, small) =
            job.source(Script::records(vec![vec![1, 2, 700, 4]])).key_by(|_| 5_u64).process(Sort).side_output(Small);
        let (stream, again) = stream.side_output(Small);
        small.sink(first.sink());
        again.sink(second.sink());
        // `Fired` has no reader.
        stream.sink(rest.sink());
    });
    assert_eq!(sorted(first.take()), [(5, 1), (5, 2), (5, 4)]);
    assert_eq!(sorted(second.take()), [(5, 1), (5, 2), (5, 4)]);
    assert_eq!(rest.take(), [700]);
}

#[test]
fn a_failure_fails_the_job_with_side_outputs_too() {
    let (rest, small) = (collect(), collect());
    let failure = fails(1, parallel(1), |job| {
        let (stream, aside) =
            job.source(Script::records(vec![vec![666]])).key_by(|_| 5_u64).process(Sort).side_output(Small);
        stream.sink(rest.sink());
        aside.sink(small.sink());
    });
    assert!(failure.to_string().contains("the beast"), "{failure}");
}

/// What cannot be parsed.
struct Unparsed;

impl SideOutput for Unparsed {
    type Record = String;
}

#[derive(Clone)]
struct Parse;

#[process]
impl Parse {
    fn on_record(&mut self, text: &str, cx: &mut Context<'_, u64, Unparsed>) {
        match text.parse() {
            Ok(number) => cx.emit(number),
            Err(_) => cx.emit_to(Unparsed, text),
        }
    }

    fn on_end(&mut self, cx: &mut Context<'_, u64, Unparsed>) {
        cx.emit_to(Unparsed, "the end");
    }
}

/// The same as an operator by hand.
#[derive(Clone, Default)]
struct ByHand {
    sides: (Side<Unparsed>, ()),
}

impl HasSides for ByHand {
    type Sides = (Side<Unparsed>, ());

    fn list(&mut self) -> &mut Self::Sides {
        &mut self.sides
    }
}

impl Operator<String> for ByHand {
    type Out = u64;
    type Error = Infallible;
    const KIND: &'static str = "parse";

    fn sides(&mut self) -> Option<&mut dyn Sides> {
        Some(&mut self.sides)
    }

    fn sides_full(&self) -> bool {
        self.sides.is_full()
    }

    fn process<N: Push<u64>>(&mut self, text: &str, at: Timestamp, out: &mut N) -> Result<(), Infallible> {
        match text.parse() {
            Ok(number) => out.push(number, at),
            Err(_) => self.sides.0.push(text, at),
        }
        Ok(())
    }

    fn watermark<N: Push<u64>>(&mut self, at: Timestamp, _: &mut N) -> Result<(), millstream::failure::Failure> {
        if at == Timestamp::MAX {
            self.sides.0.push("the end", at);
        }
        Ok(())
    }
}

#[test]
fn of_an_operator_in_its_chain() {
    let texts: Vec<_> = (0..200).map(|i| if i % 3 == 0 { format!("no {i}") } else { i.to_string() }).collect();
    for (seed, by_hand) in seeds().flat_map(|seed| [false, true].map(|by_hand| (seed, by_hand))) {
        let (numbers, unparsed) = (collect(), collect());
        let given = texts.clone();
        let job = Simulated::start(seed, small_buffers(1), |job| {
            let texts = job.source(Script::records(vec![given]));
            if by_hand {
                let (parsed, rest) = texts.operator(ByHand::default()).side_output(Unparsed);
                parsed.map(|number| number * 2).sink(numbers.sink());
                rest.sink(unparsed.sink());
            } else {
                let (parsed, rest) = texts.process(Parse).name("parse").side_output(Unparsed);
                parsed.map(|number| number * 2).sink(numbers.sink());
                rest.sink(unparsed.sink());
            }
        });
        job.wait().unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        assert_eq!(numbers.take(), (0..200).filter(|i| i % 3 != 0).map(|i| i * 2).collect::<Vec<u64>>(), "seed {seed}");
        let mut rest: Vec<_> = texts.iter().filter(|text| text.starts_with("no")).cloned().collect();
        rest.push("the end".to_owned());
        assert_eq!(unparsed.take(), rest, "seed {seed}");
    }
}
