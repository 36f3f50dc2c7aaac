//! A function that takes another record of the right stream.

use millstream::prelude::*;

#[derive(Clone)]
struct Both;

#[process]
impl Both {
    fn on_left(&mut self, number: u64, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(number);
    }

    fn on_right(&mut self, word: &str, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(word.len() as u64);
    }
}

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(vec![1_i64])).key_by(|number| number as u64);
    left.connect(right).process(Both).map(|number| number + 1).sink(print());
}

fn main() {}
