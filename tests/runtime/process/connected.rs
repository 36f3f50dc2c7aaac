//! Two connected streams: shared state and timers, whichever stream has the key; what is rejected; and event time, which is that of the stream behind.

use std::collections::BTreeMap;

use millstream::{metrics::Metric, prelude::*, process::EitherView};
use millstream_testkit::rng::Rng;

use crate::{
    script::{Script, Step},
    support::{fails, ms, parallel, run, seeds, sorted},
};

#[derive(Record, Debug, Clone)]
struct Order {
    id: u64,
    price: i64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record, Debug, Clone)]
struct Payment {
    order: String,
    paid: i64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(State, Default)]
struct Account {
    orders: u64,
    due: i64,
    payments: ListState<i64>,
}

/// Puts out orders, what is due, and the payments, sorted, when event time comes to `until`.
#[derive(Clone)]
struct Balance {
    until: Timestamp,
}

#[process]
impl Balance {
    fn on_left(
        &mut self,
        order: OrderView<'_>,
        account: &mut StateOf<Account>,
        cx: &mut KeyedContext<'_, u64, (u64, u64, i64, Vec<i64>)>,
    ) -> Result<(), String> {
        if order.price < 0 {
            return Err(format!("a price of {}", order.price));
        }
        account.orders += 1;
        account.due += order.price;
        cx.event_timer(self.until);
        Ok(())
    }

    fn on_right(
        &mut self,
        payment: PaymentView<'_>,
        account: &mut StateOf<Account>,
        cx: &mut KeyedContext<'_, u64, (u64, u64, i64, Vec<i64>)>,
    ) {
        account.due -= payment.paid;
        account.payments.push(payment.paid);
        cx.event_timer(self.until);
    }

    fn on_timer(
        &mut self,
        _: Timer,
        account: &mut StateOf<Account>,
        cx: &mut KeyedContext<'_, u64, (u64, u64, i64, Vec<i64>)>,
    ) {
        let payments = sorted(account.payments.iter().copied().collect());
        cx.emit((cx.key(), account.orders, account.due, payments.view()));
        account.clear();
    }
}

fn order(id: u64, price: i64, at: i64) -> Order {
    Order { id, price, at: ms(at) }
}

fn payment(order: u64, paid: i64, at: i64) -> Payment {
    Payment { order: order.to_string(), paid, at: ms(at) }
}

fn id(payment: PaymentView<'_>) -> u64 {
    payment.order.parse().expect("orders have numbers")
}

#[test]
fn state_and_timers_are_those_of_the_key_whichever_stream_has_it() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        let mut expected = BTreeMap::<u64, (u64, i64, Vec<i64>)>::new();
        let mut orders = vec![Vec::new(); 1 + rng.index(3)];
        let mut payments = vec![Vec::new(); 1 + rng.index(3)];
        for at in 0..400 {
            let (key, amount) = (rng.below(20), rng.below(100) as i64);
            let account = expected.entry(key).or_default();
            if rng.below(2) == 0 {
                let split = rng.index(orders.len());
                orders[split].push(order(key, amount, at));
                *account = (account.0 + 1, account.1 + amount, std::mem::take(&mut account.2));
            } else {
                let split = rng.index(payments.len());
                payments[split].push(payment(key, amount, at));
                account.1 -= amount;
                account.2.push(amount);
            }
        }
        let results = collect();
        run(seed, parallel(1 + rng.index(3)), |job| {
            let orders = job.source(Script::records(orders)).event_time(monotonous());
            let payments = job.source(Script::records(payments)).event_time(monotonous());
            orders
                .key_by(|order| order.id)
                .connect(payments.key_by(id))
                .process(Balance { until: ms(1_000) })
                .map(|(key, orders, due, payments)| (key, orders, due, payments.to_vec()))
                .sink(results.sink());
        });
        let expected: Vec<_> =
            expected.into_iter().map(|(key, (orders, due, paid))| (key, orders, due, sorted(paid))).collect();
        assert_eq!(sorted(results.take()), expected, "seed {seed}");
    }
}

#[test]
fn event_time_is_that_of_the_stream_that_is_behind() {
    for seed in seeds() {
        let results = collect();
        let job = crate::support::Simulated::start(seed, parallel(2), |job| {
            let orders = Script::records(vec![vec![order(1, 5, 10), order(1, 5, 2_000)]]);
            let payments = vec![Step::Record(payment(1, 5, 10)), Step::Never];
            let orders = job.source(orders).event_time(monotonous());
            let payments = job.source(Script::steps(vec![payments]).unbounded()).event_time(monotonous());
            orders
                .key_by(|order| order.id)
                .connect(payments.key_by(id))
                .process(Balance { until: ms(1_000) })
                .map(|(key, ..)| key)
                .sink(results.sink());
        });
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, std::time::Duration::from_secs(10)));
        assert_eq!(results.take(), Vec::<u64>::new(), "seed {seed}: payments have come to 10 ms only");
        job.job.cancel();
        assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    }
}

#[test]
fn rejected_records_of_either_stream_fail_the_job_or_are_skipped_or_diverted() {
    let orders = || Script::records(vec![vec![order(1, 5, 10), order(1, -3, 20)]]);
    let payments = || Script::records(vec![vec![payment(1, 5, 10)]]);
    let failure = fails(1, parallel(1), |job| {
        let payments = job.source(payments()).event_time(monotonous()).key_by(id);
        let orders = job.source(orders()).event_time(monotonous()).key_by(|order| order.id);
        orders.connect(payments).process(Balance { until: ms(1_000) }).map(|(key, ..)| key).sink(collect().sink());
    });
    let text = failure.to_string();
    assert!(text.contains("a price of -3") && text.contains("Left(") && text.contains("process Balance"), "{text}");

    let results = collect();
    let job = run(1, parallel(1), |job| {
        let payments = job.source(payments()).event_time(monotonous()).key_by(id);
        let orders = job.source(orders()).event_time(monotonous()).key_by(|order| order.id);
        let balances = orders.connect(payments).process(Balance { until: ms(1_000) }).skip_errors();
        balances.map(|(key, orders, due, _)| (key, orders, due)).sink(results.sink());
    });
    assert_eq!(results.take(), [(1, 1, 0)]);
    assert_eq!(job.counted("records_skipped"), 1);
    let metrics = job.job.metrics().snapshot();
    let skipped = |metric: &Metric| matches!(metric, Metric::Counter(counter) if counter.get() == 1);
    assert!(
        metrics
            .iter()
            .any(|(id, metric)| id.name == "records_skipped" && id.operator == "process Balance" && skipped(metric))
    );

    let diverted = collect();
    run(1, parallel(1), |job| {
        let payments = job.source(payments()).event_time(monotonous()).key_by(id);
        let orders = job.source(orders()).event_time(monotonous()).key_by(|order| order.id);
        let (balances, errors) =
            orders.connect(payments).process(Balance { until: ms(1_000) }).divert_errors_with(|record, error| {
                match record {
                    EitherView::Left(order) => (order.price, error),
                    EitherView::Right(payment) => (payment.paid, error),
                }
            });
        balances.map(|(key, ..)| key).sink(collect().sink());
        errors.map(|(price, error)| (price, error.to_owned())).sink(diverted.sink());
    });
    assert_eq!(diverted.take(), [(-3, "a price of -3".to_owned())]);
}
