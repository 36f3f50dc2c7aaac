//! Plans: what a function keeps stands below its chain, and it needs no other id than its name.

use millstream::{graph::render, prelude::*};

use crate::{
    script::Script,
    support::{graph, parallel},
};

#[derive(State, Default)]
struct Session {
    count: u64,
    pages: MapState<String, u64>,
    #[state(name = "log")]
    lines: ListState<(u64, String)>,
}

#[derive(Clone)]
struct Inactivity;

#[process]
impl Inactivity {
    fn on_record(&mut self, number: u64, session: &mut StateOf<Session>, cx: &mut KeyedContext<'_, u64, u64>) {
        session.count += session.pages.len() as u64 + session.lines.len();
        cx.emit(number);
    }

    fn on_timer(&mut self, _: Timer, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(cx.key());
    }
}

#[derive(OperatorState, Default)]
struct Waiting {
    #[state(list)]
    numbers: Vec<u64>,
    #[state(broadcast, name = "rules")]
    limit: Option<u64>,
}

#[derive(Clone)]
struct Batches;

#[process]
impl Batches {
    fn on_record(&mut self, number: u64, waiting: &mut Waiting, cx: &mut Context<'_, u64>) {
        waiting.numbers.push(number);
        waiting.limit = waiting.limit.max(Some(number));
        waiting.numbers.drain(..).for_each(|number| cx.emit(number));
    }
}

/// Keeps nothing, so it needs no id.
#[derive(Clone)]
struct Passing;

#[process]
impl Passing {
    fn on_record(&mut self, number: u64, cx: &mut Context<'_, u64>) {
        cx.emit(number);
    }
}

const TREE: &str = "job test (best effort)
└─ source script -> process Passing -> process Batches x2
   │  process Batches keeps numbers (operator list u64), rules (broadcast Option<u64>)
   └─ [hash: u64] process Inactivity -> sink print x2
         process Inactivity keeps plain-fields (Session), pages (map String -> u64), log (list (u64, String)), pending-timers
";

#[test]
fn they_say_what_a_function_keeps() {
    let graph = graph(parallel(2), |job| {
        let numbers = job.source(Script::records(vec![vec![1_u64]])).process(Passing).process(Batches);
        numbers.key_by(|number| number).process(Inactivity).sink(print());
    });
    assert_eq!(render::tree(&graph), TREE);
    let operators = graph.vertices.iter().flat_map(|vertex| &vertex.operators);
    let stateful: Vec<_> =
        operators.filter(|operator| operator.stateful).filter_map(|operator| operator.id()).collect();
    assert_eq!(stateful, ["source script", "process Batches", "process Inactivity", "sink print"]);
}
