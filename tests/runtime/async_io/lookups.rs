//! Records joined with rows that a service gives for their keys.

use millstream::prelude::*;

use super::{Refused, Service, Watched};
use crate::{
    script::Script,
    support::{parallel, run, seeds},
};

#[derive(Record, Clone, Debug, PartialEq)]
struct Order {
    number: u64,
    customer: u64,
}

#[derive(Record, Clone, Debug, PartialEq)]
struct Customer {
    name: String,
}

/// Knows those with even ids.
#[async_map(cache = 10, retry = "fixed(3, 5ms)")]
async fn customer(service: &Service, id: u64) -> Result<Option<Customer>, Refused> {
    let (calls, _in_flight) = service.begin(&[id]);
    service.sleep(20 - id).await;
    match id {
        4 if calls < 3 => Err(Refused(id)),
        _ => Ok(id.is_multiple_of(2).then(|| Customer { name: format!("customer {id}") })),
    }
}

fn orders(job: &mut Job) -> impl Stream<Out = Order, Time = NoTime> + use<> {
    let orders = [1, 2, 4, 1, 2, 4, 3].into_iter().zip(0..).map(|(customer, number)| Order { number, customer });
    job.source(Script::records(vec![orders.collect()]))
}

#[test]
fn an_inner_lookup_leaves_out_records_without_a_row_and_a_left_one_keeps_them() {
    for seed in seeds() {
        let (inner, left) = (collect(), collect());
        let (first, second) = (Watched::default(), Watched::default());
        run(seed, parallel(1), |job| {
            let [a, b] = orders(job).forks();
            a.lookup(|order| order.customer, customer(first.open()))
                .map(|(order, customer)| (order.number, customer.name.to_owned()))
                .sink(inner.sink());
            b.lookup_left(|order| order.customer, customer(second.open()).capacity(1))
                .uid("left")
                .map(|(order, customer)| (order.number, customer.map(|customer| customer.name.to_owned())))
                .sink(left.sink());
        });
        let name = |id: u64| format!("customer {id}");
        assert_eq!(inner.take(), [(1, name(2)), (2, name(4)), (4, name(2)), (5, name(4))]);
        let wanted = [None, Some(2), Some(4), None, Some(2), Some(4), None].into_iter().zip(0..);
        let wanted: Vec<_> = wanted.map(|(id, number): (Option<u64>, u64)| (number, id.map(name))).collect();
        assert_eq!(left.take(), wanted);
        // With one call at a time the second order of a customer finds the row of the first.
        let calls: Vec<_> = second.seen().calls.into_iter().collect();
        assert_eq!(calls, [(1, 1), (2, 1), (3, 1), (4, 3)]);
    }
}
