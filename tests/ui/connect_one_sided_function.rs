//! A function of one stream behind two.

use millstream::prelude::*;

#[derive(Clone)]
struct One;

#[process]
impl One {
    fn on_record(&mut self, number: u64, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(number);
    }
}

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(vec![1_u64])).key_by(|number| number);
    left.connect(right).process(One).map(|number| number + 1).sink(print());
}

fn main() {}
