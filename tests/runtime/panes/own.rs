//! Triggers, evictors and window functions that a user has written.

use millstream::{
    failure::Failure,
    prelude::*,
    windows::{
        All, Elements, Evictor, Trigger, TriggerContext, TriggerResult, WindowContext, WindowFunction,
        evictors::{Evicting, EvictionContext},
    },
};

use crate::{
    script::Script,
    support::{ms, parallel, run},
    windows::{Event, EventView, event},
};

/// Fires a while after each zero, and at the window's end; then all is forgotten.
#[derive(Clone)]
struct AfterZero;

impl Trigger<Event> for AfterZero {
    /// How many zeros there were.
    type State = u64;
    type Time = EventTime;

    fn on_element<K: Key>(
        &self,
        event: EventView<'_>,
        at: Timestamp,
        zeros: &mut u64,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        if event.value == 0 {
            *zeros += 1;
            cx.event_timer(at + 100.milliseconds());
        }
        // Too many: that of 300 ms is not wanted any more.
        if *zeros == 3 {
            cx.delete_event_timer(cx.window().start + 400.milliseconds());
        }
        TriggerResult::Continue
    }

    fn on_event_time<K: Key>(&self, at: Timestamp, _: &mut u64, cx: &mut TriggerContext<'_, '_, K>) -> TriggerResult {
        if at == cx.window().max_timestamp() { TriggerResult::FireAndPurge } else { TriggerResult::Fire }
    }
}

/// Odd values are forgotten before the function sees them, and those below 10 afterwards.
#[derive(Clone)]
struct Tidy;

impl Evictor<Event> for Tidy {
    fn before(&self, elements: &mut Evicting<'_, Event>, cx: &EvictionContext) {
        assert!(elements.iter().all(|(_, at)| cx.window().contains(at)));
        elements.retain(|event, _| event.value % 2 == 0);
    }
    fn after(&self, elements: &mut Evicting<'_, Event>, _: &EvictionContext) {
        elements.retain(|event, _| event.value >= 10);
    }
}

/// Puts out how often the window has fired, the watermark, and what it holds.
#[derive(Clone)]
struct Told;

type Line = (u64, Timestamp, u32, Timestamp, Vec<u64>);

impl WindowFunction for Told {
    type Key = u64;
    type In = All<Event>;
    type State = u32;
    type Out = Line;

    fn fire<N: Push<Line>>(
        &mut self,
        elements: Elements<'_, Event>,
        firings: &mut u32,
        cx: &mut WindowContext<'_, '_, u64, Line, N>,
    ) -> Result<(), Failure> {
        *firings += 1;
        let values: Vec<u64> = elements.iter().map(|event| event.value).collect();
        if values.contains(&666) {
            return Err(Failure::new("the number of the beast"));
        }
        cx.emit((cx.key(), cx.window().start, *firings, cx.watermark(), values.view()));
        Ok(())
    }
}

fn told(events: Vec<Event>, results: &millstream::connectors::Collect<Line>) -> impl FnOnce(&mut Job) {
    let sink = results.sink();
    move |job: &mut Job| {
        job.source(Script::records(vec![events]))
            .event_time(punctuated(|_, at| Some(at)))
            .key_by(|event| event.key)
            .window(tumbling(1.seconds()))
            .trigger(AfterZero)
            .evictor(Tidy)
            .apply_with(Told)
            .sink(sink);
    }
}

#[test]
fn what_a_user_writes_is_asked_in_turn() {
    let results = collect();
    let at = [(0, 0), (20, 50), (7, 60), (4, 90), (12, 150), (0, 300), (0, 350), (30, 1_000), (31, 2_500), (0, 2_600)];
    run(1, parallel(1), told(at.map(|(value, at)| event(1, value, at)).to_vec(), &results));
    let line = |start, firing, watermark, values: &[u64]| (1, ms(start), firing, watermark, values.to_vec());
    let expected = [
        line(0, 1, ms(150), &[0, 20, 4, 12]),
        line(0, 2, ms(1_000), &[20, 12, 0, 0]),
        line(0, 3, ms(1_000), &[20, 12]),
        line(1_000, 1, ms(2_500), &[30]),
        line(2_000, 1, Timestamp::MAX, &[0]),
    ];
    assert_eq!(results.take(), expected);
}

#[test]
fn an_error_of_a_window_function_names_the_operator() {
    let results = collect();
    let failure = crate::support::fails(1, parallel(1), told(vec![event(1, 666, 5)], &results));
    assert!(failure.to_string().contains("the number of the beast"), "{failure}");
    assert_eq!(failure.operator(), Some("window"), "{failure}");
    let failure = crate::support::fails(1, parallel(1), |job| {
        job.source(records(vec![7_u64]))
            .key_by(|n| n)
            .window(global())
            .apply(|_, _, _| if true { Err("no good") } else { Ok(Some(1_u8)) })
            .sink(collect().sink());
    });
    assert!(failure.to_string().contains("no good") && failure.to_string().contains("key: 7"), "{failure}");
}
