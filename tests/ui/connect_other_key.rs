//! Two streams keyed by different types.

use millstream::prelude::*;

#[derive(Record)]
struct Order {
    id: u64,
}

#[derive(Record)]
struct Payment {
    order: String,
}

#[derive(Clone)]
struct Pay;

#[process]
impl Pay {
    fn on_left(&mut self, order: OrderView<'_>, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(order.id);
    }

    fn on_right(&mut self, _: PaymentView<'_>, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(cx.key());
    }
}

#[job]
fn paid(job: &mut Job) {
    let orders = job.source(records(Vec::<Order>::new())).key_by(|order| order.id);
    let payments = job.source(records(Vec::<Payment>::new())).key_by(|payment| payment.order.to_owned());
    orders.connect(payments).process(Pay).map(|id| id + 1).sink(print());
}

fn main() {}
