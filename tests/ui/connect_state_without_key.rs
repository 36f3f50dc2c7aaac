//! A function with state for each key on streams that have none.

use millstream::prelude::*;

#[derive(State, Default)]
struct Count {
    count: u64,
}

#[derive(Clone)]
struct Both;

#[process]
impl Both {
    fn on_left(&mut self, number: u64, count: &mut StateOf<Count>, cx: &mut KeyedContext<'_, u64, u64>) {
        count.count += 1;
        cx.emit(number);
    }

    fn on_right(&mut self, number: u64, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(number);
    }
}

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64]));
    let right = job.source(records(vec![1_u64]));
    left.connect(right).process(Both).map(|number| number + 1).sink(print());
}

fn main() {}
