//! A function of two streams behind one.

use millstream::{prelude::*, stream::BestEffort};

#[derive(Clone)]
struct Match;

#[process]
impl Match {
    fn on_left(&mut self, order: u64, cx: &mut Context<'_, u64>) {
        cx.emit(order);
    }

    fn on_right(&mut self, payment: i64, cx: &mut Context<'_, u64>) {
        cx.emit(payment as u64);
    }
}

#[job]
fn orders(job: &mut Job<BestEffort>) {
    let orders = job.source(records([1_u64]));
    orders.process(Match).sink(collect().sink());
}

fn main() {}
