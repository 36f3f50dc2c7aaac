//! A context with a key for what every subtask gets.

use millstream::prelude::*;

#[derive(Record)]
struct Payment {
    card: u64,
    cents: u64,
}

#[derive(Record)]
struct Rule {
    limit: u64,
}

#[derive(OperatorState, Default)]
struct Rules {
    #[state(broadcast)]
    limit: u64,
}

#[derive(Clone)]
struct Judge;

#[process]
impl Judge {
    fn on_left(&mut self, payment: PaymentView<'_>, rules: &Rules, cx: &mut KeyedContext<'_, u64, u64>) {
        if payment.cents > rules.limit {
            cx.emit(payment.cents);
        }
    }

    fn on_right(&mut self, rule: RuleView<'_>, rules: &mut Rules, _: &mut KeyedContext<'_, u64, u64>) {
        rules.limit = rule.limit;
    }
}

#[job]
fn judged(job: &mut Job) {
    let payments = job.source(records(Vec::<Payment>::new())).key_by(|payment| payment.card);
    let rules = job.source(records(Vec::<Rule>::new()));
    payments.connect(rules.broadcast()).process(Judge).map(|cents| cents + 1).sink(print());
}

fn main() {}
